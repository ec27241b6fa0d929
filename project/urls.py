"""URLs that Django serves: the console, the admin, and the pages for logging in.

The ASGI application answers all else of `/graphql/`.
"""

from django.contrib import admin
from django.urls import include, path

from .console import errors
from .login import Login, Logout, finish_login, log_in_at_provider

handler400, handler403, handler404 = errors.bad_request, errors.forbidden, errors.not_found
handler500 = errors.failed

urlpatterns = [
    path("", include("project.console.urls")),
    path("login/", Login.as_view(), name="login"),
    path("login/provider/", log_in_at_provider, name="login-provider"),
    path("login/callback/", finish_login, name="login-callback"),
    path("logout/", Logout.as_view(), name="logout"),
    # The admin's own pages for this have other limits than ours, which are none.
    path("admin/login/", Login.as_view()),
    path("admin/logout/", Logout.as_view()),
    path("admin/", admin.site.urls),
]
