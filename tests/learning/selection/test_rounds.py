"""Tallies: what is known of a round does not depend on which of its fits ended first."""

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


def test_candidates_keep_their_places_whichever_is_done_first():
    for steps in permutations([scored(c, fold) for c in CANDIDATES for fold in range(2)]):
        tally = Scoreboard(round="search", folds=2)
        tally.enter(CANDIDATES)
        for step in steps:
            tally.add(step)
        assert list(tally.means.items()) == [(c, 0.55) for c in CANDIDATES]


def test_a_round_that_is_cut_keeps_the_places_of_those_that_got_so_far():
    tally = Scoreboard(round="search", folds=3)
    tally.enter(CANDIDATES)
    for candidate, fold in [(CANDIDATES[2], 0), (CANDIDATES[1], 1), (CANDIDATES[0], 0), (CANDIDATES[2], 1)]:
        tally.add(scored(candidate, fold))
    assert not tally.means
    tally.cut(1)
    assert list(tally.means) == [CANDIDATES[0], CANDIDATES[2]]
