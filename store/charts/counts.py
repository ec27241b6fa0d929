"""Counts of predictions, feedback and builds for charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.db.models import F, Q, QuerySet

from ..access import acting
from ..access.actors import TABLE
from ..builds.builds import Build
from ..entities import base_rows
from ..exceptions import BadInput
from ..predictions.feedback import Feedback
from ..predictions.predictions import PredictionQuerySet
from ..products.features import Feature
from ..products.product import DataProduct
from .bins import Bin, Bins, find_bins, stored_value
from .groups import Group, Grouping, Key, Period, count_rows, find_zone


class PredictionCountBy(Enum):
    """Property by which predictions are counted."""

    LABEL = "LABEL"
    TRUTH = "TRUTH"
    MODEL = "MODEL"
    FEATURE = "FEATURE"
    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"


class FeedbackCountBy(Enum):
    """Property by which feedback is counted."""

    LABEL = "LABEL"
    AUTHOR = "AUTHOR"
    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"


class BuildCountBy(Enum):
    """Property by which builds are counted."""

    STATUS = "STATUS"
    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"


By = TypeVar("By", PredictionCountBy, FeedbackCountBy, BuildCountBy)


@dataclass(frozen=True, kw_only=True)
class TimeFrame:
    """The rows of which time are counted, and where their days begin."""

    #: Inclusive.
    since: datetime | None = None
    #: Exclusive.
    until: datetime | None = None
    #: A name of the IANA database. None: the zone of the product's days.
    zone: str | None = None

    def limit(self, rows: Any, column: str) -> Any:
        """Limit rows to those whose time lies between."""
        bounds = {f"{column}__gte": self.since, f"{column}__lt": self.until}
        return rows.filter(**{name: value for name, value in bounds.items() if value is not None})


@dataclass(frozen=True, kw_only=True)
class Count:
    """The number of rows that have the same values; None where rows are not counted by a value, or have none."""

    count: int
    #: The start of the period.
    start: datetime | None
    #: The label or the cluster as stored, and the label that feedback gives.
    answer: str | None = None
    truth: str | None = None
    #: The primary key of the model version.
    model: int | None = None
    bin: Bin | None = None
    author: str | None = None
    status: str | None = None

    @classmethod
    def of_group(cls, group: Group, bins: Bins | None = None) -> "Count":
        """The count of a group."""
        values = dict(group.values)
        if bins is not None:
            values["bin"] = bins.find(values["bin"])
        return cls(count=group.count, start=group.start, **values)


def count_predictions(
    product: DataProduct,
    rows: PredictionQuerySet,
    by: Sequence[PredictionCountBy],
    times: TimeFrame,
    feature: Feature | None = None,
    number_of_bins: int | None = None,
) -> list[Count]:
    """Count predictions of a product by some of their properties, in one statement.

    Args:
        feature: the one that FEATURE means.

    Raises: BadInput, OutOfRange, NoChampion.
    """
    _check_by(by)
    _check_answers(product, by)
    if (PredictionCountBy.FEATURE in by) != (feature is not None):
        message = "Name the feature, and count by FEATURE: one goes with the other."
        raise BadInput(message, argument=("feature",))
    keys = {}
    if PredictionCountBy.LABEL in by:
        keys["answer"] = Key(F("answer"))
    if PredictionCountBy.MODEL in by:
        keys["model"] = Key(F("model_id"))
    bins = None if feature is None else find_bins(product, feature, number_of_bins)
    if bins is not None:
        keys["bin"] = Key(stored_value(bins.column), bins.place_sql)
    grouping = _grouping(product, by, times, "created_at", keys, PredictionCountBy.TRUTH in by)
    return [Count.of_group(group, bins) for group in count_rows(times.limit(rows, "created_at"), grouping)]


def count_feedback(product: DataProduct, by: Sequence[FeedbackCountBy], times: TimeFrame) -> list[Count]:
    """Count what people have said of a product's labels, but for what was taken back. Raises as above."""
    _check_by(by)
    if FeedbackCountBy.LABEL in by and product.problem.has_values:
        raise _numbers(product, "LABEL")
    keys = {}
    if FeedbackCountBy.LABEL in by:
        keys["answer"] = Key(F("answer"))
    if FeedbackCountBy.AUTHOR in by:
        keys["author"] = Key(F("author"))
    rows = _visible_feedback(product).filter(retracted_at=None).exclude(author=TABLE)
    grouping = _grouping(product, by, times, "created_at", keys)
    return [Count.of_group(group) for group in count_rows(times.limit(rows, "created_at"), grouping)]


def _visible_feedback(product: DataProduct) -> QuerySet[Feedback]:
    """Select the feedback of a product without that about rows that the actor of this thread may not see."""
    rows = Feedback.objects.filter(product=product.name)
    if product.join.sees_all(acting.current()):
        return rows
    return rows.filter(Q(entity=None) | base_rows.is_key_of_row(product, "entity"))


def count_builds(product: DataProduct, by: Sequence[BuildCountBy], times: TimeFrame) -> list[Count]:
    """Count the builds of a product by the time of their request. Raises as above."""
    _check_by(by)
    keys = {"status": Key(F("status"))} if BuildCountBy.STATUS in by else {}
    rows = times.limit(Build.objects.filter(product=product.name), "requested_at")
    grouping = _grouping(product, by, times, "requested_at", keys)
    return [Count.of_group(group) for group in count_rows(rows, grouping)]


def _grouping(
    product: DataProduct,
    by: Sequence[Enum],
    times: TimeFrame,
    time: str,
    keys: Mapping[str, Key],
    by_truth: bool = False,
) -> Grouping:
    period = next((Period[each.name] for each in by if each.name in Period.__members__), None)
    return Grouping(
        keys=keys,
        time=time,
        period=period,
        zone=_find_zone(product, times.zone),
        truths=product.name if by_truth else None,
    )


def _find_zone(product: DataProduct, name: str | None) -> ZoneInfo:
    return find_zone(name, product.join.zone)


def _check_by(by: Sequence[Enum]) -> None:
    """Check that rows can be grouped so. Raises BadInput."""
    names = [each.name for each in by]
    periods = [name for name in names if name in Period.__members__]
    if not names:
        raise BadInput("Name at least one thing to count by.", argument=("by",))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"{twice} stands twice: name it once.", argument=("by",))
    if len(periods) > 1:
        raise BadInput(f"{' and '.join(periods)} are periods: count by one of them.", argument=("by",))


def _check_answers(product: DataProduct, by: Sequence[PredictionCountBy]) -> None:
    """Check that answers and truths of a product can be counted. Raises BadInput."""
    if PredictionCountBy.TRUTH in by and not product.learns_from_labels:
        raise BadInput(f"{product} has no labels, and so no truth to count by.", argument=("by",))
    for each in (PredictionCountBy.LABEL, PredictionCountBy.TRUTH):
        if each in by and product.problem.has_values:
            raise _numbers(product, each.name)


def _numbers(product: DataProduct, name: str) -> BadInput:
    message = f"{product} predicts numbers, which are not counted by {name}: count by a feature or a period."
    return BadInput(message, argument=("by",))
