"""Changes of the columns between two snapshots, which may explain a lower score.

A change is named if it is visible and beyond chance. Up to three properties of each column are compared, so that chance
alone would often change one. Their p-values are corrected by Holm's method (A simple sequentially rejective multiple
test procedure, 1979): in at most `FALSE_ALARMS` of the snapshots without any change a column is named. Snapshots that
share rows differ less than the tests expect.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..columns import Kind
from ..lazy_imports import LazyModule
from .report import GRID, QUANTILES, Analysis, FeatureAnalysis

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = LazyModule("scipy.stats")

#: Share of the comparisons of unchanged snapshots that name a column.
FALSE_ALARMS = 0.05
#: Least visible change of a share of rows; and of information, as a share of the larger, and in nats.
SHARE, TOLD, NATS = 0.05, 0.25, 0.02
#: Changes of a median, in interquartile ranges, and of an interquartile range, as a ratio, that describe the change.
SHIFT, RATIO = 0.5, 2.0
#: Least frequency that the chi-squared test expects of each value (Cochran, Some methods for strengthening the common
#: χ² tests, 1954).
EXPECTED = 5
#: Upper bound of the changes that are named.
MOST = 5

Grid = Sequence[float]


@dataclass(frozen=True)
class Change:
    """Result of a comparison."""

    p_value: float
    #: In least visible changes.
    size: float
    sentence: str


def changes(before: Analysis, after: Analysis) -> list[str]:
    """Describe the columns that changed visibly and beyond chance as parts of a sentence, the largest change first."""
    features = {feature.name: feature for feature in before.features}
    compared = [
        change
        for feature in after.features
        if feature.name in features
        for change in Comparison(before, after, features[feature.name], feature).changes()
    ]
    compared += [*_compare_balance(before, after), *_compare_label(before, after)]
    visible = [change for change in _beyond_chance(compared) if change.size >= 1]
    return [change.sentence for change in sorted(visible, key=lambda each: -each.size)[:MOST]]


def _beyond_chance(compared: Sequence[Change]) -> list[Change]:
    """Select the changes that are significant by Holm's method."""
    ordered = sorted(compared, key=lambda each: each.p_value)
    for place, change in enumerate(ordered):
        if change.p_value > FALSE_ALARMS / (len(ordered) - place):
            return ordered[:place]
    return ordered


@dataclass(frozen=True)
class Comparison:
    """Comparison of one feature."""

    before: Analysis
    after: Analysis
    old: FeatureAnalysis
    new: FeatureAnalysis

    def changes(self) -> Iterator[Change]:
        """Yield the change of each property that both analyses have."""
        yield self._missing()
        if self._has_all_values() or not (self.old.quantiles and self.new.quantiles):
            yield from self._shares()
        else:
            yield self._distribution()
        yield from self._information()

    def _missing(self) -> Change:
        old, new = (
            _scale(
                analysis,
                {"missing": feature.missing * analysis.rows, "": (1 - feature.missing) * analysis.rows},
            )
            for analysis, feature in ((self.before, self.old), (self.after, self.new))
        )
        sentence = f"{self.new.name} ({self.new.missing:.0%} missing, was {self.old.missing:.0%})"
        size = abs(self.new.missing - self.old.missing) / SHARE
        return Change(_p_of_counts(old, new), size, sentence)

    def _has_all_values(self) -> bool:
        """Return whether the frequencies of all values are known."""
        return all(_rest(feature) == 0 and feature.frequent for feature in (self.old, self.new))

    def _shares(self) -> Iterator[Change]:
        """Yield the change of the frequent values' shares, if there are any."""
        old_counts, new_counts = _counts(self.old, self.new), _counts(self.new, self.old)
        if len(old_counts) < 2 or not self.old.counted or not self.new.counted:
            return
        differences = {
            value: new_counts[value] / self.new.counted - count / self.old.counted
            for value, count in old_counts.items()
        }
        value = max(differences, key=lambda value: (value is not None, abs(differences[value])))
        old, new = old_counts[value] / self.old.counted, new_counts[value] / self.new.counted
        yield Change(
            _p_of_counts(_scale(self.before, old_counts), _scale(self.after, new_counts)),
            sum(map(abs, differences.values())) / 2 / SHARE,
            f"{self.new.name} ({_name(self.new.kind, value)} in {new:.0%}, was {old:.0%})",
        )

    def _distribution(self) -> Change:
        """Compare the distributions of two columns of numbers."""
        assert self.old.quantiles and self.new.quantiles
        rows = [
            _independent(analysis, _present(analysis, feature))
            for analysis, feature in ((self.before, self.old), (self.after, self.new))
        ]
        old, new = self.old.grid or self.old.quantiles, self.new.grid or self.new.quantiles
        return _compare_numbers(
            self.new.name, self.new.kind, (old, self.old.quantiles), (new, self.new.quantiles), rows
        )

    def _information(self) -> Iterator[Change]:
        """Yield the change of what the column tells about the label, if it was measured with its error.

        A text tells more the more rows its words are learned from: that is no change.
        """
        old, new = self.old.information, self.new.information
        if (
            old is None
            or new is None
            or self.old.information_error is None
            or self.new.information_error is None
        ):
            return
        if new > old and (self.new.kind.is_text or self.new.kind.is_open):
            return
        error = sqrt(
            self.old.information_error**2 / _independence(self.before)
            + self.new.information_error**2 / _independence(self.after)
        )
        p_value = 2 * float(stats.norm.sf(abs(new - old) / error)) if error else float(new == old)
        size = abs(new - old) / max(NATS, TOLD * max(new, old))
        yield Change(
            p_value, size, f"{self.new.name} (information about the label {new:.2g} nats, was {old:.2g})"
        )


