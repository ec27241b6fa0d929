"""Deploy checks: what would stop working if this code served the database as it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import ProgrammingError, connection, models, transaction

from ..db import sqlstates
from ..db.pagination import PageRequest
from ..entities import entities
from ..exceptions import ModelDoesNotFit, StoreError
from ..products import catalogue
from ..products.product import DataProduct
from .product_states import ProductState
from .served_schemas import ServedSchema
from .versions import ModelVersion

#: The parts of a deploy that are checked.
CHAMPIONS, MIGRATIONS, SCHEMA = PARTS = ("champions", "migrations", "schema")


@dataclass(frozen=True)
class DeployFinding:
    """One thing to know before a deploy."""

    part: str
    #: What happens and what to do, in sentences.
    text: str
    #: True if something that works now would stop working.
    breaks: bool


def check_champions() -> Iterator[DeployFinding]:
    """Load each champion with this code, against the declarations of this code."""
    if settings.EXEMPLAR_QUICK_BUILDS:
        text = (
            "EXEMPLAR_QUICK_BUILDS is on: builds try few candidates, and models are worse than they could be."
        )
        yield DeployFinding(CHAMPIONS, text, breaks=False)
    promoted = dict(_champions())
    for name, version in promoted.items():
        if product := catalogue.find(name):
            yield from _check_champion(product, version)
        elif refusal := catalogue.find_declared_refusal(name):
            yield DeployFinding(CHAMPIONS, f"{name} would stop predicting: {refusal.reason}", breaks=True)
        else:
            yield DeployFinding(CHAMPIONS, f"{name} is no longer declared; its rows stay.", breaks=False)
    for product in catalogue.products():
        if product.name not in promoted:
            yield DeployFinding(
                CHAMPIONS,
                f"{product.name} has no champion; it predicts once a build promotes a version, or a person one that "
                "was held.",
                breaks=False,
            )


def _check_champion(product: DataProduct, version: ModelVersion) -> Iterator[DeployFinding]:
    try:
        version.load(product)
    except ModelDoesNotFit as refusal:
        text = (
            f"{product.name} would stop predicting: {refusal} Undo that change, or deploy when {product.name} may be "
            "without predictions until the build that starts by itself has ended."
        )
        yield DeployFinding(CHAMPIONS, text, breaks=True)
    else:
        if unseen := version.novelties(product):
            text = f"{product.name} is served by version {version.number} until its next build: {'; '.join(unseen)}."
            yield DeployFinding(CHAMPIONS, text, breaks=False)


def _champions() -> Iterator[tuple[str, ModelVersion]]:
    """List the champions by product, also from tables that a migration has still to change."""
    columns = _stored_columns(ModelVersion)
    if not columns or not _stored_columns(ProductState):
        return
    states = ProductState.objects.exclude(champion=None).order_by("product")
    for product, pk in states.values_list("product", "champion"):
        yield product, _read_version(pk, columns)


def _read_version(pk: int, stored: set[str]) -> ModelVersion:
    """Read a version from the columns that its table has; others have their defaults."""
    fields = [
        field for field in ModelVersion._meta.concrete_fields if field.name not in ("artifact", "intervals")
    ]
    version = ModelVersion.objects.only(*(f.name for f in fields if f.column in stored)).get(pk=pk)
    for field in fields:
        if field.column not in stored:
            setattr(version, field.attname, field.get_default())
    return version


def check_tables(pending: bool) -> Iterator[DeployFinding]:
    """Read a row of each product with all of its features.

    Args:
        pending: True if migrations are not applied yet, which may add what is missing.
    """
    for product in catalogue.products():
        try:
            with transaction.atomic():
                entities.page(product, PageRequest(first=1))
        except ProgrammingError as error:
            pending = pending and sqlstates.is_missing(error)
            yield DeployFinding(MIGRATIONS, _describe_refusal(product, error, pending), breaks=not pending)
        except StoreError as error:  # of the row, not of this code
            text = f"The first row of {product.name} cannot be read, and a build would fail: {error}"
            yield DeployFinding(CHAMPIONS, text, breaks=False)


def _describe_refusal(product: DataProduct, error: ProgrammingError, pending: bool) -> str:
    if not sqlstates.is_missing(error):
        return f"The tables of {product.name} cannot be read. {sqlstates.explain(error)}"
    advice = "the migrations below may add it" if pending else "apply the migration that adds it"
    return f"The tables of {product.name} lack what it declares ({sqlstates.get_reason(error)}): {advice}."


def last_served_sdl() -> str | None:
    """Get the schema that clients were served last; None where none was recorded."""
    served = ServedSchema.objects.newest() if _stored_columns(ServedSchema) else None
    return served.sdl if served else None


def _stored_columns(model: type[models.Model]) -> set[str]:
    """List the columns of a model's table as the database has it; empty where there is no table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            [connection.ops.quote_name(model._meta.db_table)],
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return {name for (name,) in rows}
