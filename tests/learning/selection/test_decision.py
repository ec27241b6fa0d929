"""Decisions of the final round: winners, objections and reasons."""

from dataclasses import replace

import numpy as np
import pytest

from learning.estimators import ensemble
from learning.estimators.families import Candidate
from learning.problem import Classification
from learning.selection.decision import (
    Entry,
    Incumbent,
    candidates_to_fit,
    decide,
    finalists,
)
from learning.selection.noise import Lead, differences, is_beyond_noise, margin, p_value, standard_error
from learning.selection.objections import Objection
from learning.selection.reasons import Ground, explain_rank

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


def run_decision(
    *entries,
    champion=None,
    fingerprint="now",
    baseline=None,
    ground=None,
    uncompared=False,
    cut_short=False,
    **problem,
):
    return decide(
        Classification(**problem),
        "roc_auc",
        entries,
        champion,
        fingerprint,
        0.25,
        baseline,
        ground=ground,
        uncompared=uncompared,
        cut_short=cut_short,
    )


def test_the_corrected_t_test_agrees_with_a_computation_by_hand():
    # Advantages 0.02, 0.01, 0.03, 0.02, 0.02: mean 0.02, variance 5e-5, so t = 0.02 / sqrt((1/5 + 1/4) 5e-5) = 4.2164,
    # and with four degrees of freedom P(T > t) = 1/2 - 3/8 a (1 - b/12), a = t / sqrt(1 + t²/4), b = a².
    challenger, defender = (0.52, 0.61, 0.73, 0.82, 0.92), (0.50, 0.60, 0.70, 0.80, 0.90)
    assert p_value(challenger, defender, 0.25) == pytest.approx(0.006759, abs=1e-6)
    assert p_value(defender, challenger, 0.25) == pytest.approx(1 - 0.006759, abs=1e-6)


def test_without_noise_any_advantage_is_significant():
    assert p_value((0.6, 0.6), (0.5, 0.5), 0.5) == 0.0
    assert p_value((0.5, 0.5), (0.5, 0.5), 0.5) == 1.0


def test_the_standard_error_is_corrected_for_shared_training_rows():
    assert standard_error((1.0, 3.0), 0.5) == pytest.approx(2**0.5)


def test_finalists_are_the_best_of_the_best_families_and_the_incumbent():
    ranked = [FOREST, BOOSTING, TAME, Candidate("linear", {"C": 9.0}), CHAMPION]
    assert finalists(ranked, 2) == [FOREST, BOOSTING, CHAMPION]
    assert finalists(ranked, 3) == [FOREST, BOOSTING, TAME, CHAMPION]


def test_the_winner_is_fitted_before_the_best_of_other_families():
    entries = [
        entry(FOREST, GOOD, 0.9),
        entry(TAME, GOOD, 0.8),
        entry(CHAMPION, GOOD, 0.7),
        entry(BOOSTING, GOOD, 0.6),
    ]
    assert candidates_to_fit(CHAMPION, entries, 3) == [CHAMPION, FOREST, BOOSTING]
    assert candidates_to_fit(CHAMPION, entries, 1) == [CHAMPION]


def test_the_search_selects_and_the_final_round_is_reported():
    decision = run_decision(entry(FOREST, NOISY, 0.9), entry(LINEAR, BETTER, 0.8))
    assert decision.winner == FOREST
    assert decision.hold_reason is None
    assert decision.reason == (
        "Chose forest (n_estimators=9): roc_auc 0.918 (95%: 0.749 to 1.000). Not the highest score: linear is higher "
        "by 0.038, which may be luck (up to 0.124), and the search ranked it lower."
    )


def test_the_first_choice_is_compared_with_the_next_best():
    baseline = Candidate("baseline", {})
    reason = run_decision(
        entry(LINEAR, BETTER, 0.9), entry(FOREST, GOOD, 0.8), entry(baseline, (0.5,) * 5, 0.5)
    ).reason
    assert reason.endswith(
        "The next best, forest, has 0.908: less by 0.048, more than luck explains (0.006)."
    )
    alone = run_decision(entry(LINEAR, BETTER, 0.9), entry(baseline, (0.5,) * 5, 0.5)).reason
    assert alone.endswith("No other recipe reached the final round.")


