"""URLs that Django serves: the admin, the pages for logging in, and GraphiQL's page.

The ASGI application answers all else of `/graphql/`.
"""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from .login import Login, Logout, finish_login, log_in_at_provider
from .views import graphiql

urlpatterns = [
    path("", RedirectView.as_view(url="/graphql/")),
    path("graphql/", graphiql),
    path("login/", Login.as_view(), name="login"),
    path("login/provider/", log_in_at_provider, name="login-provider"),
    path("login/callback/", finish_login, name="login-callback"),
    path("logout/", Logout.as_view(), name="logout"),
    # The admin's own pages for this have other limits than ours, which are none.
    path("admin/login/", Login.as_view()),
    path("admin/logout/", Logout.as_view()),
    path("admin/", admin.site.urls),
]
