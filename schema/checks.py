"""System checks of what the schema makes of declared products: their names, and whether they can be composed."""

from django.core import checks

from store.products import catalogue
from store.products.system_checks import list_errors

from . import schema as served
from .composition import find_obstacle


def check_schema(app_configs: object = None, **options: object) -> list[checks.CheckMessage]:
    """Check that every product whose declaration is right has its place in the schema."""
    refuse_new()
    return [
        message
        for product in catalogue.declared()
        if not catalogue.examine(product) and (refusal := catalogue.find_refusal(product))
        for message in list_errors(product, refusal, "exemplar.E003")
    ]


def refuse_new() -> None:
    """Refuse the products that were declared after the schema was composed and cannot be composed with it."""
    composed = list(served.schema.products)
    for product in catalogue.products():
        if product in composed:
            continue
        if refusal := find_obstacle(product, composed):
            catalogue.refuse(product, refusal)
        else:
            composed.append(product)
