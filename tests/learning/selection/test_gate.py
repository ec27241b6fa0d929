"""Gate: the best of many rivals against the champion's recipe."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from learning.estimators import ensemble
from learning.estimators.families import Candidate
from learning.evaluation.class_ranking import ClassRanking
from learning.problem import Classification, Clustering
from learning.selection.decision import Entry, decide
from learning.selection.gate import Gate, Rivals
from learning.selection.noise import SIGNIFICANT, Lead
from learning.selection.steps import FoldScored

from .scripted import Scripted, build_search, final_round

CHAMPION = Candidate("linear", {"C": 1.0}, incumbent=True)
RIVALS = [Candidate("forest", {"n_estimators": 10 + number}) for number in range(24)]


class Contest:
    """Search and final round whose candidates know the label equally well, with noise of their own in each row."""

    def __init__(self, rivals, *, rows=200, seed=0, metric="roc_auc", worse=(), better=None, gain=1.0):
        self.search = build_search(Classification(metric=metric), lambda _: Scripted(), rows=rows)
        self.final_round = final_round(self.search, CHAMPION)
        self.search.drawn = dict.fromkeys([CHAMPION, *RIVALS[:rivals]])
        random = np.random.default_rng(seed)
        shared = random.normal(size=rows)
        for candidate in [CHAMPION, *RIVALS[:rivals]]:
            skill = 1.0 - 2.0 * (candidate in worse) + gain * (candidate == better)
            labels = self.search.context.dataset.y
            margins = skill * (labels - 0.5) + shared + 0.5 * random.normal(size=rows)
            for board in (self.search.scoreboard, self.final_round.scoreboard):
                self.add(board, candidate, margins)

    def add(self, board, candidate, margins):
        context = self.search.context
        for fold, (_, held_out) in enumerate(context.split(board.round)):
            odds = 1 / (1 + np.exp(-margins[held_out]))
            predictions = np.column_stack([1 - odds, odds]).astype(np.float32)
            board.add(
                FoldScored(
                    percent=0.0,
                    candidate=candidate,
                    round=board.round,
                    fold=fold,
                    score=self.score(predictions, held_out),
                    measures=(),
                    fit_seconds=0.0,
                    predict_seconds=0.0,
                    predictions=predictions,
                )
            )

    def score(self, predictions, held_out):
        context = self.search.context
        if context.metric == "roc_auc":  # without all other measures
            ranks = predictions[:, 1].astype(np.float64)
            return ClassRanking(ranks, context.dataset.y[held_out] == 1).roc_auc()
        return context.score_predictions(predictions, held_out).score

    def entry(self, candidate):
        standing = self.search.standings().get(candidate)
        return Entry(
            candidate=candidate, searched=standing, scores=self.final_round.scoreboard.scores(candidate)
        )

    @property
    def gate(self):
        return Gate(search=self.search, final_round=self.final_round)

    def lead(self, challenger=RIVALS[0], defender=CHAMPION):
        return self.gate.compare(self.entry(challenger), self.entry(defender))

    def decide(self):
        entries = [self.entry(candidate) for candidate in self.final_round.scoreboard.means]
        ratio = self.search.context.plan.ratio
        return decide(Classification(), "roc_auc", entries, None, "now", ratio, compare=self.gate.compare)


@functools.cache
def contest_of(rivals, **options):
    """Return a contest that tests share and leave as it is."""
    return Contest(rivals, **options)


def shapes(*, rivals, shared, rows=4_000):
    random = np.random.default_rng(0)
    values = np.sqrt(shared) * random.normal(size=rows) + np.sqrt(1 - shared) * random.normal(
        size=(rivals, rows)
    )
    return [row / np.linalg.norm(row) for row in values]


def test_one_rival_needs_what_students_t_says():
    single = Rivals(shapes=shapes(rivals=1, shared=0.0), count=1)
    assert single.critical_value(30, 0) == pytest.approx(stats.t.isf(SIGNIFICANT, 30))


def test_rivals_that_share_luck_count_less():
    """Compare with Dunnett's table, which has 2.38 for 8 rivals that share half of their luck, and many rows."""
    half, all_of_it, none = (
        Rivals(shapes=shapes(rivals=8, shared=shared), count=8).critical_value(10_000, 0)
        for shared in (0.5, 0.9999, 0.0)
    )
    assert half == pytest.approx(2.42, abs=0.04)
    assert all_of_it == pytest.approx(stats.norm.isf(SIGNIFICANT), abs=0.04)
    assert none == pytest.approx(stats.norm.isf(1 - (1 - SIGNIFICANT) ** (1 / 8)), abs=0.04)