def _compare_balance(before: Analysis, after: Analysis) -> Iterator[Change]:
    """Yield the change of the classes' shares, which names the class that changed most."""
    old, new = ({each.label: float(each.count) for each in analysis.balance} for analysis in (before, after))
    labels = list(dict.fromkeys([*old, *new]))
    if not old or not new:
        return
    shares = {
        label: (old.get(label, 0.0) / sum(old.values()), new.get(label, 0.0) / sum(new.values()))
        for label in labels
    }
    label = max(labels, key=lambda label: abs(shares[label][1] - shares[label][0]))
    p_value = _p_of_counts(
        _scale(before, {label: old.get(label, 0.0) for label in labels}),
        _scale(after, {label: new.get(label, 0.0) for label in labels}),
    )
    size = sum(abs(b - a) for a, b in shares.values()) / 2 / SHARE
    yield Change(p_value, size, f"the label {label!r} ({shares[label][1]:.0%}, was {shares[label][0]:.0%})")


def _compare_label(before: Analysis, after: Analysis) -> Iterator[Change]:
    """Yield the change of a regression's label."""
    if before.label_quantiles and after.label_quantiles:
        old, new = before.label_grid or before.label_quantiles, after.label_grid or after.label_quantiles
        rows = [_independent(before, before.rows), _independent(after, after.rows)]
        yield _compare_numbers(
            "the label", Kind.NUMBER, (old, before.label_quantiles), (new, after.label_quantiles), rows
        )


def _compare_numbers(
    name: str, kind: Kind, old: tuple[Grid, Grid], new: tuple[Grid, Grid], rows: Sequence[float]
) -> Change:
    """Compare two distributions by their largest distance (Kolmogorov and Smirnov).

    The grids bound the distance from below; the p-value is a bound, too, for any distribution, with ties or without
    (Massart, The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality, 1990; Wei and Dudley, Two-sample
    Dvoretzky-Kiefer-Wolfowitz inequalities, 2012).

    Args:
        old, new: A grid, and quantiles at QUANTILES.
        rows: Number of independent values of each.
    """
    points = np.union1d(old[0], new[0])
    old_low, old_high = _bounds(old[0], points)
    new_low, new_high = _bounds(new[0], points)
    distances = np.maximum(old_low - new_high, new_low - old_high)
    place = int(distances.argmax())
    distance = max(0.0, float(distances[place]))
    p_value = min(1.0, 2 * exp(-2 * distance**2 * rows[0] * rows[1] / max(1.0, sum(rows))))
    shares = [(low[place] + high[place]) / 2 for low, high in ((old_low, old_high), (new_low, new_high))]
    sentence = _describe_shift(kind, old[1], new[1])
    if sentence is None:
        point = kind.describe_number(float(points[place]))
        sentence = f"{shares[1]:.0%} up to {point}, was {shares[0]:.0%}"
    return Change(p_value, distance / SHARE, f"{name} ({sentence})")


