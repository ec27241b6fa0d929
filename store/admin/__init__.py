"""The admin: products, builds and versions are shown, and every action asks for a reason."""

from django.contrib import admin

from . import builds, products, versions

admin.site.site_header = admin.site.site_title = "Exemplar"
admin.site.index_title = "Products, builds and models"

__all__ = ["builds", "products", "versions"]
