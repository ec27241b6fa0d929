"""The common parts of all pages: who may open them, their frame, and what is shown where an operation was refused."""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from http.client import METHOD_NOT_ALLOWED
from math import ceil
from typing import Any, Concatenate, ParamSpec, TypeAlias
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render as render_template
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django_htmx.http import HttpResponseClientRefresh

from schema.core.responses import STATUS
from store.access.middleware import actor_of

from .api import JSONObject, Problem, Refused, answers_of, fetch
from .sections import list_general, list_sections

P = ParamSpec("P")
#: A view of the console: a function of the request and the arguments of its path.
View: TypeAlias = Callable[Concatenate[HttpRequest, P], HttpResponse]
#: The operation that the frame of each page asks.
FRAME = "Frame"
#: Codes of refusals for want of a permission.
DENIED = ("UNAUTHENTICATED", "FORBIDDEN")
#: Titles of the pages that say that an operation was refused, by its code.
TITLES = {
    "FORBIDDEN": "You may not see this",
    "UNAVAILABLE": "Something that Exemplar needs cannot be reached",
    "OVERLOADED": "Exemplar is busy",
    "RATE_LIMITED": "Too many requests",
    "TIMED_OUT": "This takes too long",
    "UNKNOWN_PRODUCT": "There is no such product",
    "INTERNAL": "Something went wrong",
}
#: Seconds after which a page is loaded again that could not be shown for a reason that passes.
RETRY_SECONDS = {"UNAVAILABLE": 5, "OVERLOADED": 5}


def page(view: View[P]) -> View[P]:
    """Open a page to callers who may do anything at all; render what an operation was refused for."""

    @never_cache
    @ensure_csrf_cookie
    @wraps(view)
    def respond(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            if not actor_of(request).admitted and is_part(request):
                return HttpResponseClientRefresh()  # the page itself then leads to the login
            if not actor_of(request).admitted:
                return ask_to_log_in(request)
            response = view(request, *args, **kwargs)
            return (
                refuse_method(request, response) if response.status_code == METHOD_NOT_ALLOWED else response
            )
        except Refused as refused:
            return refuse(request, refused)

    return respond


def ask_to_log_in(request: HttpRequest) -> HttpResponse:
    """Redirect to the login, and from there back to the page; to that with the form if a form was sent."""
    if request.method != "POST":
        return redirect_to_login(request.get_full_path())
    messages.warning(request, "You were not logged in any more, so nothing was changed. Send the form again.")
    sender = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(sender, {request.get_host()}, request.is_secure())
    return redirect_to_login(urlunsplit(("", "", *urlsplit(sender)[2:])) if is_ours else "/")


def is_part(request: HttpRequest) -> bool:
    """Return True if htmx loads a part of a page."""
    return "HX-Request" in request.headers and "HX-Boosted" not in request.headers


def refuse_method(request: HttpRequest, bare: HttpResponse) -> HttpResponse:
    """Render the page for a method that an address does not take; a view answers it with an empty one."""
    problem = Problem(
        "METHOD_NOT_ALLOWED", "Nothing was done: use the form or the link of the page for this."
    )
    context = {"title": "This address is no page of its own", "problems": [problem]}
    template = "console/parts/problems.html" if is_part(request) else "console/refusal.html"
    response = render_template(request, template, context, status=bare.status_code)
    response["Allow"] = bare["Allow"]
    return response


def require_permission(problems: Iterable[Problem]) -> None:
    """Raise Refused if an operation was refused for want of a permission: no other input would help."""
    problems = list(problems)
    if any(problem.code in DENIED for problem in problems):
        raise Refused(problems)


def refuse(request: HttpRequest, refused: Refused) -> HttpResponse:
    """Render the page that says why there is no other one; strangers are sent to the login."""
    if refused.code == "UNAUTHENTICATED":
        return ask_to_log_in(request)
    context = {
        "title": TITLES.get(refused.code, "This cannot be shown"),
        # Each part of a page that needs what is away says so.
        "problems": list({problem.message: problem for problem in refused.problems}.values()),
        "retry": RETRY_SECONDS.get(refused.code),
    }
    status = 404 if refused.code in ("UNKNOWN_PRODUCT", "UNKNOWN_ID") else STATUS.get(refused.code, 400)
    template = "console/parts/problems.html" if is_part(request) else "console/refusal.html"
    response = render_template(request, template, context, status=int(status))
    if wait := refused.problems[0].retry_after:
        response["Retry-After"] = str(ceil(wait))
    return response


def render(
    request: HttpRequest, template: str, context: Mapping[str, Any], product: str = "", status: int = 200
) -> HttpResponse:
    """Render a page in its frame, or, for htmx, a part of it: the template decides by `request.htmx`.

    `product` is the name of the product that the page is about; `permissions` are the caller's on it.
    """
    frame = fetch(request, FRAME)
    chosen = next((each for each in frame["products"] if each["name"] == product), None)
    permissions = set(chosen["viewerPermissions"]) if chosen else set()
    answers = [
        answer
        for answer in answers_of(request)
        if answer.operation.name != FRAME and not answer.operation.is_mutation
    ]
    complete = {
        "viewer": frame["viewer"],
        "products": frame["products"],
        "product": chosen,
        "permissions": permissions,
        "sections": list_sections(request, product, permissions, chosen["task"]) if chosen else (),
        "general": list_general(request),
        "queries": [(answer, answer.curl(request.build_absolute_uri("/graphql/"))) for answer in answers],
        **context,
    }
    return render_template(request, template, complete, status=status)


def render_part(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """Render a part of a page, which htmx loads, without the frame."""
    return render_template(request, template, {**context})


def require(node: JSONObject | None, message: str) -> JSONObject:
    """Return an object that an operation has found. Raises Http404 where there is none."""
    if node is None:
        raise Http404(message)
    return node


def link(path: str, parameters: Mapping[str, object]) -> str:
    """Build a link with those parameters that have a value."""
    query = urlencode({name: value for name, value in parameters.items() if value not in (None, "")})
    return f"{path}?{query}" if query else path
