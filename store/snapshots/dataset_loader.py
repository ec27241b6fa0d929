"""The dataset loader: reads a snapshot's table as the dataset that models learn from."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from learning.columns import Column
from learning.dataset import NO_LABEL, Dataset
from learning.encoding import MISSING, sorted_category
from learning.exceptions import NoRows
from learning.lazy_imports import LazyModule

from ..products.product import DataProduct
from . import column_codecs, copy_reader
from .copy_reader import Array, ColumnCodec, LevelCodec, TextCodec

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = LazyModule("pandas")

#: Keys of at most this length are sorted as numbers.
MAX_NUMERIC_KEY_BYTES = 64


def load(product: DataProduct, table: str, rows: int, fingerprint: str, has_predictions: bool) -> Dataset:
    """Load the labelled rows in the order of their keys, examples from predictions last.

    Args:
        table: the quoted name of the snapshot's table.
        rows: an upper bound of its rows.
        has_predictions: True where it holds examples from predictions.

    Raises: NoRows, TooFewInstances, OneClass.
    """
    condition = "_label IS NOT NULL" if product.learns_from_labels else "true"
    codecs = _codecs(product, copy_reader.get_column_types(table), has_predictions)
    arrays = copy_reader.read_table(table, codecs, rows, condition)
    order = _order(arrays.pop("_entity"), arrays.pop("_prediction", None))
    if rows and not len(order):
        raise NoRows(NO_LABEL)
    # One column at a time, so that only one column exists twice in memory.
    for name, values in arrays.items():
        arrays[name] = values[order]
    columns = tuple(column.learning_column() for column in product.columns)
    return Dataset.of(
        product.problem,
        columns,
        _frame(columns, codecs, arrays, len(order)),
        arrays.get("_label"),
        tuple(label.text for label in product.labels),
        fingerprint,
        arrays.get("_at"),
        _number_groups(arrays["_group"]) if product.join.group else None,
        _label_limits(product),
    )


def _label_limits(product: DataProduct) -> tuple[float | None, float | None]:
    """Get the limits of a label that is a number, as they are declared."""
    label = product.join.label_column
    if label is None or not product.problem.has_values:
        return None, None
    return label.meant_limits


def find_missing_columns(product: DataProduct, table: str) -> list[str]:
    """List the features that a snapshot's table lacks, because they were declared later."""
    types = copy_reader.get_column_types(table)
    return [name for name in product.feature_names if name not in types]


def load_keys(table: str, rows: int) -> list[str]:
    """Load the subject of each row in the order of `load`: an entity's key, or "prediction" and its id."""
    codecs: dict[str, ColumnCodec] = {
        "_entity": TextCodec(sql="_entity"),
        "_prediction": TextCodec(sql="_prediction::text"),
    }
    arrays = copy_reader.read_table(table, codecs, rows, "_label IS NOT NULL")
    order = _order(arrays["_entity"], arrays["_prediction"])
    pairs = zip(arrays["_entity"][order], arrays["_prediction"][order], strict=True)
    return [f"prediction {prediction}" if entity is None else entity for entity, prediction in pairs]


def _codecs(
    product: DataProduct, types: dict[str, copy_reader.ColumnType], has_predictions: bool
) -> dict[str, ColumnCodec]:
    """Get the codec of each column to read; system columns begin with an underscore."""
    codecs: dict[str, ColumnCodec] = {"_entity": TextCodec(sql="_entity")}
    if has_predictions:
        codecs["_prediction"] = TextCodec(sql="_prediction::text")
    if product.problem.has_classes:
        codecs["_label"] = column_codecs.category_codec([label.text for label in product.labels], "_label")
    elif product.problem.has_values:
        codecs["_label"] = column_codecs.label_codec("_label")
    if product.join.at:
        codecs["_at"] = column_codecs.time_codec("_at", types["_at"])
    if product.join.group:
        codecs["_group"] = column_codecs.group_codec("_group")
    for column in product.columns:
        sql = connection.ops.quote_name(column.name)
        codecs[column.name] = column_codecs.feature_codec(column.learning_column(), sql, types[column.name])
    return codecs


def _frame(
    columns: Sequence[Column], codecs: Mapping[str, ColumnCodec], arrays: Mapping[str, Array], rows: int
) -> "pd.DataFrame":
    series = {column.name: _series(column, codecs[column.name], arrays[column.name]) for column in columns}
    return pd.DataFrame(series, index=pd.RangeIndex(rows), copy=False)


def _series(column: Column, codec: ColumnCodec, encoded: Array) -> "pd.Series":
    if isinstance(codec, LevelCodec):
        return sorted_category(list(codec.codes), encoded)
    return column.kind.series(column.choices, encoded)


def _number_groups(hashes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the groups by their hashes; `MISSING` for no group."""
    return np.where(hashes == column_codecs.NULL_HASH, MISSING, pd.factorize(hashes)[0])


def _order(entities: Array, predictions: Array | None) -> NDArray[np.intp]:
    """Sort rows as PostgreSQL does by `_prediction NULLS FIRST, _entity COLLATE "C"`."""
    # np.lexsort sorts by its last key first.
    keys = _sort_keys(entities)
    if predictions is not None:
        keys += [*_sort_keys(predictions), np.array([key is not None for key in predictions])]
    return np.lexsort(keys)


def _sort_keys(keys: Array) -> list[Array]:
    """Get numeric sort keys for texts, in the order of their UTF-8 bytes; None sorts first.

    Returns: arrays for np.lexsort, the most significant one last.
    """
    texts: list[Any] = [key or "" for key in keys]
    if not all(map(str.isascii, texts)):
        texts = [text.encode() for text in texts]
    longest = max(map(len, texts), default=0)
    if longest > MAX_NUMERIC_KEY_BYTES:
        return [np.unique(np.array(texts, dtype=object), return_inverse=True)[1]]
    words = max(1, -(-longest // 8))
    padded = np.array(texts, dtype=f"S{8 * words}")
    return [word.astype(np.uint64) for word in padded.view(">u8").reshape(-1, words).T[::-1]]
