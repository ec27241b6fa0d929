"""Results of the analysis, and their conversion from and to JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from ..columns import Kind
from ..json_types import JSONObject


class FindingKind(StrEnum):
    """Kind of a finding about a feature, or about the rows."""

    CONSTANT = "CONSTANT"
    DETERMINATION = "DETERMINATION"
    DUPLICATE = "DUPLICATE"
    GROUPING = "GROUPING"
    IDENTIFIER = "IDENTIFIER"
    LEAKAGE = "LEAKAGE"
    MANY_CATEGORIES = "MANY_CATEGORIES"
    RECODING = "RECODING"
    LATER_ROWS_HARDER = "LATER_ROWS_HARDER"
    LATER_ROWS_UNPREDICTED = "LATER_ROWS_UNPREDICTED"
    REPETITION = "REPETITION"


#: Positions of the quantiles that are reported, and of those that snapshots are compared by.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
GRID = tuple(place / 32 for place in range(33))
#: Findings about features without any information of their own.
USELESS = (FindingKind.CONSTANT, FindingKind.DUPLICATE, FindingKind.RECODING)
#: Findings about features that give the label, alone or together with others.
REVEALING = (FindingKind.LEAKAGE, FindingKind.DETERMINATION)
#: Findings about features that are better left out.
DOUBTFUL = (*USELESS, FindingKind.IDENTIFIER, *REVEALING)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A suspicious property of one feature, which may share it with others, or of the rows."""

    kind: FindingKind
    #: Empty if the rows are meant.
    feature: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Rank correlation with another feature: Spearman's rho, −1 to 1."""

    feature: str
    rho: float


@dataclass(frozen=True, kw_only=True)
class LabelShare:
    """Frequency of a class."""

    label: str
    share: float
    count: int


@dataclass(frozen=True, kw_only=True)
class ValueCount:
    """Frequency of a value of a feature."""

    #: A number, a choice, or the hash of a text, which may be about a person.
    value: str
    count: int


@dataclass(frozen=True, kw_only=True)
class FeatureAnalysis:
    """Statistics of one feature in the training data."""

    name: str
    #: ORDINAL is a category whose choices are numbers in ascending order.
    kind: Kind
    #: Share of rows without a value, 0 to 1.
    missing: float
    #: Number of distinct values; an estimate if the rows were sampled.
    distinct: int
    #: Range of numbers and times (days since 1970-01-01); None for other kinds, and for columns without values.
    minimum: float | None
    maximum: float | None
    #: At 0.05, 0.25, 0.5, 0.75 and 0.95.
    quantiles: tuple[float, ...] | None
    #: Mutual information with the label in nats; for texts, a lower bound from naive Bayes. None for clusterings.
    information: float | None
    #: Features with the strongest rank correlations, strongest first.
    correlated: tuple[Correlation, ...]
    #: Standard error of the information; None for clusterings, and if it was stored without.
    information_error: float | None = None
    #: Number of values that the quantiles, the frequencies and the grid describe; None if it was stored without.
    counted: int | None = None
    #: The most frequent values, the most frequent first: at most `statistics.VALUES`, with a share of at least
    #: `statistics.FREQUENT`.
    frequent: tuple[ValueCount, ...] = ()
    #: Quantiles at equal distances, from the smallest value to the largest: where two snapshots differ, one of their
    #: quantiles does. None for other kinds than those with quantiles, and if it was stored without.
    grid: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Analysis of a dataset before anything is learned from it."""

    rows: int
    features: tuple[FeatureAnalysis, ...]
    #: In the order of the features; those about the rows come last.
    findings: tuple[Finding, ...]
    #: Frequency of each class; empty unless the task is classification.
    balance: tuple[LabelShare, ...]
    #: Quantiles of a regression's label at 0.05, 0.25, 0.5, 0.75 and 0.95; None for other tasks.
    label_quantiles: tuple[float, ...] | None
    #: What was left out of learning, and what to do about it, one sentence each.
    remarks: tuple[str, ...] = ()
    #: As `FeatureAnalysis.grid`, of a regression's label.
    label_grid: tuple[float, ...] | None = None
    #: Number of groups of rows that are not independent, declared or equal; None if all rows are independent.
    groups: int | None = None

    @cached_property
    def doubtful(self) -> tuple[str, ...]:
        """Features that are better left out, in their order."""
        return self._features_with(DOUBTFUL)

    @cached_property
    def useless(self) -> tuple[str, ...]:
        """Features without any information of their own: constant ones, copies and recodings."""
        return self._features_with(USELESS)

    def add(self, finding: Finding) -> Self:
        """Add a finding about the rows."""
        return replace(self, findings=(*self.findings, finding))

    def has(self, kind: FindingKind) -> bool:
        """Return whether there is a finding of this kind."""
        return any(finding.kind is kind for finding in self.findings)

    def _features_with(self, kinds: Iterable[FindingKind]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(f.feature for f in self.findings if f.kind in tuple(kinds)))

    def sentences(self, feature: str | None = None) -> list[str]:
        """List the distinct sentences of the findings about one feature, or the remarks and those about all."""
        remarks = self.remarks if feature is None else ()
        return list(dict.fromkeys([*remarks, *self._sentences(feature)]))

    def _sentences(self, feature: str | None) -> Iterator[str]:
        return (finding.sentence for finding in self.findings if feature in (None, finding.feature))

    def as_json(self) -> JSONObject:
        """Convert to JSON's own types; `from_json` is the inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Convert from `as_json`'s form."""
        return cls(
            rows=stored["rows"],
            features=tuple(map(_feature_from_json, stored["features"])),
            findings=tuple(
                Finding(**(each | {"kind": FindingKind(each["kind"])})) for each in stored["findings"]
            ),
            balance=tuple(LabelShare(**share) for share in stored["balance"]),
            label_quantiles=_numbers(stored["label_quantiles"]),
            remarks=tuple(stored.get("remarks", ())),
            label_grid=_numbers(stored.get("label_grid")),
            groups=stored.get("groups"),
        )


def _feature_from_json(stored: Mapping[str, Any]) -> FeatureAnalysis:
    converted = {
        "kind": Kind(stored["kind"]),
        "quantiles": _numbers(stored["quantiles"]),
        "correlated": tuple(Correlation(**other) for other in stored["correlated"]),
        "frequent": tuple(ValueCount(**value) for value in stored.get("frequent", ())),
        "grid": _numbers(stored.get("grid")),
    }
    return FeatureAnalysis(**(dict(stored) | converted))


def _numbers(stored: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if stored is None else tuple(stored)