def _bounds(grid: Grid, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bound the share of the values up to each point."""
    positions = np.array([0.0, *_positions(grid), 1.0])
    below = np.searchsorted(np.array(grid), points, side="right")
    return positions[below], positions[below + 1]


def _positions(grid: Grid) -> Sequence[float]:
    return GRID if len(grid) == len(GRID) else QUANTILES


def _describe_shift(kind: Kind, old: Grid, new: Grid) -> str | None:
    """Describe another median or another spread; None if both are similar."""
    (_, low, median, high, _), (_, new_low, new_median, new_high, _) = old, new
    width, new_width = high - low, new_high - new_low
    if abs(new_median - median) > SHIFT * width:
        return f"median {kind.describe_number(new_median)}, was {kind.describe_number(median)}"
    if width and new_width and max(new_width / width, width / new_width) > RATIO:
        return f"interquartile range {new_width:.4g}, was {width:.4g}"
    return None


def _counts(feature: FeatureAnalysis, other: FeatureAnalysis) -> dict[str | None, float]:
    """Count the values that are frequent in one of two analyses, and the rest under None.

    A value that is not stored is too rare for it; then nothing speaks against the other's share up to that frequency.
    """
    counts: dict[str | None, float] = {each.value: float(each.count) for each in feature.frequent}
    rest = _rest(feature)
    rarest = min(counts.values(), default=0.0)
    for each in other.frequent:
        if each.value not in counts:
            expected = each.count / max(1, other.counted or 0) * (feature.counted or 0)
            counts[each.value] = min(expected, rarest, rest) if rest else 0.0
            rest -= counts[each.value]
    return dict(sorted(counts.items(), key=lambda item: str(item[0]))) | {None: max(0.0, rest)}


def _rest(feature: FeatureAnalysis) -> float:
    """Count the values that are not among the frequent ones."""
    return (feature.counted or 0) - float(sum(each.count for each in feature.frequent))


def _name(kind: Kind, value: str | None) -> str:
    if value is None:
        return "rare values"
    if kind.is_text or kind.is_open:
        return "one value"
    if kind.is_category:
        return repr(value)
    return kind.describe_value(float(value)) if kind.is_boolean else kind.describe_number(float(value))


def _p_of_counts(old: Mapping[str | None, float], new: Mapping[str | None, float]) -> float:
    """Compute the p-value of Pearson's χ² test that two rows of frequencies are of one distribution.

    Values that are too rare for the test count as one.
    """
    table = np.array([list(old.values()), list(new.values())])
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    total = table.sum()
    if not rows.all():
        return 1.0
    is_rare = columns * rows.min() / total < EXPECTED
    table = np.column_stack([table[:, ~is_rare], table[:, is_rare].sum(axis=1)])
    columns = table.sum(axis=0)
    if columns[-1] * rows.min() / total < EXPECTED and table.shape[1] > 1:
        smallest = int(columns[:-1].argmin())
        table[:, smallest] += table[:, -1]
        table = table[:, :-1]
        columns = table.sum(axis=0)
    if table.shape[1] < 2:
        return 1.0
    expected = np.outer(rows, columns) / total
    statistic = float(((np.maximum(0, abs(table - expected) - 0.5)) ** 2 / expected).sum())
    return float(stats.chi2.sf(statistic, df=table.shape[1] - 1))


def _present(analysis: Analysis, feature: FeatureAnalysis) -> float:
    return (1 - feature.missing) * analysis.rows if feature.counted is None else feature.counted


def _independence(analysis: Analysis) -> float:
    """Compute the least share of independent rows."""
    return 1.0 if analysis.groups is None else min(1.0, analysis.groups / max(1, analysis.rows))


def _independent(analysis: Analysis, rows: float) -> float:
    return rows * _independence(analysis)


def _scale(analysis: Analysis, counts: Mapping[str | None, float]) -> dict[str | None, float]:
    """Reduce frequencies to those of independent rows."""
    return {value: _independent(analysis, count) for value, count in counts.items()}
