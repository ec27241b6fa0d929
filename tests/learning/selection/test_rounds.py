"""Scoreboards do not depend on the order in which fits end."""

from itertools import permutations

from learning.estimators.families import Candidate
from learning.selection.rounds import Scoreboard
from learning.selection.steps import FoldScored

CANDIDATES = [Candidate("linear", {"C": c}) for c in (1.0, 10.0, 0.1)]


def scored(candidate: Candidate, fold: int) -> FoldScored:
    return FoldScored(
        percent=0,
        candidate=candidate,
        round="search",
        fold=fold,
        score=0.5 + fold / 10,
        measures=(),
        fit_seconds=0.1,
        predict_seconds=0.1,
    )


def test_candidates_keep_their_order_whichever_ends_first():
    for steps in permutations([scored(c, fold) for c in CANDIDATES for fold in range(2)]):
        scoreboard = Scoreboard(round="search", folds=2)
        scoreboard.enter(CANDIDATES)
        for step in steps:
            scoreboard.add(step)
        assert list(scoreboard.means.items()) == [(c, 0.55) for c in CANDIDATES]


def test_a_truncated_round_keeps_the_order_of_the_candidates_that_remain():
    scoreboard = Scoreboard(round="search", folds=3)
    scoreboard.enter(CANDIDATES)
    for candidate, fold in [(CANDIDATES[2], 0), (CANDIDATES[1], 1), (CANDIDATES[0], 0), (CANDIDATES[2], 1)]:
        scoreboard.add(scored(candidate, fold))
    assert not scoreboard.means
    scoreboard.truncate(1)
    assert list(scoreboard.means) == [CANDIDATES[0], CANDIDATES[2]]