def test_equal_scores_are_called_equal():
    rounded = tuple(score + 1e-17 for score in GOOD)
    first = run_decision(entry(LINEAR, GOOD, 0.9), entry(FOREST, rounded, 0.8)).reason
    assert first.endswith("The next best, forest, has the same score.")
    kept = run_decision(entry(CHAMPION, GOOD, 0.9), entry(FOREST, rounded, 0.95)).reason
    assert kept.endswith("The best other, forest, is not better: 0.908.")


def test_a_model_without_any_loss_needs_no_average():
    average, losses = ensemble.build_recipe({FOREST: 0.5, TAME: 0.5}), np.zeros(200, dtype=np.float32)
    entries = (
        replace(entry(candidate, (1.0,) * 5, searched), losses=losses)
        for candidate, searched in ((FOREST, 1.0), (average, 0.9))
    )
    assert run_decision(*entries).winner == FOREST


def test_ties_go_to_the_candidate_drawn_first():
    assert run_decision(entry(LINEAR, GOOD, 0.9), entry(FOREST, BETTER, 0.9)).winner == LINEAR


def test_a_recipe_that_is_better_beyond_noise_replaces_the_champions():
    decision = run_decision(entry(CHAMPION, GOOD, 0.91), entry(FOREST, BETTER, 0.95), champion=incumbent())
    assert decision.winner == FOREST
    assert not decision.incumbent_kept
    assert decision.reason == (
        "Chose forest (n_estimators=9): roc_auc 0.956 (95%: 0.939 to 0.973). The champion's recipe, linear (C=1.0), "
        "has 0.908: less by 0.048, more than luck explains (0.006). The champion's recorded roc_auc 0.910 is of other "
        "rows, so small differences to it mean nothing."
    )


def test_a_recipe_that_is_better_by_chance_does_not_replace_it():
    decision = run_decision(entry(CHAMPION, GOOD, 0.91), entry(FOREST, NOISY, 0.95), champion=incumbent())
    assert decision.winner == CHAMPION
    assert decision.incumbent_kept
    assert decision.reason == (
        "Kept the champion's recipe, linear (C=1.0): roc_auc 0.908 (95%: 0.892 to 0.924). The best other, forest, has "
        "0.918: better by 0.010, which may be luck. Only a lead above 0.128 could be seen. The champion's recorded "
        "roc_auc 0.910 is of other rows, so small differences to it mean nothing."
    )


def test_a_rival_that_another_one_surpasses_is_not_called_the_best():
    rival = (0.95, 0.89, 0.92, 0.91, 0.90)
    entries = entry(CHAMPION, GOOD, 0.91), entry(FOREST, rival, 0.95), entry(BOOSTING, NOISY, 0.94)
    reason = run_decision(*entries, champion=incumbent()).reason
    assert "The rival that the search chose, forest, has 0.914: better by 0.006" in reason
    assert "Not the highest score: boosting is higher by 0.010" in reason and "best other" not in reason


def test_the_same_examples_are_not_learned_again():
    decision = run_decision(entry(CHAMPION, GOOD, 0.91), champion=incumbent(fingerprint="now"))
    assert decision.winner is None
    assert decision.incumbent_kept
    assert decision.hold_reason is None
    assert "nothing was fitted" in decision.reason


def test_the_same_examples_do_not_protect_the_champion_from_a_better_recipe():
    entries = entry(CHAMPION, GOOD, 0.91), entry(FOREST, BETTER, 0.95)
    assert run_decision(*entries, champion=incumbent(fingerprint="now")).winner == FOREST


def test_a_champions_recipe_that_cannot_be_scored_is_replaced_with_a_reason():
    decision = run_decision(entry(FOREST, GOOD, 0.9), champion=incumbent())
    assert decision.winner == FOREST
    assert "could not be scored" in decision.reason


@pytest.mark.parametrize(("recall", "is_held"), [(0.85, True), (0.95, False)])
def test_a_class_below_its_floor_holds_the_model(recall, is_held):
    decision = run_decision(entry(LINEAR, GOOD, 0.9, malignant=recall), floors={"malignant": 0.9})
    assert (decision.hold_reason is not None) is is_held
    if is_held:
        assert "'malignant' is 0.850, below its floor of 0.9" in decision.hold_reason


