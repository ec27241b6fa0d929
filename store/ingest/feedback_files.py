"""Files of feedback: what an author says of many subjects, a row each, given in one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import connection, models, transaction
from psycopg2 import sql
from psycopg2.extras import execute_values

from ..access import acting, groups
from ..access.permissions import Permission
from ..entities import base_rows
from ..exceptions import BadInput, StoreError
from ..predictions import bulk_feedback, truth
from ..predictions.bulk_feedback import Word
from ..predictions.feedback import checked_comment
from ..predictions.predictions import Prediction
from ..products.product import DataProduct
from . import files
from .casts import Cast
from .checking import REJECTS, TYPED, VALUE_LENGTH
from .files import Layout, field_names
from .loading import Loader, prepare_transaction, translate_database_errors
from .progress import ProgressListener, ignore
from .tables import LoadPlan, NoTable, TargetColumn

#: Rows that are read and given at once.
BATCH = 2000

ENTITY, REFERENCE, LABEL, TIME, COMMENT = "entity", "reference", "label", "observed_at", "comment"
#: The titles of the columns, as names of fields; of a label, the name of its column besides.
TITLES = {
    ENTITY: ("entity", "key"),
    REFERENCE: ("reference",),
    LABEL: ("label", "value", "answer"),
    TIME: ("observed_at", "time", "at"),
    COMMENT: ("comment",),
}


@dataclass(frozen=True)
class FeedbackSummary:
    """Counts of the rows of files of feedback by result."""

    #: Words that were stored.
    stored: int
    #: Words that equal the author's latest one.
    unchanged: int
    #: Rows that do not fit and were left out.
    rejected: int
    #: Rows of the feature tables whose label has changed.
    labels: int
    #: Rows of the feature tables whose label may not be written; what was said of them counts all the same.
    not_written: int
    #: The file that lists the rejected rows; None: there are none.
    rejects_file: Path | None
    #: Columns of the files that were not read.
    new_columns: tuple[str, ...]


def load(
    product: DataProduct,
    paths: Sequence[Path],
    author: str,
    *,
    author_groups: list[str] | None = None,
    layouts: Sequence[Layout] | None = None,
    max_rejects: int = 0,
    day_first: bool | None = None,
    progress: ProgressListener | None = None,
    rejects: Path | None = None,
) -> FeedbackSummary:
    """Give the feedback of files in one author's name, in one transaction, as if each word were given by itself.

    A file has a column `entity` or `reference`, or both of which each row has one, and `label`; it may have
    `observed_at` and `comment`. Meanwhile, other feedback on the product waits.

    Args:
        author_groups: the groups that the author was in; None: those of today.
        layouts: formats of the files, in the order of `paths`; None: detect them.
        max_rejects: rows that may be left out because they do not fit.
        day_first: True where 03/04/2024 is in April; None: infer it from each column.
        rejects: the file for rows that do not fit; by default `<product>.rejects.csv` in the working directory.

    Raises: TooManyRejects, NoTable, CannotLoad, FileError; BadInput for a product without labels.
    """
    acting.require(Permission.FEEDBACK, product.name)
    check_labels(product)
    layouts = layouts or [files.sniff(Path(path)) for path in paths]
    rejects = rejects or Path(f"{product.name}.rejects.csv")
    plans = [plan_feedback(product, layout, day_first) for layout in layouts]
    with translate_database_errors(), transaction.atomic():
        prepare_transaction(product)
        loader = _FeedbackLoader(product, max_rejects, rejects, progress or ignore, author, author_groups)
        for plan in plans:
            loader.load(plan)
    return loader.summarize_feedback()


def check_labels(product: DataProduct) -> None:
    """Check that there is something to say of a product's subjects. Raises BadInput."""
    if not product.learns_from_labels:
        raise BadInput(f"{product} has no labels, and takes no feedback.", argument=("product",))


