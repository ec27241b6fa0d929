"""Changes of the columns between two snapshots, which may explain a lower score."""

from collections.abc import Iterator

from .report import Analysis, FeatureAnalysis

#: Least visible changes: of a share of rows; of a median, in interquartile ranges; of an interquartile range or a
#: number of categories, as a ratio.
SHARE, SHIFT, RATIO = 0.1, 0.5, 2.0
#: Upper bound of the changes that are named.
MOST = 5
#: Size of a change, in least visible changes, and its description.
Change = tuple[float, str]


def changes(before: Analysis, after: Analysis) -> list[str]:
    """Describe the columns that changed visibly as parts of a sentence, the largest change first."""
    old = {feature.name: feature for feature in before.features}
    all_changes = [each for new in after.features if new.name in old for each in _compare(old[new.name], new)]
    all_changes += _compare_balance(before, after)
    if before.label_quantiles and after.label_quantiles:
        all_changes += _compare_quantiles("the label", before.label_quantiles, after.label_quantiles)
    return [sentence for _, sentence in sorted(all_changes, key=lambda change: -change[0])[:MOST]]


def _compare(old: FeatureAnalysis, new: FeatureAnalysis) -> Iterator[Change]:
    share = abs(new.missing - old.missing)
    if share > SHARE:
        yield share / SHARE, f"{new.name} ({new.missing:.0%} missing, was {old.missing:.0%})"
    if old.quantiles and new.quantiles:
        yield from _compare_quantiles(new.name, old.quantiles, new.quantiles)
    elif not old.quantiles and old.distinct and new.distinct:
        ratio = max(new.distinct / old.distinct, old.distinct / new.distinct)
        if ratio > RATIO:
            yield ratio / RATIO, f"{new.name} ({new.distinct} different values, was {old.distinct})"


def _compare_quantiles(name: str, old: tuple[float, ...], new: tuple[float, ...]) -> Iterator[Change]:
    (_, low, median, high, _), (_, new_low, new_median, new_high, _) = old, new
    width, new_width = high - low, new_high - new_low
    unit = width or abs(median) or 1.0
    shift = abs(new_median - median) / unit
    if shift > SHIFT:
        yield shift / SHIFT, f"{name} (median {new_median:.4g}, was {median:.4g})"
    elif width and new_width and (ratio := max(new_width / width, width / new_width)) > RATIO:
        yield ratio / RATIO, f"{name} (interquartile range {new_width:.4g}, was {width:.4g})"


def _compare_balance(before: Analysis, after: Analysis) -> list[Change]:
    """Describe the label whose share changed most; the other shares follow from it."""
    old_shares = {each.label: each.share for each in before.balance}
    shares = [(each.label, each.share, old_shares.get(each.label, 0.0)) for each in after.balance]
    label, new, old = max(shares, key=lambda each: abs(each[1] - each[2]), default=("", 0.0, 0.0))
    change = abs(new - old)
    return [(change / SHARE, f"the label {label!r} ({new:.0%}, was {old:.0%})")] if change > SHARE else []
