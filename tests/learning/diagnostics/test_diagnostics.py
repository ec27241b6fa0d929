"""Data of diagnostics, compared with scikit-learn, and the sentences about them."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.calibration import calibration_curve
from sklearn.cluster import KMeans
from sklearn.inspection import permutation_importance
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    f1_score,
    precision_recall_curve,
    precision_recall_fscore_support,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    roc_curve,
    silhouette_samples,
)
from sklearn.model_selection import learning_curve, validation_curve
from sklearn.pipeline import Pipeline

from learning.columns import Column
from learning.columns import Kind as ColumnKind
from learning.dataset import dataset
from learning.diagnostics import Diagnostic, DiagnosticKind, drawing, kinds, refit_folds, shape
from learning.diagnostics.evidence import Evidence
from learning.estimators import preprocess
from learning.estimators.families import Candidate
from learning.model import Model
from learning.problem import Classification, Clustering, Regression

from ..conftest import LINEAR, MIXED, mixed_rows, numbers
from .pictures import Winner, build_context, winner

# Drawing takes seconds.
pytestmark = pytest.mark.engine


def evidence(case: Winner, **options) -> Evidence:
    own = {
        "context": case.context,
        "candidate": case.candidate,
        "model": case.model,
        "predictions": case.predictions,
    }
    return Evidence(**({"deadline": None, "rows": drawing.ROWS} | own | options))


def test_each_task_has_its_kinds_and_two_classes_have_one_more():
    assert DiagnosticKind.THRESHOLD in kinds(Classification, 2)
    assert DiagnosticKind.THRESHOLD not in kinds(Classification, 3)
    assert kinds(Regression)[0] is DiagnosticKind.RESIDUALS
    assert kinds(Clustering)[0] is DiagnosticKind.SILHOUETTE
    all_ = [kind for problem in (Classification, Regression, Clustering) for kind in kinds(problem)]
    assert set(all_) == set(DiagnosticKind) == set(drawing.CHARTS)


@pytest.mark.parametrize("case", ["tumor_winner", "wine_winner", "patient_winner", "cluster_winner"])
def test_every_diagnostic_has_a_chart_a_sentence_and_data_of_its_shape(case, request):
    case = request.getfixturevalue(case)
    expected = kinds(case.context.problem_type, len(case.context.dataset.classes))
    for kind in expected:
        assert case[kind].problem is None, case[kind]
        assert case[kind].text.endswith(".")
        assert type(case[kind].data) is shape(kind)
        assert case[kind].svg and case[kind].title
    assert tuple(case.drawn) == expected


def test_the_report_has_each_classes_scores_on_held_out_rows(tumor_winner):
    data, predictions = (
        tumor_winner[DiagnosticKind.CLASSIFICATION_REPORT].data,
        tumor_winner.row_predictions(),
    )
    expected = precision_recall_fscore_support(tumor_winner.y, predictions.argmax(axis=1))
    assert data.rows == ("benign", "malignant")
    assert data.columns == ("precision", "recall", "f1", "support")
    assert np.array(data.values) == pytest.approx(np.transpose(expected))
    right = (tumor_winner.y == predictions.argmax(axis=1)).mean()
    assert f"{right:.1%} of 569" in tumor_winner[DiagnosticKind.CLASSIFICATION_REPORT].text


@pytest.mark.parametrize("case", ["tumor_winner", "wine_winner"])
@pytest.mark.parametrize("kind", [DiagnosticKind.CONFUSION_MATRIX, DiagnosticKind.CLASS_PREDICTION_ERROR])
def test_counts_have_a_row_for_each_actual_class(case, kind, request):
    case = request.getfixturevalue(case)
    data = case[kind].data
    assert data.rows == data.columns == case.context.dataset.classes
    assert (
        np.array(data.values).tolist()
        == confusion_matrix(case.y, case.row_predictions().argmax(axis=1)).tolist()
    )


def test_the_bars_of_class_prediction_error_are_true_classes(tumor_winner):
    svg = tumor_winner[DiagnosticKind.CLASS_PREDICTION_ERROR].svg
    counts = np.array(tumor_winner[DiagnosticKind.CLASS_PREDICTION_ERROR].data.values)
    heights = _bar_heights(svg)
    assert heights / heights.sum() == pytest.approx(counts.T.ravel() / counts.sum(), abs=2e-3)


def _bar_heights(svg: str) -> np.ndarray:
    """Measure the bars inside the axes: those of the first predicted class, then of the second."""
    paths = re.findall(r'<path d="([^"]*)" clip-path="[^"]*" fill="#[^"]*" stroke="#ffffff"', svg)
    corners = [[float(y) for y in re.findall(r"[ML] [\d.-]+ ([\d.-]+)", path)] for path in paths]
    return np.array([max(ys) - min(ys) for ys in corners])


def test_the_text_names_the_most_frequent_confusion(tumor_winner):
    (_, missed), _ = confusion_matrix(
        tumor_winner.y, tumor_winner.row_predictions().argmax(axis=1), labels=[1, 0]
    )
    assert (
        f"malignant is predicted as benign in {missed} of 212 rows"
        in tumor_winner[DiagnosticKind.CONFUSION_MATRIX].text
    )


def test_two_classes_have_one_roc_curve_of_the_positive_class(tumor_winner):
    (curve,) = tumor_winner[DiagnosticKind.ROC].data.curves
    predictions = tumor_winner.row_predictions()[:, 1]
    fpr, tpr, _ = roc_curve(tumor_winner.y, predictions)
    assert curve.name == "malignant"
    assert (curve.x, curve.y) == (pytest.approx(fpr), pytest.approx(tpr))
    assert f"{roc_auc_score(tumor_winner.y, predictions):.3f}" in tumor_winner[DiagnosticKind.ROC].text


def test_each_of_several_classes_has_a_curve(wine_winner):
    predictions, roc, pr = (
        wine_winner.row_predictions(),
        wine_winner[DiagnosticKind.ROC].data,
        wine_winner[DiagnosticKind.PRECISION_RECALL].data,
    )
    assert (
        [c.name for c in roc.curves]
        == [c.name for c in pr.curves]
        == list(wine_winner.context.dataset.classes)
    )
    for code in range(3):
        mine = wine_winner.y == code
        assert roc.curves[code].y == pytest.approx(roc_curve(mine, predictions[:, code])[1])
        assert pr.curves[code].y == pytest.approx(precision_recall_curve(mine, predictions[:, code])[0])


def test_long_curves_keep_some_of_their_points_and_both_ends(tumor_winner):
    (curve,) = tumor_winner[DiagnosticKind.PRECISION_RECALL].data.curves
    predictions = tumor_winner.row_predictions()[:, 1]
    precision, recall, _ = precision_recall_curve(tumor_winner.y, predictions)
    points = {(round(x, 9), round(y, 9)) for x, y in zip(recall, precision, strict=True)}
    assert {(round(x, 9), round(y, 9)) for x, y in zip(curve.x, curve.y, strict=True)} <= points
    assert (curve.x[0], curve.x[-1]) == (1.0, 0.0)
    assert (
        f"{average_precision_score(tumor_winner.y, predictions):.3f}"
        in tumor_winner[DiagnosticKind.PRECISION_RECALL].text
    )


def test_calibration_compares_probabilities_with_frequencies(wine_winner):
    predictions = wine_winner.row_predictions()
    for code, curve in enumerate(wine_winner[DiagnosticKind.CALIBRATION].data.curves):
        true, predicted = calibration_curve(
            wine_winner.y == code, predictions[:, code], n_bins=10, strategy="quantile"
        )
        assert (curve.x, curve.y) == (pytest.approx(predicted), pytest.approx(true))


def test_each_row_is_predicted_by_one_model_though_several_partitions_hold_it_out(wine_winner):
    assert wine_winner.context.plan.final_repeats > 1
    gathered = evidence(wine_winner).classes
    assert len(gathered.y) == len(wine_winner.y)
    assert gathered.probabilities == pytest.approx(wine_winner.row_predictions())


def test_the_threshold_curves_equal_scikit_learns_scores(tumor_winner):
    curves = {curve.name: curve for curve in tumor_winner[DiagnosticKind.THRESHOLD].data.curves}
    for index, threshold in enumerate(curves["F1"].x):
        called = tumor_winner.row_predictions()[:, 1] >= threshold
        assert curves["recall"].y[index] == pytest.approx(recall_score(tumor_winner.y, called), abs=1e-6)
        assert curves["share predicted positive"].y[index] == pytest.approx(called.mean(), abs=1e-6)
        if called.any():
            assert curves["precision"].y[index] == pytest.approx(precision_score(tumor_winner.y, called))
            assert curves["F1"].y[index] == pytest.approx(f1_score(tumor_winner.y, called))


def test_residuals_are_truths_minus_held_out_predictions(patient_winner):
    data = patient_winner[DiagnosticKind.RESIDUALS].data
    assert data.x == pytest.approx(patient_winner.row_predictions())
    assert data.y == pytest.approx(patient_winner.y - patient_winner.row_predictions())


def test_prediction_error_compares_truths_with_held_out_predictions(patient_winner):
    data = patient_winner[DiagnosticKind.PREDICTION_ERROR].data
    assert (data.x, data.y) == (
        pytest.approx(patient_winner.y),
        pytest.approx(patient_winner.row_predictions()),
    )
    assert f"{r2_score(data.x, data.y):.3f}" in patient_winner[DiagnosticKind.PREDICTION_ERROR].text


def test_the_learning_curve_equals_scikit_learns_on_the_same_folds(tumor_winner):
    context = tumor_winner.context
    folds = refit_folds.split(evidence(tumor_winner), LINEAR)
    learned, held_out = tumor_winner[DiagnosticKind.LEARNING_CURVE].data.curves
    sizes, learned_scores, held_out_scores = learning_curve(
        context.pipeline(LINEAR),
        context.dataset.X,
        context.dataset.y,
        cv=folds,
        train_sizes=[int(size) for size in learned.x],
        scoring=context.metric,
    )
    assert learned.x == held_out.x == tuple(sizes)
    assert learned.y == pytest.approx(learned_scores.mean(axis=1))
    assert held_out.y == pytest.approx(held_out_scores.mean(axis=1))
    assert held_out.high == pytest.approx(held_out_scores.mean(axis=1) + held_out_scores.std(axis=1))


def test_every_prefix_of_the_training_rows_has_all_classes(wine_winner):
    for learn, held_out in refit_folds.split(evidence(wine_winner), LINEAR):
        assert set(wine_winner.y[learn[:15]]) == set(wine_winner.y[held_out]) == {0, 1, 2}
        assert not set(learn) & set(held_out)


def test_ordered_folds_are_sampled_from_the_latest():
    random = np.random.default_rng(0)
    y = np.tile([0, 1], 60)
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(len(y))]
    problem = Classification(ordered=True, folds=4)
    X = (random.normal(size=(len(y), 2)) + y[:, None]).tolist()
    case = winner(problem, dataset(problem, numbers("ab"), X, y.tolist(), times=times), LINEAR)
    folds = refit_folds.split(evidence(case), LINEAR)
    assert max(folds[0][1]) == len(y) - 1
    assert all(max(learn) < min(held_out) for learn, held_out in folds)
    assert case[DiagnosticKind.LEARNING_CURVE].problem is None
    assert case[DiagnosticKind.LEARNING_CURVE].data.curves[0].x[-1] == len(folds[-1][0])


def test_the_validation_curve_varies_the_winners_main_hyperparameter(tumor_winner):
    context, data = tumor_winner.context, tumor_winner[DiagnosticKind.VALIDATION_CURVE].data
    assert data.x_title == "C"
    assert data.curves[0].x == (0.01, 0.1, 1.0, 10.0, 100.0)
    learned, held_out = validation_curve(
        context.pipeline(LINEAR),
        context.dataset.X,
        context.dataset.y,
        param_name="estimate__C",
        param_range=data.curves[0].x,
        cv=refit_folds.split(evidence(tumor_winner), LINEAR),
        scoring=context.metric,
    )
    assert data.curves[0].y == pytest.approx(learned.mean(axis=1))
    assert data.curves[1].y == pytest.approx(held_out.mean(axis=1))


def test_curves_of_an_ensemble_are_those_of_its_heaviest_member(patient_winner):
    for kind in (DiagnosticKind.LEARNING_CURVE, DiagnosticKind.VALIDATION_CURVE):
        assert "the ensemble's heaviest member, linear" in patient_winner[kind].text
    assert patient_winner[DiagnosticKind.VALIDATION_CURVE].data.x_title == "alpha"


def test_importances_are_permutation_importances_on_rows_that_were_held_out(tumor_winner):
    context, data = tumor_winner.context, tumor_winner[DiagnosticKind.FEATURE_IMPORTANCES].data
    learn, held_out = refit_folds.split(evidence(tumor_winner), LINEAR)[0]
    X, y = context.dataset.X, context.dataset.y
    result = permutation_importance(
        clone(context.pipeline(LINEAR)).fit(X.iloc[learn], y[learn]),
        X.iloc[held_out],
        y[held_out],
        scoring=context.metric,
        n_repeats=3,
        random_state=0,
    )
    expected = dict(zip(X.columns, result.importances_mean, strict=True))
    assert dict(zip(data.names, data.values, strict=True)) == pytest.approx(expected)
    assert list(data.values) == sorted(data.values, reverse=True)
    assert tumor_winner[DiagnosticKind.FEATURE_IMPORTANCES].text.startswith(data.names[0])


def test_ranks_are_spearmans_rho_where_neither_value_is_missing():
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 3))
    X[:, 1] += X[:, 0]
    rows = [[None if random.random() < 0.2 else float(cell) for cell in row] for row in X]
    case = winner(
        Clustering(), dataset(Clustering(), numbers("abc"), rows, None), Candidate("kmeans", {"clusters": 2})
    )
    data = case[DiagnosticKind.RANK2D].data
    cells = np.array(rows, dtype=np.float64)
    both = ~np.isnan(cells[:, :2]).any(axis=1)
    assert data.rows == data.columns == ("a", "b", "c")
    assert data.values[0][1] == pytest.approx(spearmanr(cells[both, 0], cells[both, 1])[0])
    assert data.values[2][2] == 1.0
    assert case[DiagnosticKind.RANK2D].text.startswith("a and b have the strongest correlation")


def test_silhouettes_are_computed_in_standardised_features(cluster_winner):
    dataset_ = cluster_winner.context.dataset
    clusters = cluster_winner.model.estimator.predict(dataset_.X)
    space = preprocess.dense(dataset_.columns).fit_transform(dataset_.X)
    expected = silhouette_samples(space, clusters)
    curves = cluster_winner[DiagnosticKind.SILHOUETTE].data.curves
    assert [curve.name for curve in curves] == ["0", "1", "2"]
    for cluster, curve in enumerate(curves):
        assert curve.y == pytest.approx(np.sort(expected[clusters == cluster]))
    assert f"silhouette is {expected.mean():.3f}" in cluster_winner[DiagnosticKind.SILHOUETTE].text


def test_the_elbow_curve_is_the_inertia_of_k_means(cluster_winner):
    dataset_ = cluster_winner.context.dataset
    space = preprocess.dense(dataset_.columns).fit_transform(dataset_.X)
    (curve,) = cluster_winner[DiagnosticKind.ELBOW].data.curves
    inertia = [KMeans(int(k), n_init=3, random_state=0).fit(space).inertia_ for k in curve.x]
    assert curve.x == tuple(range(2, 11))
    assert curve.y == pytest.approx(inertia)
    assert "bends at 3 clusters" in cluster_winner[DiagnosticKind.ELBOW].text


def test_the_plane_preserves_the_distances_of_clusters(cluster_winner):
    data = cluster_winner[DiagnosticKind.INTERCLUSTER_DISTANCE].data
    centres = cluster_winner.model.estimator[-1].centres_
    assert pdist(np.column_stack([data.x, data.y])) == pytest.approx(pdist(centres), rel=0.02)
    sizes = np.bincount(cluster_winner.model.estimator[-1].labels_)
    assert data.groups == tuple(f"{number} ({n} rows)" for number, n in enumerate(sizes))


def test_noise_is_left_out_of_the_silhouettes():
    random = np.random.default_rng(0)
    rows = np.vstack(
        [random.normal(c, 0.1, size=(60, 2)) for c in (0, 5)] + [random.uniform(-9, 9, size=(12, 2))]
    )
    case = winner(
        Clustering(),
        dataset(Clustering(), numbers("ab"), rows.tolist(), None),
        Candidate("hdbscan", {"min_cluster_size": 15}),
    )
    assert "% of the rows are noise, and left out." in case[DiagnosticKind.SILHOUETTE].text
    assert [curve.name for curve in case[DiagnosticKind.SILHOUETTE].data.curves] == ["0", "1"]
    assert case[DiagnosticKind.INTERCLUSTER_DISTANCE].problem is None


def test_rows_that_were_never_held_out_are_left_out(tumor_winner):
    predictions, held_out = tumor_winner.predictions
    first = replace(tumor_winner, predictions=(predictions[: len(held_out[0])], held_out[:1]), drawn={})
    counts = np.array(next(first.draw()).data.values)
    assert counts[:, -1].sum() == len(held_out[0])


def test_a_class_that_is_never_predicted_has_no_precision(tumors):
    case = winner(Classification(), tumors, Candidate("baseline", {}))
    data = case[DiagnosticKind.CLASSIFICATION_REPORT].data
    assert data.values[1][:2] == (None, 0.0)
    assert "no row is predicted as such" in case[DiagnosticKind.CLASSIFICATION_REPORT].text
    assert case[DiagnosticKind.VALIDATION_CURVE].problem[0] == "UNAVAILABLE"


def test_the_rarest_of_many_classes_are_merged():
    random = np.random.default_rng(0)
    y = np.concatenate([np.repeat(np.arange(25), 12), np.repeat(np.arange(10), 12)])
    X = random.normal(size=(len(y), 3)) + y[:, None]
    names = [f"kind {code:02}" for code in range(25)]
    problem = Classification(folds=3)
    case = winner(
        problem,
        dataset(problem, numbers("abc"), X.tolist(), [names[code] for code in y], names),
        Candidate("naive_bayes", {"var_smoothing": 1e-9}),
    )
    data = case[DiagnosticKind.CONFUSION_MATRIX].data
    assert len(data.rows) == 20
    assert data.rows[-1] == "6 others"
    assert sum(map(sum, data.values)) == len(y)
    assert (
        "The 19 most frequent of 25 classes are distinguished." in case[DiagnosticKind.CONFUSION_MATRIX].text
    )
    assert case[DiagnosticKind.CLASS_PREDICTION_ERROR].problem is None
    assert case[DiagnosticKind.LEARNING_CURVE].problem is None


def test_diagnostics_are_drawn_for_columns_of_every_kind():
    rows, labels = mixed_rows(120)
    case = winner(Classification(folds=3), dataset(Classification(folds=3), MIXED, rows, labels), LINEAR)
    assert [kind for kind in kinds(Classification, 2) if case[kind].problem] == []
    assert set(case[DiagnosticKind.FEATURE_IMPORTANCES].data.names) == {column.name for column in MIXED}
    assert "note" in case[DiagnosticKind.FEATURE_IMPORTANCES].data.names[:2]
    ranked = ("weight", "visits", "smokes", "born", "seen", "woken", "stay")
    assert case[DiagnosticKind.RANK2D].data.rows == ranked


def test_correlations_of_features_without_numbers_fail_with_a_reason():
    words = Column(name="word", kind=ColumnKind.TEXT)
    rows = [[f"{'good' if row % 2 else 'bad'} thing {row}"] for row in range(60)]
    problem = Classification(folds=3)
    case = winner(problem, dataset(problem, [words], rows, [row % 2 for row in range(60)]), LINEAR)
    ranks = case[DiagnosticKind.RANK2D]
    assert (ranks.svg, ranks.data) == (None, None)
    assert ranks.problem == ("UNAVAILABLE", "Fewer than two features are numbers that vary.")
    assert case[DiagnosticKind.FEATURE_IMPORTANCES].problem is None


def test_a_diagnostic_that_fails_does_not_affect_the_others(tumor_winner, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(drawing, "CHARTS", {**drawing.CHARTS, DiagnosticKind.ROC: broken})
    drawn: dict[DiagnosticKind, Diagnostic] = {each.kind: each for each in tumor_winner.draw()}
    assert drawn[DiagnosticKind.ROC].problem == ("INTERNAL", "ZeroDivisionError: division by zero")
    assert drawn[DiagnosticKind.ROC].svg is None and drawn[DiagnosticKind.ROC].data is None
    assert [kind for kind, each in drawn.items() if each.problem] == [DiagnosticKind.ROC]


def test_diagnostics_after_the_deadline_are_timed_out(tumor_winner):
    drawn = list(tumor_winner.draw(deadline=time.monotonic() - 1))
    assert [each.kind for each in drawn] == list(kinds(Classification, 2))
    assert {each.problem[0] for each in drawn} == {"TIMED_OUT"}


def test_a_deadline_ends_the_fits_of_a_chart(patient_winner, monkeypatch):
    """Make the deadline pass after the first fit; it is checked before each."""
    fits = []
    fit = Pipeline.fit
    monkeypatch.setattr(Pipeline, "fit", lambda self, *args: (fits.append(1), fit(self, *args))[1])
    monkeypatch.setattr("learning.diagnostics.recipe.is_past", lambda deadline: len(fits) > 0)
    drawn = {each.kind: each for each in patient_winner.draw(deadline=time.monotonic() + 600)}
    late = (
        DiagnosticKind.FEATURE_IMPORTANCES,
        DiagnosticKind.LEARNING_CURVE,
        DiagnosticKind.VALIDATION_CURVE,
    )
    assert all(drawn[kind].problem[0] == "TIMED_OUT" for kind in late)
    assert all(drawn[kind].problem is None for kind in drawn if kind not in late)
    assert len(fits) == 1


def test_many_rows_are_sampled_and_the_text_mentions_it():
    random = np.random.default_rng(0)
    y = random.integers(2, size=100_000)
    X = random.normal(size=(len(y), 3)) + y[:, None]
    data = dataset(Classification(), numbers("abc"), X.tolist(), y.tolist())
    context = build_context(Classification(), data)
    held_out = [rows for _, rows in context.split("contest")]
    sure = random.uniform(0.4, 1.0, size=len(y))
    predictions = np.where(y == 1, sure, 1 - sure)[np.concatenate(held_out)]
    predictions = np.column_stack([1 - predictions, predictions]).astype(np.float32)
    served = Model(context.signature, LINEAR.family, LINEAR.hyperparameters, estimator=None)
    case = Winner(context=context, candidate=LINEAR, model=served, predictions=(predictions, held_out))
    case.drawn = {each.kind: each for each in case.draw(rows=500)}
    assert all(diagnostic.problem is None for diagnostic in case.drawn.values())
    assert "of 100,000 held-out rows" in case[DiagnosticKind.CLASSIFICATION_REPORT].text
    assert "Drawn from 500 of 100,000 rows." in case[DiagnosticKind.RANK2D].text
    assert "Drawn from 750 of 100,000 rows." in case[DiagnosticKind.FEATURE_IMPORTANCES].text
    learned, held_out, final = case[DiagnosticKind.LEARNING_CURVE].data.curves
    assert learned.x[-1] == held_out.x[-1] == 500
    assert final.x == pytest.approx([200_000 / 3])
    assert final.y == pytest.approx([roc_auc_score(y, case.row_predictions()[:, 1])], abs=0.01)