@dataclass(frozen=True)
class FeedbackPlan(LoadPlan):
    """The columns of a file of feedback."""

    #: What the columns hold, in their order.
    contents: tuple[str, ...] = ()


def _columns_by_name(plan: LoadPlan) -> Mapping[str, TargetColumn]:
    assert isinstance(plan, FeedbackPlan)
    return dict(zip(plan.contents, plan.columns, strict=True))


def plan_feedback(product: DataProduct, layout: Layout, day_first: bool | None) -> FeedbackPlan:
    """Find the columns of a file of feedback. Raises NoTable."""
    label = product.join.label_column
    assert label is not None
    titles = TITLES | {
        LABEL: (*TITLES[LABEL], label.field.name, (product.join.label or "").rpartition("__")[2])
    }
    header = field_names(layout.header)
    places = {
        name: place
        for name, wanted in titles.items()
        if (place := next((header.index(title) for title in wanted if title in header), None)) is not None
    }
    if LABEL not in places or not {ENTITY, REFERENCE} & places.keys():
        raise NoTable(
            f"{layout.path} needs a column label and a column entity or reference; it has {', '.join(layout.header)}."
        )
    columns = tuple(
        TargetColumn(
            layout.header[place], f"c{place}", Cast(_field(product, name), layout.decimal_comma, day_first)
        )
        for name, place in places.items()
    )
    others = tuple(title for place, title in enumerate(layout.header) if place not in places.values())
    return FeedbackPlan(layout, columns, (), others, tuple(places))


def _field(product: DataProduct, name: str) -> models.Field:
    """Make the field as whose values a column is read."""
    if (
        name == LABEL
        and product.join.label_column is not None
        and not product.join.label_column.field.is_relation
    ):
        return product.join.label_column.field
    field: models.Field = models.DateTimeField(null=True) if name == TIME else models.TextField(null=True)
    field.set_attributes_from_name(name)
    return field


@dataclass(frozen=True)
class _Row:
    """A row of a file whose cells fit."""

    line: int
    entity: str | None
    reference: str | None
    label: object
    observed_at: datetime | None
    comment: str | None


#: Line, column, value and reason of a row that is left out.
_Reject = tuple[int, str | None, str | None, str]


