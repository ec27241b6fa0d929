"""The checks of declared products that `manage.py check` runs."""

from typing import Any

from django.conf import settings
from django.core import checks

from . import catalogue
from .checks import find_remarks
from .product import DataProduct

#: The level of what keeps a product from being served. An error ends a command, and `check` is the only one that has
#: to end: all others are about other products too.
level = checks.ERROR
#: What commands about rows and builds of a product check first: not the schema and the pages, whose modules take two
#: seconds to load.
OF_PRODUCTS = (checks.Tags.models, "exemplar")


@checks.register("exemplar")
def check_products(app_configs: Any = None, **options: Any) -> list[checks.CheckMessage]:
    """Check every declared product, whichever apps are selected: all products share one schema."""
    messages: list[checks.CheckMessage] = [
        checks.CheckMessage(level, str(refusal), id="exemplar.E001") for refusal in catalogue.refused
    ]
    for product in catalogue.declared():
        refusal = catalogue.examine(product)
        messages += list_errors(product, refusal, "exemplar.E002") if refusal else _list_remarks(product)
    return messages


@checks.register("exemplar")
def check_strangers(app_configs: Any = None, **options: Any) -> list[checks.CheckMessage]:
    """Check that every product is declared on which EXEMPLAR_ANONYMOUS grants something."""
    names = [product.name for product in catalogue.declared()]
    return [
        checks.CheckMessage(
            level,
            f"EXEMPLAR_ANONYMOUS grants on {name!r}, and no product is called that. Declared: {', '.join(names)}.",
            id="exemplar.E007",
        )
        for name in settings.EXEMPLAR_ANONYMOUS
        if name is not None and name not in names
    ]


def list_errors(
    product: DataProduct, refusal: catalogue.Refusal, id_: str = "exemplar.E002"
) -> list[checks.CheckMessage]:
    """List the sentences of a refusal as errors."""
    model = getattr(product.join, "model", None)  # the declaration may be anything
    return [
        checks.CheckMessage(level, f"The product {product.name!r}: {sentence}", obj=model, id=id_)
        for sentence in refusal.explained
    ]


def _list_remarks(product: DataProduct) -> list[checks.CheckMessage]:
    return [
        checks.Warning(
            f"The product {product.name!r}: {sentence}", obj=product.join.queryset.model, id="exemplar.W008"
        )
        for sentence in find_remarks(product)
    ]
