"""Words for what the API names by codes: metrics, and sentences that mention them."""

import re

from learning.metrics import OF_TASK

#: Metrics whose names' words are not enough.
METRICS = {
    "roc_auc": "ROC AUC",
    "roc_auc_ovr": "ROC AUC, one class against the rest",
    "roc_auc_ovo": "ROC AUC, class against class",
    "r2": "R²",
    "f1": "F1",
    "f1_macro": "F1, mean of the classes",
    "recall_macro": "Recall, mean of the classes",
    "precision_macro": "Precision, mean of the classes",
    "matthews_corrcoef": "Matthews correlation",
}
#: Names of metrics with an underscore, as they stand in sentences.
IN_SENTENCES = re.compile(
    r"\b("
    + "|".join(sorted((name for names in OF_TASK.values() for name in names), key=len, reverse=True))
    + r")\b"
)


def metric_title(name: str) -> str:
    """Write the name of a metric for people; what is better when it is small is negative, so that greater is better."""
    if name in METRICS:
        return METRICS[name]
    words = name.removeprefix("neg_").replace("_", " ")
    return f"{words.capitalize()}{', negative' if name.startswith('neg_') else ''}"


def write_metrics(sentence: str) -> str:
    """Write the metrics in a sentence by their titles."""
    return IN_SENTENCES.sub(lambda match: _in_sentence(match[0]), sentence)


def first_sentences(text: str, number: int = 2) -> str:
    """Get the beginning of a text: some of its sentences."""
    return " ".join(re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", text)[:number])


def lower_first(sentence: str) -> str:
    """Write a sentence as the end of another one; a name of capitals stays."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


def _in_sentence(name: str) -> str:
    title = metric_title(name)
    return title if title[1:2].isupper() or name in ("r2", "f1") else title[:1].lower() + title[1:]
