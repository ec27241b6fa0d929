"""The admin: products, builds and versions are shown, and every action asks for a reason."""

from django.contrib import admin

from . import access, audit, builds, products, receivers, versions

admin.site.site_header = admin.site.site_title = "Exemplar"
admin.site.index_title = "Products, builds and models"

__all__ = ["access", "audit", "builds", "products", "receivers", "versions"]
