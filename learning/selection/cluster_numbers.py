"""Explanation of the number of clusters, in sentences for people."""

from statistics import median_low

from ..estimators.families import Candidate
from .reasons import format_score
from .rounds import Scoreboard

#: Upper bound of the other numbers of clusters that are named, the nearest ones.
MOST_NUMBERS = 6
#: What the default metric means.
SEPARATION = (
    " Separation is 1 if no neighbours are in different clusters, and about 0 for parts of one cloud."
)


def explain_number(winner: Candidate, metric: str, search: Scoreboard) -> str:
    """Explain why the winner has so many clusters: the best score of each number of clusters in the search.

    Returns:
        Sentences, or nothing if the search scored no clusters of the winner.
    """
    best: dict[int, float] = {}
    for candidate in search.scored:
        score = search.mean(candidate, search.scored[candidate])
        number = _find_number(candidate, search)
        best[number] = max(score, best.get(number, score))
    if winner not in search.scored:
        return ""
    number = _find_number(winner, search)
    score = search.mean(winner, search.scored[winner])
    nearest = sorted((n for n in best if n != number), key=lambda n: (abs(n - number), n))[:MOST_NUMBERS]
    others = ", ".join(f"{format_score(best[n])} with {n}" for n in sorted(nearest))
    return (
        f" It finds {number} clusters{f' ({metric} in the search: {format_score(score)}; {others})' if others else ''}."
        f"{SEPARATION if metric == 'separation' else ''}"
    )


def _find_number(candidate: Candidate, search: Scoreboard) -> int:
    """Find the typical number of clusters of a candidate's fold models."""
    measures = [m for step in search.scored[candidate].values() for m in step.measures]
    numbers = [int(m.value) for m in measures if m.metric == "clusters" and m.value is not None]
    return median_low(numbers) if numbers else 0
