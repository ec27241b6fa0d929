import pytest

from learning.estimators import ensemble
from learning.estimators.families import Candidate
from learning.problem import Classification
from learning.selection.decision import Entry, Incumbent, chance, decide, finalists, kept, standard_error

LINEAR, TAME = Candidate("linear", {"C": 1.0}), Candidate("linear", {"C": 0.1})
FOREST, BOOSTING = Candidate("forest", {"n_estimators": 9}), Candidate("boosting", {})
CHAMPION = Candidate("linear", {"C": 1.0}, incumbent=True)
GOOD, BETTER, NOISY = (
    (0.90, 0.91, 0.92, 0.91, 0.90),
    (0.95, 0.95, 0.97, 0.96, 0.95),
    (0.99, 0.80, 0.97, 0.99, 0.84),
)


def entry(candidate, scores, searched=None, **recalls):
    return Entry(candidate=candidate, searched=searched, scores=scores, recalls=recalls)


def incumbent(score=0.91, metric="roc_auc", fingerprint="before"):
    return Incumbent(
        family="linear", hyperparameters={"C": 1.0}, metric=metric, score=score, fingerprint=fingerprint
    )


def decided(*entries, champion=None, fingerprint="now", baseline=None, **problem):
    return decide(Classification(**problem), "roc_auc", entries, champion, fingerprint, 0.25, baseline)


def test_the_corrected_t_test_agrees_with_a_computation_by_hand():
    # Advantages 0.02, 0.01, 0.03, 0.02, 0.02: mean 0.02, variance 5e-5, so t = 0.02 / sqrt((1/5 + 1/4) 5e-5) = 4.2164,
    # and with four degrees of freedom P(T > t) = 1/2 - 3/8 a (1 - b/12), a = t / sqrt(1 + t²/4), b = a².
    challenger, defender = (0.52, 0.61, 0.73, 0.82, 0.92), (0.50, 0.60, 0.70, 0.80, 0.90)
    assert chance(challenger, defender, 0.25) == pytest.approx(0.006759, abs=1e-6)
    assert chance(defender, challenger, 0.25) == pytest.approx(1 - 0.006759, abs=1e-6)


def test_without_any_noise_better_is_better_and_the_same_is_not():
    assert chance((0.6, 0.6), (0.5, 0.5), 0.5) == 0.0
    assert chance((0.5, 0.5), (0.5, 0.5), 0.5) == 1.0


def test_the_standard_error_knows_that_folds_share_rows():
    assert standard_error((1.0, 3.0), 0.5) == pytest.approx(2**0.5)


def test_finalists_are_the_best_of_the_best_families_and_the_incumbent():
    ranked = [FOREST, BOOSTING, TAME, Candidate("linear", {"C": 9.0}), CHAMPION]
    assert finalists(ranked, 2) == [FOREST, BOOSTING, CHAMPION]
    assert finalists(ranked, 3) == [FOREST, BOOSTING, TAME, CHAMPION]


def test_the_winner_is_kept_before_the_best_of_other_families():
    entries = [
        entry(FOREST, GOOD, 0.9),
        entry(TAME, GOOD, 0.8),
        entry(CHAMPION, GOOD, 0.7),
        entry(BOOSTING, GOOD, 0.6),
    ]
    assert kept(CHAMPION, entries, 3) == [CHAMPION, FOREST, BOOSTING]
    assert kept(CHAMPION, entries, 1) == [CHAMPION]


def test_the_search_chooses_and_the_contest_reports():
    decision = decided(entry(FOREST, NOISY, 0.9), entry(LINEAR, BETTER, 0.8))
    assert decision.winner == FOREST
    assert decision.held is None
    assert "0.918 on fresh folds" in decision.reason


def test_of_equals_the_one_drawn_first_wins():
    assert decided(entry(LINEAR, GOOD, 0.9), entry(FOREST, BETTER, 0.9)).winner == LINEAR


def test_a_recipe_that_is_better_beyond_noise_replaces_the_champions():
    decision = decided(entry(CHAMPION, GOOD, 0.91), entry(FOREST, BETTER, 0.95), champion=incumbent())
    assert decision.winner == FOREST
    assert not decision.incumbent_kept
    assert "0.956 vs 0.908" in decision.reason


def test_a_recipe_that_is_better_by_chance_does_not():
    decision = decided(entry(CHAMPION, GOOD, 0.91), entry(FOREST, NOISY, 0.95), champion=incumbent())
    assert decision.winner == CHAMPION
    assert decision.incumbent_kept
    assert decision.reason == (
        "Kept the recipe: no other was better beyond the folds' noise (best other: forest 0.918 vs 0.908)."
    )


def test_the_same_examples_are_not_learned_again():
    decision = decided(entry(CHAMPION, GOOD, 0.91), champion=incumbent(fingerprint="now"))
    assert decision.winner is None
    assert decision.incumbent_kept
    assert decision.held is None
    assert "nothing was fitted" in decision.reason


def test_the_same_examples_do_not_protect_the_champion_from_a_better_recipe():
    entries = entry(CHAMPION, GOOD, 0.91), entry(FOREST, BETTER, 0.95)
    assert decided(*entries, champion=incumbent(fingerprint="now")).winner == FOREST


def test_a_champions_recipe_that_cannot_be_scored_is_replaced_and_the_reason_says_so():
    decision = decided(entry(FOREST, GOOD, 0.9), champion=incumbent())
    assert decision.winner == FOREST
    assert "could not be scored" in decision.reason


@pytest.mark.parametrize(("recall", "held"), [(0.85, True), (0.95, False)])
def test_a_class_below_its_floor_holds_the_model(recall, held):
    decision = decided(entry(LINEAR, GOOD, 0.9, malignant=recall), floors={"malignant": 0.9})
    assert (decision.held is not None) is held
    if held:
        assert "'malignant' is 0.850, below its floor of 0.9" in decision.held


@pytest.mark.parametrize(
    ("recorded", "metric", "held"),
    [(0.99, "roc_auc", True), (0.912, "roc_auc", False), (0.99, "accuracy", False)],
)
def test_falling_short_of_the_recorded_score_beyond_noise_holds_the_model(recorded, metric, held):
    decision = decided(entry(CHAMPION, GOOD, 0.9), champion=incumbent(recorded, metric))
    assert (decision.held is not None) is held


def test_every_reason_to_hold_is_told():
    decision = decided(
        entry(CHAMPION, GOOD, 0.9, no=0.1), champion=incumbent(0.99), floors={"no": 0.9}, auto_promote=False
    )
    assert decision.held.count(".") >= 3
    assert "switched off" in decision.held


def test_what_is_worse_than_the_baseline_is_held_though_its_noise_is_as_large_as_its_loss():
    wild = entry(CHAMPION, (0.9, 0.9, 0.9, 0.9, -9e50))
    decision = decided(wild, entry(FOREST, GOOD, 0.9), champion=incumbent(), baseline=0.5)
    assert decision.winner == CHAMPION
    assert decision.held and "worse than the baseline's 0.500" in decision.held
    assert decided(entry(FOREST, GOOD, 0.9), baseline=0.5).held is None


def test_an_ensemble_wins_only_beyond_noise():
    average = ensemble.candidate({FOREST: 0.5, TAME: 0.5})
    assert decided(entry(FOREST, GOOD, 0.9), entry(average, NOISY, 0.99)).winner == FOREST
    assert decided(entry(FOREST, GOOD, 0.9), entry(average, BETTER, 0.8)).winner == average
