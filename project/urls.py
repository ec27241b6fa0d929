"""URLs that Django serves: the admin and GraphiQL's page. The ASGI application answers all else of `/graphql/`."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from .views import graphiql

urlpatterns = [
    path("", RedirectView.as_view(url="/graphql/")),
    path("graphql/", graphiql),
    path("admin/", admin.site.urls),
]
