"""What changed in the columns from one snapshot to another: where a score that fell may have its reason."""

from collections.abc import Iterator

from .report import Analysis, FeatureAnalysis

#: A share of rows that changed by this much, a median that moved by this part of the middle half's width, a width or a
#: number of categories that became so many times as large: what would be seen in a picture.
SHARE, MOVED, TIMES = 0.1, 0.5, 2.0
#: Sentences, those of the greatest changes.
MOST = 5


def changes(before: Analysis, after: Analysis) -> list[str]:
    """The columns that changed visibly, as parts of a sentence, the greatest change first."""
    was = {feature.name: feature for feature in before.features}
    found = [each for now in after.features if now.name in was for each in _changed(was[now.name], now)]
    found += _balance(before, after)
    if before.label_quantiles and after.label_quantiles:
        found += _moved("the label", before.label_quantiles, after.label_quantiles)
    return [sentence for _, sentence in sorted(found, key=lambda change: -change[0])[:MOST]]


def _changed(was: FeatureAnalysis, now: FeatureAnalysis) -> Iterator[tuple[float, str]]:
    """How much of what is visible, with what it is."""
    share = abs(now.missing - was.missing)
    if share > SHARE:
        yield share / SHARE, f"{now.name} ({now.missing:.0%} missing, was {was.missing:.0%})"
    if was.quantiles and now.quantiles:
        yield from _moved(now.name, was.quantiles, now.quantiles)
    elif not was.quantiles and was.distinct and now.distinct:
        times = max(now.distinct / was.distinct, was.distinct / now.distinct)
        if times > TIMES:
            yield times / TIMES, f"{now.name} ({now.distinct} different values, was {was.distinct})"


def _moved(name: str, was: tuple[float, ...], now: tuple[float, ...]) -> Iterator[tuple[float, str]]:
    (_, low, middle, high, _), (_, new_low, new_middle, new_high, _) = was, now
    width, new_width = high - low, new_high - new_low
    unit = width or abs(middle) or 1.0
    moved = abs(new_middle - middle) / unit
    if moved > MOVED:
        yield moved / MOVED, f"{name} (median {new_middle:.4g}, was {middle:.4g})"
    elif width and new_width and (times := max(new_width / width, width / new_width)) > TIMES:
        yield times / TIMES, f"{name} (its middle half is {new_width:.4g} wide, was {width:.4g})"


def _balance(before: Analysis, after: Analysis) -> list[tuple[float, str]]:
    """Of all labels, the one whose share changed most: the others' follow from it."""
    was = {each.label: each.share for each in before.balance}
    shares = [(each.label, each.share, was.get(each.label, 0.0)) for each in after.balance]
    label, now, then = max(shares, key=lambda each: abs(each[1] - each[2]), default=("", 0.0, 0.0))
    change = abs(now - then)
    return [(change / SHARE, f"the label {label!r} ({now:.0%}, was {then:.0%})")] if change > SHARE else []
