"""The pages for what no view has answered: no such page, a refused form, an unexpected error."""

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from schema.core.errors import refusal_of
from schema.core.responses import STATUS

from .api import Problem
from .pages import RETRY_SECONDS, TITLES, is_part


def show(request: HttpRequest, status: int, title: str, message: str) -> HttpResponse:
    """Render a page with one sentence; where htmx loads a part of a page, the sentence alone."""
    context = {"title": title, "problems": [Problem(str(status), message)]}
    template = "console/parts/problems.html" if is_part(request) else "console/refusal.html"
    return render(request, template, context, status=status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that a page does not exist; a view's own sentence says what is missing."""
    sentence = exception.args[0] if exception.args and isinstance(exception.args[0], str) else ""
    message = sentence or "Check the address, or begin at the first page."
    return show(request, 404, "There is no such page", message)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that the caller may not do this."""
    return show(request, 403, TITLES["FORBIDDEN"], "Ask an administrator for the permission, or log in.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that the request cannot be read."""
    return show(request, 400, "This request cannot be read", "Begin at the first page, and try again.")


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form is of a session that has ended."""
    return show(
        request,
        403,
        "This form is out of date",
        "Nothing was changed. Load the page again, and send it once more.",
    )


@never_cache
def failed(request: HttpRequest) -> HttpResponse:
    """Say what is away, or that an error is in the log under an id."""
    refusal = refusal_of(sys.exc_info()[1] or RuntimeError("An error without a cause."))
    context = {
        "title": TITLES.get(refusal.code, TITLES["INTERNAL"]),
        "problems": [Problem(refusal.code, refusal.message, id=getattr(refusal, "id", ""))],
        "retry": RETRY_SECONDS.get(refusal.code),
        "user": None,
    }
    template = "console/parts/problems.html" if is_part(request) else "console/refusal.html"
    return render(request, template, context, status=int(STATUS.get(refusal.code, 500)))
