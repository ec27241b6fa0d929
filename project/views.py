"""Pages outside of the admin: GraphiQL, with queries that run unchanged."""

import secrets

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie

from project.console.api import JSONObject, Refused, fetch
from project.console.pages import FRAME
from project.console.sections import list_general
from project.headers import build_policy
from schema import graphiql_queries
from store.access.actors import Actor
from store.access.caller_limits import is_among
from store.access.middleware import actor_of
from store.products import catalogue


@never_cache
@ensure_csrf_cookie
def graphiql(request: HttpRequest) -> HttpResponse:
    """Render GraphiQL for callers who may query and whom EXEMPLAR_GRAPHIQL names; redirect others to the login."""
    if settings.EXEMPLAR_GRAPHIQL == "nobody":
        raise Http404("EXEMPLAR_GRAPHIQL shows this page to nobody.")
    actor = actor_of(request)
    if not actor.admitted or not is_among(actor, settings.EXEMPLAR_GRAPHIQL):
        return redirect_to_login(request.get_full_path())
    frame = read_frame(request)
    titles = {product["name"]: product["title"] for product in frame["products"]}
    chosen = next((name for name in titles if name == request.GET.get("product")), next(iter(titles), ""))
    nonce = secrets.token_urlsafe(16)
    context = {
        **frame,
        "general": list_general(request),
        "nonce": nonce,
        "title": "GraphiQL",
        "chosen": chosen,
        "chosen_title": titles.get(chosen, ""),
        "refusals": catalogue.refusals(),
        "page": {"product": chosen, "tabs": list_tabs(chosen, actor)},
    }
    response = render(request, "project/graphiql.html", context)
    # GraphiQL's dialogs write a style sheet while they run, and its own style sheet has its fonts in it.
    styles = {"style-src": f"'self' 'nonce-{nonce}'", "font-src": "'self' data:"}
    response["Content-Security-Policy"] = build_policy(styles)
    return response


def read_frame(request: HttpRequest) -> JSONObject:
    """Read what the frame of a page shows; without the database, the names that are declared."""
    try:
        return fetch(request, FRAME)
    except Refused:
        products = [{"name": name, "title": name} for name in graphiql_queries.products()]
        return {"viewer": {"name": None, "anonymous": True}, "products": products}


def list_tabs(product: str, actor: Actor) -> list[dict[str, str]]:
    """List the tabs of a product; none if the database cannot be reached, so that the page still opens."""
    try:
        return graphiql_queries.tabs(product, actor) if product else []
    except Error:
        return []
