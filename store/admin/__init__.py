"""The admin: products, builds and versions, curated as content is. Whatever may be done asks for a reason."""

from django.contrib import admin

from . import builds, products, versions

admin.site.site_header = admin.site.site_title = "Exemplar"
admin.site.index_title = "What is learned, and what serves"

__all__ = ["builds", "products", "versions"]