class _FeedbackLoader(Loader):
    """Gives the feedback of one file after another."""

    def __init__(
        self,
        product: DataProduct,
        max_rejects: int,
        rejects: Path,
        report_progress: ProgressListener,
        author: str,
        author_groups: list[str] | None,
    ):
        super().__init__(product, max_rejects, rejects, report_progress)
        self.author = author
        self.groups = groups.names_of(author) if author_groups is None else author_groups
        self.stored = self.same = 0
        self.labels: set[str] = set()
        self.not_written: set[str] = set()

    def check_rows(self, plan: LoadPlan) -> None:
        """Reject rows whose subject or label there is not."""
        headers = {name: column.header for name, column in _columns_by_name(plan).items()}
        for rows in _read_rows(plan):
            if refused := self._read_words(rows, headers)[1]:
                _reject(refused)

    def write(self, plan: LoadPlan, are_numbers: bool) -> None:
        """Give what the rows say, in their order."""
        truth.lock_policy(self.product)
        headers = {name: column.header for name, column in _columns_by_name(plan).items()}
        for rows in _read_rows(plan):
            words, refused = self._read_words(rows, headers)
            if refused:  # deleted since it was checked
                _reject(refused)
                self._reject(plan, are_numbers)
            result = bulk_feedback.give(self.product, words)
            self.stored += sum(result.created)
            self.same += len(words) - sum(result.created)
            self.labels |= result.changed
            self.not_written |= result.not_written.keys()

    def _read_words(self, rows: Sequence[_Row], headers: dict[str, str]) -> tuple[list[Word], list[_Reject]]:
        product, words, refused = self.product, [], []
        keys = {row.entity: _canonical_key(product, row.entity) for row in rows if row.entity}
        stored = base_rows.existing(product, keys.values())
        subjects = {
            row.reference: truth.subject_of_reference(product, row.reference) for row in rows if row.reference
        }
        predicted = _find_predicted(product, subjects.values())
        for row in rows:
            try:
                words.append(self._read_word(row, keys, stored, subjects, predicted))
            except StoreError as error:
                name = error.argument[0] if error.argument else ""
                value = getattr(row, str(name), None)
                text = None if value is None else str(value)[:VALUE_LENGTH]
                refused.append((row.line, headers.get(str(name)), text, error.message))
        return words, refused

    def _read_word(
        self, row: _Row, keys: dict[str, str], stored: set[str], subjects: dict[str, str], predicted: set[str]
    ) -> Word:
        """Read one word. Raises BadInput, with the sentence that follows the value in the list of rejected rows."""
        if (row.entity is None) == (row.reference is None):
            raise BadInput("needs either an entity or a reference")
        if row.label is None:
            raise BadInput("is missing", argument=(LABEL,))
        product, name = self.product, str(self.product.join.model._meta.verbose_name)
        subject = subjects[row.reference] if row.reference else ""
        if row.reference and subject not in predicted:
            raise BadInput("is no reference of a prediction", argument=(REFERENCE,))
        if row.entity and keys[row.entity] not in stored:
            raise BadInput(f"is no key of a {name}", argument=(ENTITY,))
        try:
            answer = product.answer_of(row.label)
        except StoreError as error:
            raise BadInput(f"is no label: {error.message}", argument=(LABEL,)) from error
        try:
            checked_comment(row.comment)
        except BadInput as error:
            raise BadInput(f"is no comment: {error.message}", argument=(COMMENT,)) from error
        entity = keys[row.entity] if row.entity else None
        return Word(
            subject=subject or truth.subject_of_entity(product, entity or ""),
            author=self.author,
            answer=answer,
            groups=self.groups,
            entity=entity,
            reference=row.reference,
            observed_at=row.observed_at,
            comment=row.comment or "",
        )

    def summarize_feedback(self) -> FeedbackSummary:
        """Count the rows by result."""
        return FeedbackSummary(
            stored=self.stored,
            unchanged=self.same,
            rejected=self.rejected,
            labels=len(self.labels),
            not_written=len(self.not_written),
            rejects_file=self.rejects if self.rejected else None,
            new_columns=tuple(self.new_columns),
        )


def _canonical_key(product: DataProduct, text: str) -> str:
    """Write a key as it is stored, as 7 for 007 in a column of numbers; the text itself where it is none."""
    try:
        return str(product.key_of(text.strip()))
    except ValueError:
        return text


def _find_predicted(product: DataProduct, subjects: Iterable[str]) -> set[str]:
    """Find the subjects that a prediction is about."""
    rows = Prediction.objects.filter(product=product.name, subject__in=set(subjects))
    return set(rows.order_by().values_list("subject", flat=True).distinct())


def _read_rows(plan: LoadPlan) -> Iterator[list[_Row]]:
    """Read the typed rows in their order, a part at a time."""
    columns = _columns_by_name(plan)
    cells = [
        sql.Identifier(columns[name].staged) if name in columns else sql.SQL("NULL")
        for name in (ENTITY, REFERENCE, LABEL, TIME, COMMENT)
    ]
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT line, {} FROM {} ORDER BY line").format(sql.SQL(", ").join(cells), TYPED)
        )
        while rows := cursor.fetchmany(BATCH):
            yield [_Row(*values) for values in rows]


def _reject(refused: Sequence[_Reject]) -> None:
    with connection.cursor() as cursor:
        statement = sql.SQL('INSERT INTO {} (line, "column", value, reason) VALUES %s').format(REJECTS)
        execute_values(cursor.cursor, statement.as_string(cursor.cursor), refused)
