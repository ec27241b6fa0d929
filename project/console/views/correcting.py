"""The page on which people label one case after another, and correct the model."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from ..api import Answer, JSONObject, Problem, ask, fetch
from ..cases import Case, Waiting, find_queue, list_queues, list_waiting, load_case
from ..labelling_sessions import LabellingSession, Step
from ..operations import compose
from ..pages import link, page, render, require, require_permission
from ..tasks import Task

#: Digits of the keyboard by which a label is given.
KEYS = 9


@page
@require_http_methods(["GET", "HEAD", "POST"])
def correct(request: HttpRequest, product: str) -> HttpResponse:
    """Show the next case of a queue, or the one that the address names; store what is said about it."""
    if request.method == "POST":
        act = ACTS.get(request.POST.get("act", ""), give_label)
        return act(request, product, LabellingSession.load(request, product))
    session = LabellingSession.load(request, product)
    case, about = choose_case(request, product, session)
    response = show(request, product, session, case, about)
    session.store(request)
    return response


def choose_case(
    request: HttpRequest, product: str, session: LabellingSession
) -> tuple[Case | None, JSONObject]:
    """Find the case that the address names, else claim one of the queue; returns it with the product."""
    chosen = read_case(request.GET)
    if chosen:
        about = describe_product(request, product)
        case = load_case(request, product, chosen)
        if case is None:
            session.notice = (
                "warning",
                "This case is not there any more: it was deleted. The next one is shown.",
            )
        else:
            if not claim(request, product, [chosen], session.screen):
                session.notice = session.notice or (
                    "info",
                    "Somebody else has this case, too, at the moment.",
                )
            return case, about
    about = {}
    for about, cases in list_waiting(request, product, find_queue(request.GET.get("queue")), session.seen):
        if not Task(about["task"]).has_truths:
            break
        claimed = claim(request, product, cases, session.screen)  # of none: frees the case before
        if claimed and (case := load_case(request, product, claimed)):
            return case, about
        about["all_claimed"] = bool(cases)
    return None, about


def claim(request: HttpRequest, product: str, cases: list[Waiting], screen: str) -> Waiting | None:
    """Claim the first of the cases that nobody else has; None where others have all."""
    inputs = {"product": product, "cases": [case.target for case in cases], "screen": screen}
    position = fetch(request, "ClaimCase", {"input": inputs})["claimCase"]["position"]
    return None if position is None else cases[position]


def describe_product(request: HttpRequest, product: str) -> JSONObject:
    """Load the labels of a product."""
    owner = fetch(request, "CorrectLabels", {"product": product})["product"]
    return require(owner, f"There is no product {product}.")


def read_case(parameters: Any) -> Waiting | None:
    """Read the case that an address or a form names."""
    if prediction := parameters.get("prediction"):
        return Waiting(prediction=prediction)
    if row := parameters.get("row"):
        return Waiting(entity=row)
    return None


def show(
    request: HttpRequest,
    product: str,
    session: LabellingSession,
    case: Case | None,
    about: JSONObject,
    **more: Any,
) -> HttpResponse:
    """Render the page of a case; `more` is what was wrong with the form, and what it had."""
    queue = find_queue(request.GET.get("queue"))
    labels = [
        {"key": number if number <= KEYS else None, **label}
        for number, label in enumerate(about.get("labels") or (), 1)
    ]
    context = {
        "title": "Correct answers",
        "about": about,
        "case": case,
        "labels": labels,
        "queue": queue,
        "queues": list_queues(about["task"]),
        "session": session,
        "notice": session.take_notice(),
        "shows_answer": request.GET.get("answer") == "shown",
        **more,
    }
    status = more.pop("status", 200)
    return render(request, "console/correct.html", context, product, status=status)


def give_label(request: HttpRequest, product: str, session: LabellingSession) -> HttpResponse:
    """Store the label of a case, unless somebody else has labelled it since it was shown."""
    waiting = read_case(request.POST)
    case = load_case(request, product, waiting) if waiting else None
    if waiting is None or case is None:
        session.notice = ("warning", "Nothing was stored: this case is not there any more.")
        return go_on(request, product, session)
    about = describe_product(request, product)
    form = {"answer": request.POST.get("answer", ""), "comment": request.POST.get("comment", "")}
    if request.POST.get("state") not in (None, case.state):
        return show(request, product, session, case, about, form=form, stale=True, status=409)
    answer = send_feedback(request, product, waiting, read_answer(about, form["answer"]), form["comment"])
    if answer.problems or answer.data is None:
        require_permission(answer.problems)
        return show(request, product, session, case, about, form=form, **sort(answer.problems))
    note(session, case, answer.data["feedback"], about["task"])
    return go_on(request, product, session)


def read_answer(about: JSONObject, text: str) -> object:
    """Read the answer of a form: the name of a label, or a number; what is none is refused by the API."""
    if not Task(about["task"]).predicts_numbers:
        return text
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text


def send_feedback(request: HttpRequest, product: str, case: Waiting, answer: object, comment: str) -> Answer:
    """Send a word about a case."""
    word: JSONObject = {"product": product, "about": case.target, "answer": answer}
    if comment.strip():
        word["comment"] = comment.strip()
    return ask(request, "GiveFeedback", {"input": word})


def sort(problems: list[Problem]) -> dict[str, Any]:
    """Sort problems by the field of the form that they are about."""
    fields: dict[str, list[Problem]] = {"answer": [], "comment": [], "": []}
    for problem in problems:
        name = problem.argument[1] if len(problem.argument) > 1 else ""
        fields.get(name, fields[""]).append(problem)
    return {
        "problems": fields[""],
        "answer_problems": fields["answer"],
        "comment_problems": fields["comment"],
        "status": 400,
    }


def note(session: LabellingSession, case: Case, stored: JSONObject, task: str) -> None:
    """Note in the session what was stored, and whether the model had said the same."""
    text = stored["feedback"]["answerText"]
    if not stored["created"]:
        session.seen.append(case.waiting.subject)
        session.notice = ("info", f"You had said “{text}” already: nothing was stored anew.")
        return
    compared = Task(task).predicts_labels and case.answer_text is not None
    agreed = case.answer_text == text if compared else None
    model = (
        "" if agreed is None else f" The model {'agreed' if agreed else f'had said “{case.answer_text}”'}."
    )
    step = Step(case.waiting.subject, case.waiting.parameters, stored["feedback"]["id"], text, agreed)
    session.add(step)
    session.notice = ("success", f"Stored: {text}.{model}")
    if stored["notWritten"]:
        reason = f"It counts, but the table was not changed: {stored['notWritten']['message']}"
        session.notice = ("warning", f"Stored: {text}. {reason}")


def skip(request: HttpRequest, product: str, session: LabellingSession) -> HttpResponse:
    """Leave a case to others, and go on."""
    waiting = read_case(request.POST)
    if waiting:
        case = load_case(request, product, waiting)
        if case is None:  # the session of a browser remembers none that was made up
            session.notice = ("warning", "This case is not there any more: it was deleted.")
            return go_on(request, product, session)
        session.add(Step(case.waiting.subject, waiting.parameters))
        session.notice = ("info", "Skipped. It is not shown again in this session, unless you undo it.")
    return go_on(request, product, session)


def undo(request: HttpRequest, product: str, session: LabellingSession) -> HttpResponse:
    """Take the last word back, or the last skip, and show its case again."""
    step = session.undo()
    if step is None:
        session.notice = ("info", "There is nothing to undo in this session.")
        return go_on(request, product, session)
    if step.feedback:
        prefix = require(fetch(request, "Prefix", {"product": product})["product"], product)["typePrefix"]
        answer = ask(request, compose("RetractFeedback", prefix), {"input": {"feedback": step.feedback}})
        if answer.problems:
            session.notice = ("error", f"“{step.text}” was not taken back: {answer.problems[0].message}")
            return go_on(request, product, session)
        session.notice = ("info", f"Taken back: {step.text}. Say what is right.")
    else:
        session.notice = ("info", "Here is the case again.")
    return go_on(request, product, session, step.parameters)


def go_on(
    request: HttpRequest,
    product: str,
    session: LabellingSession,
    case: dict[str, str | None] | None = None,
) -> HttpResponse:
    """Redirect to the next case of the queue, or to a certain one."""
    session.store(request)
    parameters = {name: request.GET.get(name) for name in ("queue", "answer")}
    return HttpResponseRedirect(link(reverse("console:correct", args=[product]), parameters | (case or {})))


ACTS = {"label": give_label, "skip": skip, "undo": undo}

urls = [path("products/<str:product>/correct/", correct, name="correct")]
