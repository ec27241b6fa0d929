"""Metrics that a problem may be scored by: names of scikit-learn's scorers, greater is better."""

from difflib import get_close_matches
from math import inf

#: Scorers that compare predicted with true classes, two or more of them.
CLASSIFICATION = frozenset(
    [
        "accuracy",
        "average_precision",
        "balanced_accuracy",
        "d2_brier_score",
        "d2_log_loss_score",
        "f1",
        "f1_macro",
        "f1_micro",
        "f1_weighted",
        "jaccard",
        "jaccard_macro",
        "jaccard_micro",
        "jaccard_weighted",
        "matthews_corrcoef",
        "neg_brier_score",
        "neg_log_loss",
        "neg_negative_likelihood_ratio",
        "positive_likelihood_ratio",
        "precision",
        "precision_macro",
        "precision_micro",
        "precision_weighted",
        "recall",
        "recall_macro",
        "recall_micro",
        "recall_weighted",
        "roc_auc",
        "roc_auc_ovo",
        "roc_auc_ovo_weighted",
        "roc_auc_ovr",
        "roc_auc_ovr_weighted",
        "top_k_accuracy",
    ]
)

#: Scorers for a positive and a negative class only.
TWO_CLASSES = frozenset(
    [
        "average_precision",
        "f1",
        "jaccard",
        "neg_negative_likelihood_ratio",
        "positive_likelihood_ratio",
        "precision",
        "recall",
        "roc_auc",
    ]
)

#: Scorers that are not defined for two classes.
SEVERAL_CLASSES = frozenset({"top_k_accuracy"})

#: Scorers that compare predicted with true numbers.
REGRESSION = frozenset(
    [
        "d2_absolute_error_score",
        "explained_variance",
        "neg_max_error",
        "neg_mean_absolute_error",
        "neg_mean_absolute_percentage_error",
        "neg_mean_gamma_deviance",
        "neg_mean_poisson_deviance",
        "neg_mean_squared_error",
        "neg_mean_squared_log_error",
        "neg_median_absolute_error",
        "neg_root_mean_squared_error",
        "neg_root_mean_squared_log_error",
        "r2",
    ]
)

#: Scores of a clustering that need no labels. scikit-learn has functions but no scorers for them, and none for
#: `separation` (`evaluation.separation`), which follows clusters of any shape.
CLUSTERING = frozenset({"separation", "silhouette", "calinski_harabasz", "neg_davies_bouldin"})

OF_TASK = {"CLASSIFICATION": CLASSIFICATION, "REGRESSION": REGRESSION, "CLUSTERING": CLUSTERING}

#: Metrics that any score is possible by, however great.
UNBOUNDED = frozenset({"calinski_harabasz", "positive_likelihood_ratio"})


def greatest_score(name: str) -> float:
    """Return the greatest score that is possible by a metric."""
    if name in UNBOUNDED:
        return inf
    return 0.0 if name.startswith("neg_") else 1.0


def suggest(name: str, names: frozenset[str] | tuple[str, ...]) -> str:
    """Suggest similar names in a sentence, or list all names if none is similar."""
    matches = get_close_matches(name, sorted(names), n=3, cutoff=0.5)
    return f"Similar: {', '.join(matches)}." if matches else f"Known: {', '.join(sorted(names))}."