def test_more_rivals_need_a_larger_lead_but_less_than_independent_ones():
    few, many = contest_of(2).lead(), contest_of(24).lead()
    assert (few.rivals, many.rivals) == (2, 24)
    assert many.margin > few.margin
    contest = contest_of(24)
    ratio, entries = contest.search.context.plan.ratio, [contest.entry(c) for c in (RIVALS[0], CHAMPION)]
    assert many.margin < Lead.of(*(each.scores for each in entries), ratio, rivals=24).margin


def test_rivals_without_hope_do_not_make_the_test_weaker():
    assert Contest(24, worse=RIVALS[2:]).lead().margin == pytest.approx(contest_of(2).lead().margin)


def test_a_recipe_that_is_much_better_replaces_the_champions():
    decision = Contest(24, rows=600, better=RIVALS[3]).decide()
    assert decision.winner == RIVALS[3]
    assert "more than the luck of the best of 24 recipes explains" in decision.reason


def test_the_same_contest_has_the_same_margin():
    assert Contest(8).lead() == contest_of(8).lead()


def test_an_average_has_its_members_predictions_in_the_search():
    contest = Contest(2)
    average = ensemble.build_recipe({RIVALS[0]: 0.5, RIVALS[1]: 0.5})
    members = list(ensemble.members(average))
    scored = contest.final_round.scoreboard.scored
    for fold, step in list(scored[members[0]].items()):
        mean = (step.predictions + scored[members[1]][fold].predictions) / 2
        contest.final_round.scoreboard.add(replace(step, candidate=average, predictions=mean))
    assert contest.lead(challenger=average).rivals == 3
    assert contest.lead(challenger=RIVALS[0], defender=average).rivals == 3


def test_a_metric_without_formula_has_the_folds_noise_and_the_correlations_of_the_loss():
    contest = Contest(4, metric="d2_log_loss_score")
    ratio, scores = (
        contest.search.context.plan.ratio,
        [contest.entry(c).scores for c in (RIVALS[0], CHAMPION)],
    )
    assert Lead.of(*scores, ratio).margin < contest.lead().margin < Lead.of(*scores, ratio, rivals=4).margin


def test_clusterings_and_unknown_defenders_are_corrected_for_the_number_of_rivals():
    contest, stranger = contest_of(8), Candidate("linear", {"C": 3.0}, incumbent=True)
    ratio, scores = contest.search.context.plan.ratio, contest.entry(RIVALS[0]).scores
    defender = replace(contest.entry(CHAMPION), candidate=stranger)
    lead = contest.gate.compare(contest.entry(RIVALS[0]), defender)
    assert lead == Lead.of(scores, defender.scores, ratio, rivals=9)
    search = build_search(Clustering(), lambda _: Scripted())
    gate = Gate(search=search, final_round=final_round(search))
    entries = [Entry(candidate=c, searched=0.5, scores=(0.5, 0.6, 0.5)) for c in (RIVALS[0], CHAMPION)]
    assert gate.compare(*entries).rivals == 1


def test_an_early_version_is_compared_by_its_recipe_for_all_rows():
    contest = Contest(8)
    early = Candidate("linear", {"C": 1.0, "rows": 50}, incumbent=True)
    for step in contest.final_round.scoreboard.scored[CHAMPION].copy().values():
        contest.final_round.scoreboard.add(replace(step, candidate=early))
    assert contest.lead(defender=early) == contest.lead()


@pytest.mark.slow
@pytest.mark.parametrize("rivals", [1, 8, 24])
def test_equal_rivals_replace_the_champion_in_few_builds(rivals):
    contests = (Contest(rivals, seed=seed) for seed in range(100))
    assert sum(contest.decide().winner != CHAMPION for contest in contests) <= 9  # of 5 % in 97 of 100 cases