def test_every_objection_is_listed():
    decision = run_decision(
        entry(CHAMPION, GOOD, 0.9, no=0.1), champion=incumbent(0.99), floors={"no": 0.9}, auto_promote=False
    )
    assert "'no' is 0.100, below its floor of 0.9" in decision.hold_reason
    assert "switched off" in decision.hold_reason


def test_an_ensemble_wins_only_beyond_noise():
    average = ensemble.build_recipe({FOREST: 0.5, TAME: 0.5})
    assert run_decision(entry(FOREST, GOOD, 0.9), entry(average, NOISY, 0.99)).winner == FOREST
    assert run_decision(entry(FOREST, GOOD, 0.9), entry(average, BETTER, 0.8)).winner == average


def test_an_ensemble_must_save_enough_loss_beyond_noise():
    """Check the three conditions: the scores, the saved share of the loss, and its significance."""
    average = ensemble.build_recipe({FOREST: 0.5, TAME: 0.5})
    losses = np.linspace(1.0, 3.0, 200).astype(np.float32)
    single = replace(entry(FOREST, GOOD, 0.9), losses=losses)

    def winner(scores, saved):
        return run_decision(single, replace(entry(average, scores, 0.8), losses=losses - saved)).winner

    assert winner(GOOD, 0.02) == average
    assert winner(GOOD, 0.009) == FOREST  # of a mean of 2, less than 0.5 %
    assert winner(tuple(score - 0.001 for score in GOOD), 0.02) == FOREST
    random = np.random.default_rng(0).normal(0.02, 1.0, 200).astype(np.float32)
    assert winner(GOOD, random - random.mean() + 0.02) == FOREST  # its error is 0.07
    assert winner(GOOD, random - random.mean() + 0.2) == average


def test_an_average_of_more_models_must_be_worth_it_too():
    few = ensemble.build_recipe({FOREST: 0.5, TAME: 0.5})
    many = ensemble.build_fold_average(few, 5)
    losses = np.full(100, 2.0, dtype=np.float32)
    entries = [
        replace(entry(candidate, GOOD, searched), losses=losses - saved)
        for candidate, searched, saved in ((many, None, 0.1), (few, None, 0.1), (FOREST, 0.9, 0.0))
    ]
    assert run_decision(*entries).winner == few
    entries[0] = replace(entries[0], losses=losses - 0.2)
    assert run_decision(*entries).winner == many


def test_an_average_without_a_single_model_is_the_challenger():
    average = ensemble.build_recipe({FOREST: 0.5, TAME: 0.5})
    assert run_decision(entry(average, GOOD)).winner == average


def test_candidates_that_only_the_final_round_scored_rank_last():
    assert run_decision(entry(LINEAR, BETTER), entry(FOREST, GOOD, 0.1)).winner == FOREST
    assert candidates_to_fit(FOREST, [entry(LINEAR, BETTER), entry(BOOSTING, GOOD, 0.1)], 3) == [
        FOREST,
        BOOSTING,
        LINEAR,
    ]


def test_a_recall_at_its_floor_and_a_class_without_rows_do_not_hold():
    assert run_decision(entry(LINEAR, GOOD, 0.9, no=0.9), floors={"no": 0.9}).hold_reason is None
    assert run_decision(entry(LINEAR, GOOD, 0.9), floors={"no": 0.9}).hold_reason is None


def test_the_reason_to_keep_a_recipe_names_the_comparison():
    champion = incumbent(metric="accuracy")
    assert run_decision(entry(CHAMPION, GOOD, 0.9), champion=champion).reason == (
        "Kept the champion's recipe, linear (C=1.0): roc_auc 0.908 (95%: 0.892 to 0.924). No other could be compared "
        "with it. The champion's recorded score is accuracy, this one roc_auc: they were not compared."
    )
    large = run_decision(entry(CHAMPION, (-1234.5, -1234.5), 0.9), champion=champion).reason
    assert "roc_auc -1234 (95%: -1234 to -1234)" in large or "roc_auc -1235 (95%: -1235" in large
    worse = run_decision(entry(CHAMPION, BETTER, 0.9), entry(FOREST, GOOD, 0.8), champion=champion).reason
    assert "The best other, forest, is not better: 0.908. Only a lead above 0.006 could be seen." in worse


