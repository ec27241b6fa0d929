"""Pages outside of the admin: GraphiQL, with queries that run unchanged."""

from django.contrib.auth.views import redirect_to_login
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie

from schema import graphiql_queries
from store.access import actors
from store.products import catalogue

#: The page loads only from this host; GraphiQL's editors create style sheets while they run.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


@never_cache
@ensure_csrf_cookie
def graphiql(request: HttpRequest) -> HttpResponse:
    """Render GraphiQL for users who may query; redirect others to the login."""
    actor = actors.find_actor(request.session.session_key)
    if not actor.admitted:
        return redirect_to_login(request.get_full_path(), "/admin/login/")
    products = graphiql_queries.products()
    chosen = next((name for name in products if name == request.GET.get("product")), next(iter(products), ""))
    context = {
        "products": products,
        "chosen": chosen,
        "refusals": catalogue.refusals(),
        "page": {"product": chosen, "tabs": list_tabs(chosen, actor)},
    }
    response = render(request, "project/graphiql.html", context)
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


def list_tabs(product: str, actor: actors.Actor) -> list[dict[str, str]]:
    """List the tabs of a product; none if the database cannot be reached, so that the page still opens."""
    try:
        return graphiql_queries.tabs(product, actor) if product else []
    except Error:
        return []
