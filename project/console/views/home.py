"""The first page: what wants attention, and a card for each product."""

from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.dateparse import parse_datetime

from ..api import Answer, JSONObject, announce, ask, fetch
from ..attention import list_notices
from ..charts import sparkline
from ..measures import bounded, find_measure
from ..pages import DENIED, RETRY_SECONDS, page, render, render_part, require
from ..tasks import Task
from ..windows import start_of_day

#: Days of the cards' figures, and of what wants attention.
CARD_DAYS, ATTENTION_DAYS = 30, 7
#: So many products have a search.
MANY = 6


@page
def home(request: HttpRequest) -> HttpResponse:
    """Show a card for each product; their figures are loaded one by one."""
    products = fetch(request, "Home")["products"]
    query = request.GET.get("q", "").strip()
    cards = [each for each in products if _matches(each, query)]
    announce(request, "Attention", _since(ATTENTION_DAYS))
    if cards:
        announce(request, "HomeCard", {"product": cards[0]["name"], **_since(CARD_DAYS)})
    context = {
        "title": "Home",
        "cards": cards,
        "total": len(products),
        "is_live": any("VIEW" in each["viewerPermissions"] for each in products),
        "q": query,
        "has_search": bool(query) or len(products) > MANY,
    }
    return render(request, "console/home.html", context)


@page
def card(request: HttpRequest, product: str) -> HttpResponse:
    """Show the figures of a product."""
    answer = ask(request, "HomeCard", {"product": product, **_since(CARD_DAYS)})
    product_card = require((answer.data or {}).get("product"), f"No product is called {product}.")
    context = {"card": product_card, **_list_problems(answer)}
    return render_part(request, "console/parts/home_card.html", context | _figures(request, product_card))


@page
def attention(request: HttpRequest) -> HttpResponse:
    """List what wants attention, over all products."""
    answer = ask(request, "Attention", _since(ATTENTION_DAYS))
    data = answer.data or {"products": []}
    context = {"notices": list_notices(data), **_list_problems(answer), "days": ATTENTION_DAYS}
    return render_part(request, "console/parts/home_attention.html", context)


def _figures(request: HttpRequest, card: JSONObject) -> JSONObject:
    build = next(iter((card["builds"] or {}).get("nodes") or ()), None)
    quality = card["quality"] or {}
    counts = _count_days(card["predictionCounts"] or [])
    return {
        "quality": quality,
        "live": bounded(find_measure(quality.get("measured"), card["metric"])),
        "promised": bounded(quality.get("promised")),
        "predictions": sum(counts),
        "today": counts[-1],
        "days": CARD_DAYS,
        "sparkline": sparkline(f"Predictions a day, last {CARD_DAYS} days", counts),
        "build": build if build and build["status"] in ("READY", "RUNNING") else None,
        "words": _count_words(request, card, build),
    }


def _count_words(request: HttpRequest, card: JSONObject, build: JSONObject | None) -> int | None:
    """Count the feedback since the newest snapshot; None where nobody may give any."""
    if not Task(card["task"]).has_truths or "VIEW" not in card["viewerPermissions"]:
        return None
    snapshots = (each and each["snapshot"] for each in (build, card["champion"]))
    learned = max((each["takenAt"] for each in snapshots if each), default=None)
    answer = ask(request, "HomeFeedback", {"product": card["name"], "since": learned})
    counts = ((answer.data or {}).get("product") or {}).get("feedbackCounts")
    return None if counts is None else sum(each["count"] for each in counts)


def _count_days(counts: list[JSONObject]) -> list[int]:
    """Count the predictions of each of the last days, the days without any too."""
    first = start_of_day(CARD_DAYS)
    days = [0] * (CARD_DAYS + 1)
    for each in counts:
        moment = parse_datetime(each["start"])
        if isinstance(moment, datetime):
            # The product's zone may begin its days before those of UTC.
            place = round((moment - first) / timedelta(days=1))
            days[min(max(place, 0), CARD_DAYS)] += each["count"]
    return days


def _since(days: int) -> JSONObject:
    return {"since": start_of_day(days).isoformat()}


def _list_problems(answer: Answer) -> JSONObject:
    """List the problems that are no lack of a permission, each once: what the caller may not see is left out."""
    problems = {problem.message: problem for problem in answer.problems if problem.code not in DENIED}
    retry = any(problem.code in RETRY_SECONDS for problem in problems.values())
    return {"problems": list(problems.values()), "retry": retry}


def _matches(product: JSONObject, query: str) -> bool:
    text = f"{product['title']} {product['name']} {product['description']}".lower()
    return all(word in text for word in query.lower().split())


urls = [
    path("", home, name="home"),
    path("home/attention/", attention, name="home_attention"),
    path("home/cards/<str:product>/", card, name="home_card"),
]