def test_a_model_that_is_fitted_on_new_examples_keeps_its_recipe():
    decision = run_decision(entry(CHAMPION, GOOD, 0.91), champion=incumbent(fingerprint="before"))
    assert (decision.winner, decision.incumbent_kept, decision.hold_reason) == (CHAMPION, True, None)
    assert run_decision(entry(FOREST, GOOD, 0.9)).incumbent_kept is False


def run_with_classes(known, classes, metric="roc_auc_ovr", recorded=0.91, **problem):
    champion = replace(incumbent(recorded, metric), classes=known)
    entries = [entry(CHAMPION, GOOD, 0.9)]
    return decide(Classification(**problem), metric, entries, champion, "now", 0.25, classes=classes)


def test_a_class_that_vanished_holds_the_model_and_its_score_is_not_compared():
    decision = run_with_classes(("a", "b", "c"), ("a", "b"), recorded=0.99)
    assert "The champion predicts 'c' and this model never would" in decision.hold_reason
    assert (
        "over the classes 'a', 'b' and 'c', this one over 'a' and 'b': they were not compared"
        in decision.reason
    )


def test_a_class_that_is_new_is_not_compared_and_not_held():
    decision = run_with_classes(("a", "b"), ("a", "b", "c"), recorded=0.99)
    assert decision.hold_reason is None
    assert "they were not compared" in decision.reason and "of other rows" not in decision.reason


def test_a_score_by_another_metric_is_not_compared_and_the_decision_says_so():
    decision = run_decision(entry(CHAMPION, GOOD, 0.9), champion=incumbent(0.99, "accuracy"))
    assert decision.hold_reason is None
    assert "recorded score is accuracy, this one roc_auc: they were not compared" in decision.reason


def test_scores_over_the_same_classes_in_another_order_are_compared():
    decision = run_with_classes(("a", "b"), ("b", "a"), recorded=0.99)
    assert "not compared" not in decision.reason


def test_a_floor_of_a_class_that_was_not_learned_holds_the_model():
    decision = run_with_classes((), ("a", "b"), floors={"c": 0.5})
    assert decision.hold_reason == (
        "The floor of 'c' cannot be checked, as too few rows have that label: label more of them, or "
        "promote the version."
    )


ROWS = Ground(examples=120, classes={"no": 109, "yes": 11})


def test_the_reason_names_the_rows_that_were_predicted():
    reason = run_decision(entry(LINEAR, GOOD, 0.9), ground=ROWS).reason
    assert "(95%: 0.892 to 0.924) on rows held out of 120 examples. No other recipe" in reason
    assert replace(ROWS, examples=1_200, ordered=True).describe() == " on the later of 1,200 examples"


def test_too_few_examples_are_said_in_these_words():
    """Check eleven positives: a lead of 0.2 that the folds cannot prove."""
    wild, tame = (1.0, 0.99, 0.98, 0.97, 0.98), (0.95, 0.3, 0.98, 0.7, 0.97)
    entries = entry(CHAMPION, tame, 0.8), entry(FOREST, wild, 0.9)
    decision = run_decision(*entries, champion=incumbent(), baseline=0.5, ground=ROWS)
    assert decision.winner == CHAMPION
    assert (
        "There are too few examples to tell which of the two is better: 120 examples, of which 11 are 'yes'. Label "
        "more rows." in decision.reason
    )
    first = run_decision(entry(LINEAR, tame, 0.8), baseline=0.5, ground=ROWS).reason
    assert "too few examples to tell how good it is: 120 examples" in first
    doubt = Objection("It is no better than chance.", holds_first=True)
    entries = [entry(LINEAR, tame, 0.8)]
    held = decide(
        Classification(),
        "roc_auc",
        entries,
        None,
        "now",
        0.25,
        baseline=0.5,
        ground=ROWS,
        judge=lambda _: [doubt],
    )
    assert held.hold_reason == doubt.sentence and "too few examples" not in held.reason


def test_enough_examples_are_not_called_too_few():
    entries = entry(CHAMPION, GOOD, 0.8), entry(FOREST, (0.91, 0.91, 0.91, 0.91, 0.91), 0.9)
    reason = run_decision(*entries, champion=incumbent(), baseline=0.5, ground=ROWS).reason
    assert "which may be luck. Only a lead above" in reason
    assert "could be seen with 120 examples." in reason
    assert "too few" not in reason


