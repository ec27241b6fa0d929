"""The catalogue of declared products: `products.py` of every installed app is discovered, as `admin.py` is."""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import module_has_submodule

from learning.exceptions import ExemplarError

from ..exceptions import UnknownProduct
from .product import DataProduct

_products: dict[str, DataProduct] = {}
#: Problems of declarations that were refused or reuse a name, one sentence each; `manage.py check` reports them.
refused: list[str] = []


def discover() -> None:
    """Import each app's `products` module and register the products that it declares.

    Exemplar's own apps declare none; their folders of this name hold other modules.
    """
    _products.clear()
    refused.clear()
    for app in apps.get_app_configs():
        if (
            app.name in settings.OURS
            or app.module is None
            or not module_has_submodule(app.module, "products")
        ):
            continue
        try:
            module = import_module(f"{app.name}.products")
        except ExemplarError as error:
            refused.append(f"{app.name}.products: {error}")
        else:
            _register(module)


def _register(module: ModuleType) -> None:
    for value in vars(module).values():
        if not isinstance(value, DataProduct) or _products.get(value.name) is value:
            continue
        if value.name in _products:
            refused.append(
                f"{module.__name__}: the name {value.name!r} is used by another product; rename one."
            )
            continue
        _products[value.name] = value


def products() -> list[DataProduct]:
    """List the declared products in the order of the installed apps."""
    return list(_products.values())


def get(name: str, argument: Sequence[str | int] = ("product",)) -> DataProduct:
    """Get a product by name. Raises UnknownProduct."""
    if name not in _products:
        names = ", ".join(_products) or "none"
        raise UnknownProduct(f"No product is called {name!r}. Declared: {names}.", argument=argument)
    return _products[name]


def find(name: str) -> DataProduct | None:
    """Find a product by name; None where it is not declared."""
    return _products.get(name)
