"""Exclusions: why a truth that is known does not count when two versions are compared."""

from collections.abc import Mapping
from enum import StrEnum


class Exclusion(StrEnum):
    """A reason; members are only added."""

    LEARNED_FROM = "LEARNED_FROM"
    LABEL_IN_TABLE = "LABEL_IN_TABLE"
    TRUTH_BEFORE = "TRUTH_BEFORE"
    DISPUTED = "DISPUTED"
    NOT_A_LABEL = "NOT_A_LABEL"


#: For each reason, the sentence that describes it.
DESCRIPTIONS: Mapping[str, str] = {
    Exclusion.LEARNED_FROM: "A version may have learned from the truth: its snapshot has seen feedback on "
    "the subject.",
    Exclusion.LABEL_IN_TABLE: "The label column had a label before any feedback, of which nobody knows since when.",
    Exclusion.TRUTH_BEFORE: "The instance was stored after the first feedback on its subject.",
    Exclusion.DISPUTED: "The authors of feedback disagree, and no label counts.",
    Exclusion.NOT_A_LABEL: "The label that counts is no label that is declared.",
}
