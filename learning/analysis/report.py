"""The analysis as it is stored and shown: frozen, and JSON there and back."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from ..columns import Kind


class FindingKind(StrEnum):
    """What is odd about a feature."""

    CONSTANT = "CONSTANT"
    DUPLICATE = "DUPLICATE"
    IDENTIFIER = "IDENTIFIER"
    LEAKAGE = "LEAKAGE"
    MANY_CATEGORIES = "MANY_CATEGORIES"


#: Such a feature teaches nothing that another one, or none, does not.
USELESS = (FindingKind.CONSTANT, FindingKind.DUPLICATE)
#: Such a feature is better left out, unless somebody knows better.
DOUBTFUL = (*USELESS, FindingKind.IDENTIFIER, FindingKind.LEAKAGE)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something odd about one feature."""

    kind: FindingKind
    feature: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """How another feature rises and falls with this one: Spearman's rho, −1 to 1."""

    feature: str
    rho: float


@dataclass(frozen=True, kw_only=True)
class LabelShare:
    """How often a class comes."""

    label: str
    share: float
    count: int


@dataclass(frozen=True, kw_only=True)
class FeatureAnalysis:
    """One feature, as the rows to learn from show it."""

    name: str
    #: ORDINAL is a category whose choices are numbers in ascending order.
    kind: Kind
    #: The share of rows without a value, 0 to 1.
    missing: float
    #: How many different values; an estimate where not all rows were looked at.
    distinct: int
    #: Of numbers and times (days since 1970-01-01); None of anything else, and of nothing.
    minimum: float | None
    maximum: float | None
    #: At 0.05, 0.25, 0.5, 0.75 and 0.95.
    quantiles: tuple[float, ...] | None
    #: Mutual information with the label in nats; of a text, what naive Bayes finds in its words. None for
    #: clustering.
    information: float | None
    #: The features that go with it, strongest first.
    correlated: tuple[Correlation, ...]


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """All that is known of a dataset before anything is learned from it."""

    rows: int
    features: tuple[FeatureAnalysis, ...]
    #: In the order of the features.
    findings: tuple[Finding, ...]
    #: Of each class, in their order; empty unless it is a classification.
    balance: tuple[LabelShare, ...]
    #: Of a regression's label, at 0.05, 0.25, 0.5, 0.75 and 0.95; else None.
    label_quantiles: tuple[float, ...] | None

    @cached_property
    def doubtful(self) -> tuple[str, ...]:
        """The features that had better be left out, in their order."""
        return self._found(DOUBTFUL)

    @cached_property
    def useless(self) -> tuple[str, ...]:
        """The features from which nothing is to be learned: constant ones, and copies of an earlier one."""
        return self._found(USELESS)

    def _found(self, kinds: Iterable[FindingKind]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(f.feature for f in self.findings if f.kind in tuple(kinds)))

    def sentences(self, feature: str | None = None) -> list[str]:
        """What was found, of one feature or of all."""
        return [found.sentence for found in self.findings if feature in (None, found.feature)]

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads: only lists, dicts, texts, numbers and None."""
        plain: dict[str, Any] = asdict(self)
        return plain

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The analysis of what `as_json` wrote."""
        quantiles = stored["label_quantiles"]
        return cls(
            rows=stored["rows"],
            features=tuple(map(_feature, stored["features"])),
            findings=tuple(
                Finding(**(found | {"kind": FindingKind(found["kind"])})) for found in stored["findings"]
            ),
            balance=tuple(LabelShare(**share) for share in stored["balance"]),
            label_quantiles=None if quantiles is None else tuple(quantiles),
        )


def _feature(stored: Mapping[str, Any]) -> FeatureAnalysis:
    quantiles = stored["quantiles"]
    changed = {
        "kind": Kind(stored["kind"]),
        "quantiles": None if quantiles is None else tuple(quantiles),
        "correlated": tuple(Correlation(**other) for other in stored["correlated"]),
    }
    return FeatureAnalysis(**(dict(stored) | changed))
