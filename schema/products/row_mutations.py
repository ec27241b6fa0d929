"""Mutations of the rows of a product's feature tables."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

import strawberry

from store.entities import entities
from store.entities.entities import KEEP
from store.exceptions import Faults
from store.ingest import deleting, editing
from store.products.product import LABEL, ROWS, DataProduct

from ..core import ids, names
from ..core.mutation import mutation
from ..types.nodes import UNSET, unset_to_none
from ..types.prediction_interfaces import edge_of_entity
from .outputs import Fields
from .payloads import product_field
from .type_factory import ProductTypes, column_values, edge_type, list_of


def make(t: ProductTypes) -> Fields:
    """Build the fields and their payloads."""
    for suffix, description in (
        ("CreatePayload", "The row that was inserted."),
        ("ReplacePayload", "The row that was inserted or overwritten."),
        ("PatchPayload", "The row that was changed."),
    ):
        t.make(strawberry.type, suffix, _payload_fields(t), description)
    t.make(
        strawberry.type,
        "UpsertManyPayload",
        _counts(t),
        "The rows that were inserted, updated or left as they were.",
    )
    t.make(strawberry.type, "DeletePayload", _deleted(t), "The row that was deleted.")
    return {
        "create": _create(t),
        "replace": _replace(t),
        "patch": _patch(t),
        "upsert_many": _upsert_many(t),
        "delete": _delete(t),
    }


def _payload_fields(t: ProductTypes) -> Fields:
    @strawberry.field(
        graphql_type=edge_type(t.Entity) | None,
        description="The row as an edge of the product's `entities`, to insert it into a list.",
    )
    def entity_edge(self: Any) -> object:
        return edge_of_entity(self.entity)

    return {
        "entity": (t.Entity, strawberry.field(description="The row, as it is now.")),
        "entity_edge": entity_edge,
        "product": product_field(t),
        "created": (bool, strawberry.field(description="True if the row is new.")),
        "changed": (
            list[str],
            strawberry.field(description="The names of the fields whose values were changed."),
        ),
    }


def _counts(t: ProductTypes) -> Fields:
    @strawberry.field(
        graphql_type=list_of(edge_type(t.Entity)) | None,
        description="The rows as edges of the product's `entities`, in the order of the input.",
    )
    def entity_edges(self: Any) -> list[object]:
        by_key = entities.find(t.product, self.keys)
        return [edge_of_entity(by_key[key]) for key in self.keys if key in by_key]

    return {
        "keys": (strawberry.Private[Sequence[str]], dataclasses.field()),
        "inserted": (int, strawberry.field(description="The number of rows with new keys.")),
        "updated": (int, strawberry.field(description="The number of rows that existed and were changed.")),
        "unchanged": (
            int,
            strawberry.field(description="The number of rows that existed with the same values."),
        ),
        "entity_edges": entity_edges,
        "product": product_field(t),
    }


def _deleted(t: ProductTypes) -> Fields:
    return {
        "deleted_id": (
            strawberry.ID | None,
            strawberry.field(
                description="The id of the row, to remove it from caches; null with `dryRun`, which deletes nothing."
            ),
        ),
        "prediction_count": (
            int,
            strawberry.field(description="The number of stored predictions about it, which stay."),
        ),
        "feedback_count": (
            int,
            strawberry.field(description="The number of feedbacks about it, which stay."),
        ),
        "product": product_field(t),
    }


def _create(t: ProductTypes) -> object:
    @mutation(
        "Insert a row. A key that exists is refused with CONFLICT. A client that may have to retry gives a key or "
        f"replaces the row.{_refusal(t.product)}",
        graphql_type=t.CreatePayload | None,
    )
    def create(
        self: object,
        input: Annotated[object, strawberry.argument(graphql_type=t.CreateInput, description="The new row.")],
    ) -> object:
        faults = Faults()
        edit = edited_row(t, input, faults)
        result = editing.create(t.product, edit.key, edit.features, edit.label, edit.at, faults)
        return t.CreatePayload(**payload(t, result))

    return create


def _replace(t: ProductTypes) -> object:
    @mutation(
        f"Insert or overwrite a row: values that are left out become null.{_refusal(t.product)}",
        graphql_type=t.ReplacePayload | None,
    )
    def replace(
        self: object,
        input: Annotated[
            Any,
            strawberry.argument(graphql_type=t.ReplaceInput, description="The whole row, with its key."),
        ],
    ) -> object:
        faults, version = Faults(), unset_to_none(input.version)
        edit = edited_row(t, input, faults)
        result = editing.replace(t.product, edit.key, edit.features, edit.label, edit.at, version, faults)
        return t.ReplacePayload(**payload(t, result))

    return replace


def _patch(t: ProductTypes) -> object:
    @mutation(
        f"Change single values of a row; those that are left out stay as they are.{_patch_refusal(t.product)}",
        graphql_type=t.PatchPayload | None,
    )
    def patch(
        self: object,
        input: Annotated[
            Any, strawberry.argument(graphql_type=t.PatchInput, description="The row, and its changes.")
        ],
    ) -> object:
        faults, at = Faults(), getattr(input, "at", UNSET)
        result = editing.patch(
            t.product,
            input.entity,
            column_values(t.product, input.features) if input.features else {},
            label_value(t, getattr(input, t.label_name, UNSET), faults, (), KEEP),
            KEEP if at is UNSET else at,
            unset_to_none(input.version),
            faults,
        )
        return t.PatchPayload(**payload(t, result))

    return patch


def _upsert_many(t: ProductTypes) -> object:
    @mutation(
        "Insert or overwrite many rows: all of them or, with an error, none. Features that are left out become null; a "
        f"label that is left out stays as it is.{_refusal(t.product)}",
        graphql_type=t.UpsertManyPayload | None,
    )
    def upsert_many(
        self: object,
        input: Annotated[
            Any, strawberry.argument(graphql_type=t.UpsertManyInput, description="The rows to write.")
        ],
    ) -> object:
        faults = Faults()
        edits = [edited_row(t, row, faults, ("rows", place), KEEP) for place, row in enumerate(input.rows)]
        return t.UpsertManyPayload(**vars(editing.upsert_many(t.product, edits, faults)))

    return upsert_many


def _delete(t: ProductTypes) -> object:
    @mutation(
        "Delete a row, with the rows of feature tables that refer to it one to one. Rows that it refers to stay, as "
        "others may refer to them. It is refused with CONFLICT while rows of other tables refer to it. Predictions and "
        "feedback about it stay and count, with `entity: null`; delete them by `deletePredictions`. Needs FEEDBACK and "
        f"DELETE.{_refusal(t.product)}",
        graphql_type=t.DeletePayload | None,
    )
    def delete(
        self: object,
        input: Annotated[
            Any, strawberry.argument(graphql_type=t.DeleteInput, description="The row to delete.")
        ],
    ) -> object:
        version = unset_to_none(input.version)
        deleted = deleting.delete(t.product, input.entity, version, input.dry_run)
        return t.DeletePayload(
            deleted_id=None if input.dry_run else ids.encode(f"{t.prefix}Entity", input.entity),
            prediction_count=deleted.predictions,
            feedback_count=deleted.feedback,
        )

    return delete


def _refusal(product: DataProduct) -> str:
    """Say that whole rows are not written; empty where they are."""
    if product.writable:
        return ""
    reason = "a feature is computed or shared" if product.writes == ROWS else "the product writes no rows"
    return f" Always refused with NOT_WRITABLE: {reason}."


def _patch_refusal(product: DataProduct) -> str:
    """Say which changes of a row are refused; empty where all are accepted that its columns allow."""
    if product.writes == ROWS:
        return ""
    changes = "All but the label" if product.writes == LABEL else "Every change"
    return f" {changes} is refused with NOT_WRITABLE: the product writes {_written(product)}."


def _written(product: DataProduct) -> str:
    return "labels alone" if product.writes == LABEL else "nothing; give feedback instead"


def value_of(t: ProductTypes, label: Any, path: tuple[str | int, ...]) -> Any:
    """The value of a label in its column. Raises BadInput, OutOfRange, NotFinite."""
    if label is UNSET or label is None:
        return None
    return t.product.label_of(t.product.answer_of(label.value if t.product.labels else label, path))


def label_value(
    t: ProductTypes, label: Any, faults: Faults, path: tuple[str | int, ...], absent: object
) -> Any:
    """The value of a label in its column; `absent` if none was given. A refusal is collected."""
    if label is UNSET:
        return absent
    with faults.collect():
        return value_of(t, label, (*path, t.label_name))
    return absent


def edited_row(
    t: ProductTypes,
    row: Any,
    faults: Faults,
    path: tuple[str | int, ...] = (),
    unlabelled: object = None,
) -> editing.EditedRow:
    """The row of an input; `unlabelled` is the label if none was given. A refused label is collected."""
    return editing.EditedRow(
        unset_to_none(row.key),
        column_values(t.product, row.features),
        label_value(t, getattr(row, t.label_name, UNSET), faults, path, unlabelled),
        getattr(row, "at", None),
    )


def payload(t: ProductTypes, result: editing.EditResult) -> dict[str, object]:
    """The values of the payload of a changed row, by field."""
    changed = [names.field(t.label_name if name == "label" else name) for name in result.changed]
    return {
        "entity": result.entity,
        "created": result.created,
        "changed": changed,
    }
