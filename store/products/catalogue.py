"""The catalogue of declared products: `products.py` of every installed app is discovered, as `admin.py` is.

A declaration that cannot be served stands in `refusals()` with the reason; all others are served.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from weakref import WeakKeyDictionary

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import module_has_submodule

from learning.exceptions import ExemplarError

from ..db import team
from ..exceptions import UnknownProduct
from . import checks
from .product import DataProduct

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refusal:
    """A declaration that is not served."""

    #: The product's name, or the module that could not be read.
    name: str
    #: The sentences that say why.
    sentences: Sequence[str]
    #: The message of an exception of the team's own code, which not everybody may read.
    detail: str = ""

    @property
    def reason(self) -> str:
        return " ".join(self.sentences)

    @property
    def explained(self) -> Sequence[str]:
        """The sentences with the message of the exception."""
        if not self.detail:
            return self.sentences
        return [f"{sentence.removesuffix('.')}: {self.detail}" for sentence in self.sentences]

    def __str__(self) -> str:
        return f"{self.name}: {' '.join(self.explained)}"


_products: dict[str, DataProduct] = {}
#: Modules that could not be read, and declarations that reuse a name; `manage.py check` reports them.
refused: list[Refusal] = []
#: Why a product is not served; None where it is. A product is examined when it is first needed.
_examined: WeakKeyDictionary[DataProduct, Refusal | None] = WeakKeyDictionary()


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
        name = f"{app.name}.products"
        try:
            with team.user_model_for(app):
                module = import_module(name)
            _register(module)
        except ExemplarError as error:
            refused.append(Refusal(name, [str(error)]))
        except Exception as error:  # a team's code may raise anything, and the others serve all the same
            refused.append(explain(name, error, "it cannot be imported"))


def _register(module: ModuleType) -> None:
    for value in vars(module).values():
        if not isinstance(value, DataProduct) or _products.get(value.name) is value:
            continue
        if value.name in _products:
            reason = f"the name {value.name!r} is used by another product; rename one."
            refused.append(Refusal(module.__name__, [reason]))
            continue
        _products[value.name] = value


def explain(name: str, error: Exception, subject: str) -> Refusal:
    """Build the refusal of a declaration that raised an exception, with the line that raised it."""
    return Refusal(name, [f"{subject}: {type(error).__name__}{_locate(error)}."], str(error))


def _locate(error: Exception) -> str:
    """Find the line of the team's code that raised an exception; the last one of a library where there is none."""
    if isinstance(error, SyntaxError):
        return f" in {_shorten(error.filename or '')}, line {error.lineno}"
    frames = extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    return "".join(f" in {_shorten(frame.filename)}, line {frame.lineno}" for frame in (own or frames)[-1:])


def _shorten(path: str) -> str:
    return "/".join(Path(path).parts[-2:])


def declared() -> list[DataProduct]:
    """List all declared products, also those that are not served, in the order of the installed apps."""
    return list(_products.values())


def products() -> list[DataProduct]:
    """List the products that are served, in the order of the installed apps."""
    return [product for product in _products.values() if find_refusal(product) is None]


def labelled() -> dict[str, DataProduct]:
    """Map the names of the products that are served and learn from labels to them, in the same order."""
    return {product.name: product for product in products() if product.learns_from_labels}


def find_refusal(product: DataProduct) -> Refusal | None:
    """Find why a product is not served, the declaration being examined once."""
    if product not in _examined:
        _examined[product] = examine(product)
    return _examined[product]


def examine(product: DataProduct) -> Refusal | None:
    """Find why a product cannot be served; None where it can."""
    try:
        problems = list(checks.find_problems(product))
    except Exception as error:  # of an expression of the team's own, for one
        return explain(str(product.name), error, "its declaration raises an exception")
    return Refusal(product.name, problems) if problems else None


def refuse(product: DataProduct, refusal: Refusal) -> None:
    """Serve a product no more, as where the schema has no room for its name."""
    _examined[product] = refusal


def refusals() -> list[Refusal]:
    """List what is declared and not served, with the reasons."""
    return [*refused, *filter(None, map(find_refusal, _products.values()))]


def log_refusals() -> None:
    """Log what is declared and not served."""
    for refusal in refusals():
        log.error("Not served: %s", refusal)


def get(name: str, argument: Sequence[str | int] = ("product",)) -> DataProduct:
    """Get a product that is served by name. Raises UnknownProduct."""
    if product := find(name):
        return product
    if refusal := find_declared_refusal(name):
        raise UnknownProduct(f"The product {name!r} is not served: {refusal.reason}", argument=argument)
    unread = ", ".join(refusal.name for refusal in refused)
    more = f" {unread} could not be read: ./dev check says why." if unread else ""
    names = ", ".join(product.name for product in products()) or "none"
    raise UnknownProduct(f"No product is called {name!r}. Declared: {names}.{more}", argument=argument)


def find(name: str) -> DataProduct | None:
    """Find a product that is served by name; None where there is none."""
    product = _products.get(name)
    return None if product is None or find_refusal(product) else product


def find_declared_refusal(name: str) -> Refusal | None:
    """Find why the product of this name is not served; None where it is, or is not declared."""
    product = _products.get(name)
    return find_refusal(product) if product else None
