"""Middleware of Django's pages: whoever is signed in acts, and reads what may be read."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from . import resolver
from .acting import Origin, acting_as
from .actors import Actor


class ActingMiddleware:
    """Have a page's thread act for the user of its session."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with acting_as(actor_of(request), origin_of(request)):
            return self.get_response(request)


def origin_of(request: HttpRequest) -> Origin:
    """Get where a page's request came from; a trusted proxy has said whose address it is."""
    return Origin(address=request.META.get("REMOTE_ADDR") or "", operation=request.path)


def actor_of(request: HttpRequest) -> Actor:
    """Get the actor of a page's session."""
    return resolver.find_session_actor(request.session.session_key)
