"""Loading: a snapshot's table as the dataset that models learn from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from learning.columns import Column
from learning.dataset import NO_LABEL, Dataset
from learning.encoding import MISSING
from learning.exceptions import NoRows
from learning.lazy_imports import LazyModule

from ..products.product import DataProduct
from . import column_codecs, copy_reader
from .copy_reader import Array, Text, Way

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = LazyModule("pandas")

#: Bytes of a key up to which keys are sorted as numbers.
SHORT = 64


def load(product: DataProduct, table: str, rows: int, fingerprint: str, has_predictions: bool) -> Dataset:
    """The labelled ones among at most `rows` rows, in the order of their keys, examples from predictions last.

    Raises NoRows, TooFewInstances or OneClass.
    """
    condition = "_label IS NOT NULL" if product.learns_from_labels else "true"
    found = copy_reader.read(
        table, _ways(product, copy_reader.types(table), has_predictions), rows, condition
    )
    order = _order(found.pop("_entity"), found.pop("_prediction", None))
    if rows and not len(order):
        raise NoRows(NO_LABEL)
    # One after the other, so that there are never two of everything.
    for name, values in found.items():
        found[name] = values[order]
    known = tuple(column.learning_column() for column in product.columns)
    return Dataset.of(
        product.problem,
        known,
        _frame(known, found, len(order)),
        found.get("_label"),
        tuple(label.text for label in product.labels),
        fingerprint,
        found.get("_at"),
        _numbered(found["_group"]) if product.join.group else None,
    )


def load_keys(table: str, rows: int) -> list[str]:
    """What each row of `load` is about, in its order: an entity's key, or "prediction" and its id."""
    about: dict[str, Way] = {"_entity": Text(sql="_entity"), "_prediction": Text(sql="_prediction::text")}
    found = copy_reader.read(table, about, rows, "_label IS NOT NULL")
    order = _order(found["_entity"], found["_prediction"])
    pairs = zip(found["_entity"][order], found["_prediction"][order], strict=True)
    return [f"prediction {prediction}" if entity is None else entity for entity, prediction in pairs]


def _ways(
    product: DataProduct, types: dict[str, copy_reader.ColumnType], has_predictions: bool
) -> dict[str, Way]:
    """What is read, and how; the features by their names, which begin with no underscore."""
    found: dict[str, Way] = {"_entity": Text(sql="_entity")}
    if has_predictions:
        found["_prediction"] = Text(sql="_prediction::text")
    if product.problem.has_classes:
        found["_label"] = column_codecs.coded([label.text for label in product.labels], "_label")
    elif product.problem.has_values:
        found["_label"] = column_codecs.label("_label")
    if product.join.at:
        found["_at"] = column_codecs.time("_at", types["_at"])
    if product.join.group:
        found["_group"] = column_codecs.group("_group")
    for column in product.columns:
        sql = connection.ops.quote_name(column.name)
        found[column.name] = column_codecs.feature(column.learning_column(), sql, types[column.name])
    return found


def _frame(known: Sequence[Column], found: dict[str, Array], rows: int) -> "pd.DataFrame":
    series = {column.name: column.kind.series(column.choices, found[column.name]) for column in known}
    return pd.DataFrame(series, index=pd.RangeIndex(rows), copy=False)


def _numbered(hashes: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each group's hash, `MISSING` where there is no group."""
    return np.where(hashes == column_codecs.NOTHING, MISSING, pd.factorize(hashes)[0])


def _order(entities: Array, predictions: Array | None) -> NDArray[np.intp]:
    """As PostgreSQL orders by `_prediction NULLS FIRST, _entity COLLATE "C"`."""
    # The last key of a lexical sort is the first to decide.
    keys = _numbers(entities)
    if predictions is not None:
        keys += [*_numbers(predictions), np.array([key is not None for key in predictions])]
    return np.lexsort(keys)


def _numbers(keys: Array) -> list[Array]:
    """Numbers that order as the texts' bytes in UTF-8 do, the last to decide first; None is before all others."""
    texts: list[Any] = [key or "" for key in keys]
    if not all(map(str.isascii, texts)):
        texts = [text.encode() for text in texts]
    longest = max(map(len, texts), default=0)
    if longest > SHORT:
        return [np.unique(np.array(texts, dtype=object), return_inverse=True)[1]]
    words = max(1, -(-longest // 8))
    padded = np.array(texts, dtype=f"S{8 * words}")
    return [word.astype(np.uint64) for word in padded.view(">u8").reshape(-1, words).T[::-1]]
