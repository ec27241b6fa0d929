"""Tasks as the API names them, with what pages ask about them."""

from enum import StrEnum


class Task(StrEnum):
    """A kind of answer."""

    CLASSIFICATION = "CLASSIFICATION"
    REGRESSION = "REGRESSION"
    CLUSTERING = "CLUSTERING"

    @property
    def predicts_labels(self) -> bool:
        """True where the answer is one of a product's labels."""
        return self is Task.CLASSIFICATION

    @property
    def predicts_numbers(self) -> bool:
        """True where the answer is a number."""
        return self is Task.REGRESSION

    @property
    def has_truths(self) -> bool:
        """True where people can say which answer is right."""
        return self is not Task.CLUSTERING