def test_the_reason_names_the_recipes_that_the_best_was_chosen_from():
    def decide_among(rivals):
        def compare(challenger, defender):
            return Lead.of(challenger.scores, defender.scores, 0.25, rivals)

        entries = entry(CHAMPION, GOOD, 0.8), entry(FOREST, BETTER, 0.9)
        return decide(Classification(), "roc_auc", entries, None, "now", 0.25, compare=compare)

    won, kept = decide_among(24), decide_among(100_000)
    assert won.winner == FOREST
    assert "less by 0.048, more than the luck of the best of 24 recipes explains (0.018)." in won.reason
    assert kept.winner == CHAMPION
    assert "The best other of 100,000, forest, has 0.956: better by 0.048, which may be luck." in kept.reason


def test_the_best_of_more_rivals_needs_a_larger_lead():
    leads = [Lead.of(BETTER, GOOD, 0.25, rivals) for rivals in (1, 8, 24)]
    assert leads[0].margin == pytest.approx(margin(differences(BETTER, GOOD), 0.25))
    assert leads[0].margin < leads[1].margin < leads[2].margin
    assert [lead.is_beyond_noise for lead in leads] == [True, True, True]


@pytest.mark.parametrize(
    ("winner", "best", "why"),
    [
        (
            entry(CHAMPION, GOOD),
            entry(FOREST, NOISY),
            "only a lead beyond luck replaces the champion's recipe",
        ),
        (
            entry(CHAMPION, GOOD),
            entry(FOREST, BETTER),
            "is higher by 0.048, but the search ranked it lower, and the highest of several scores is in part luck",
        ),
        (
            entry(LINEAR, GOOD),
            entry(FOREST, NOISY),
            "may be luck (up to 0.128), and the search ranked it lower",
        ),
        (
            entry(LINEAR, GOOD),
            entry(ensemble.build_recipe({FOREST: 0.5, TAME: 0.5}), NOISY),
            "too little for an average of more models",
        ),
    ],
)
def test_a_winner_that_is_not_first_has_its_reason(winner, best, why):
    assert why in explain_rank(winner, best, 0.25)


def test_the_margin_is_where_an_advantage_becomes_significant():
    advantages = differences(NOISY, GOOD)
    noise, lead = margin(advantages, 0.25), sum(advantages) / 5
    raised = [score + noise - lead for score in NOISY]
    assert not is_beyond_noise([score - 1e-6 for score in raised], GOOD, 0.25)
    assert is_beyond_noise([score + 1e-6 for score in raised], GOOD, 0.25)


def test_a_recall_of_few_rows_is_told_with_its_interval():
    floors, rows = {"yes": 0.9}, replace(ROWS, held_out={"no": 109, "yes": 20})
    below = run_decision(entry(LINEAR, GOOD, 0.9, yes=0.85), ground=rows, floors=floors).hold_reason
    assert "below its floor of 0.9 (95%: 0.640 to 0.948, of 20 rows): collect more such rows" in below
    above = run_decision(entry(LINEAR, GOOD, 0.9, yes=0.95), ground=rows, floors=floors)
    assert above.hold_reason is None
    assert "of 20 rows only: the truth may be as low as 0.764" in above.reason
    many = replace(rows, held_out={"yes": 2_000})
    assert "only" not in run_decision(entry(LINEAR, GOOD, 0.9, yes=0.95), ground=many, floors=floors).reason


def test_too_few_folds_keep_the_champions_recipe():
    entries = entry(CHAMPION, GOOD[:3], 0.91), entry(FOREST, BETTER[:3], 0.95)
    assert run_decision(*entries, champion=incumbent()).winner == FOREST
    decision = run_decision(*entries, champion=incumbent(), cut_short=True)
    assert (decision.winner, decision.incumbent_kept, decision.hold_reason) == (CHAMPION, True, None)
    assert (
        "No recipe was replaced, or held for its score: fewer than 4 folds were scored in time."
        in decision.reason
    )
    assert run_decision(entries[1], cut_short=True).winner == FOREST


def test_a_winner_that_was_not_compared_with_the_champions_recipe_is_held():
    decision = run_decision(entry(FOREST, GOOD, 0.9), champion=incumbent(), uncompared=True)
    assert decision.winner == FOREST
    assert "before the champion's recipe was scored" in decision.hold_reason
