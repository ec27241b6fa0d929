"""Forms: how the features of a product are shown in one, by its declaration and by the columns."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from math import isfinite
from typing import Any

from learning.exceptions import ExemplarError

from ..exceptions import InvalidJoin
from .features import Before, Feature, Join, Latest, Path, Recency, Trend, resolve_path
from .form_fields import FormField
from .product import DataProduct


def find_group(product: DataProduct, column: Feature) -> str:
    """The title of the group that a feature stands in: as declared, else the table or relation that it comes from."""
    group = product.form_field(column.name).group or _source(product.join, column.name)
    return group[:1].upper() + group[1:]


def _source(join: Join, name: str) -> str:
    """The name of the one table or relation that a feature reads; of the base table where it reads several."""
    base = str(join.model._meta.verbose_name)
    with suppress(InvalidJoin):
        paths = [resolve_path(join.model, path, keys=True) for path in _paths(join, name)]
        sources = {_relation(path) or base for path in paths}
        return sources.pop() if len(sources) == 1 else base
    return base


def _paths(join: Join, name: str) -> set[str]:
    match declared := join.features[name]:
        case Latest() | Trend():
            return {declared.path}
        case Before() | Recency():
            return {declared.at}
    return join.references(declared)


def _relation(path: Path) -> str:
    """The name of the last relation of a path; empty for a column of the base table."""
    if not path.hops:
        return ""
    hop = path.hops[-1]
    if not hop.auto_created:
        return str(hop.verbose_name)
    named = hop.related_model._meta
    return str(named.verbose_name_plural if path.to_many else named.verbose_name)


def find_step(product: DataProduct, column: Feature) -> float | None:
    """The distance between two numbers that a form offers; None where any number will do, or it is no number."""
    if (step := product.form_field(column.name).step) is not None:
        return float(step)
    if column.kind is None or not column.kind.is_quantity:
        return None
    if column.kind.is_whole:
        return 1.0
    return None if column.decimal_places is None else float(f"1e-{column.decimal_places}")


def find_default(product: DataProduct, column: Feature) -> Any:
    """The validated value that a new form has; None where there is none."""
    declared = product.form_field(column.name).default
    if declared is not None:
        return column.clean(declared)
    default = column.field.default if column.path and column.field.has_default() else None
    if default is None or callable(default):
        return None
    with suppress(ExemplarError):
        return column.clean(default)
    return None


def find_problems(product: DataProduct) -> Iterator[str]:
    """List what is wrong with the form that a product declares; its features compile."""
    if not isinstance(product.form, Mapping | None):
        yield 'form is no mapping: write {"name of a feature": FormField(…)}.'
        return
    columns = {column.name: column for column in product.columns}
    for name, declared in (product.form or {}).items():
        if name not in columns:
            yield f"form has {name!r}, which is no feature: the features are {', '.join(columns)}."
        elif not isinstance(declared, FormField):
            yield f"form has a {type(declared).__name__} for {name}: write FormField(group=…, step=…)."
        else:
            yield from _problems_of(columns[name], declared)


def _problems_of(column: Feature, declared: FormField) -> Iterator[str]:
    name, kind = column.name, column.kind
    if declared.group is not None and not (isinstance(declared.group, str) and declared.group.strip()):
        yield f"form: the group of {name} is {declared.group!r}: write its title, or leave it out."
    if declared.step is not None:
        is_number = isinstance(declared.step, int | float) and not isinstance(declared.step, bool)
        if not is_number or not isfinite(declared.step) or declared.step <= 0:
            yield f"form: the step of {name} is {declared.step!r}: it is a number above 0."
        elif kind is None or not kind.is_quantity:
            yield f"form: {name} has a step and is no number: leave it out."
    if column.computation and declared.default is not None:
        yield f"form: {name} is computed from other features, and no form has a default for it: leave it out."
    for noun, value in (("default", declared.default), ("example", declared.example)):
        try:
            column.clean(value) if value is not None else None
        except ExemplarError as error:
            yield f"form: the {noun} of {name} is refused: {error.message}"
