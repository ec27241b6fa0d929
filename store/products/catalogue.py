"""The declared products: `products.py` of every installed app is discovered, as `admin.py` is."""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from learning.exceptions import ExemplarError

from ..exceptions import UnknownProduct
from .product import DataProduct

_products: dict[str, DataProduct] = {}
#: Sentences about declarations that refused themselves or met another's name; `manage.py check` says them.
refused: list[str] = []


def discover() -> None:
    """Import each app's `products` module and take the products that it declares."""
    _products.clear()
    refused.clear()
    for app in apps.get_app_configs():
        if app.module is None or not module_has_submodule(app.module, "products"):
            continue
        try:
            module = import_module(f"{app.name}.products")
        except ExemplarError as error:
            refused.append(f"{app.name}.products: {error}")
        else:
            _take(module)


def _take(module: ModuleType) -> None:
    for declared in vars(module).values():
        if not isinstance(declared, DataProduct) or _products.get(declared.name) is declared:
            continue
        if declared.name in _products:
            refused.append(
                f"{module.__name__}: another product is called {declared.name!r} already; rename one."
            )
            continue
        _products[declared.name] = declared


def products() -> list[DataProduct]:
    """All declared products, in the order of the installed apps."""
    return list(_products.values())


def get(name: str, argument: Sequence[str | int] = ("product",)) -> DataProduct:
    """The product called `name`. Raises UnknownProduct."""
    if name not in _products:
        known = ", ".join(_products) or "none"
        raise UnknownProduct(f"No product is called {name!r}; declared are: {known}.", argument=argument)
    return _products[name]


def find(name: str) -> DataProduct | None:
    """The product called `name`, or None where it is no longer declared."""
    return _products.get(name)
