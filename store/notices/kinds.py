"""Kinds of events that are sent elsewhere, and the sentences that describe them."""

from collections.abc import Mapping
from enum import StrEnum


class EventKind(StrEnum):
    """A kind of event, as the `type` of what is sent. Members are only added."""

    BUILD_ENDED = "build.ended"
    MODEL_PROMOTED = "model.promoted"
    MODEL_HELD = "model.held"
    MODEL_ROLLED_BACK = "model.rolled_back"
    QUALITY_FELL = "quality.fell"
    DRIFT_FOUND = "drift.found"
    TRIAL_ENDED = "trial.ended"
    TEST = "test"


DESCRIPTIONS: Mapping[EventKind, str] = {
    EventKind.BUILD_ENDED: "A build has ended: it succeeded, failed or was cancelled.",
    EventKind.MODEL_PROMOTED: "A model version began to serve.",
    EventKind.MODEL_HELD: "A build registered a version that waits for a person to promote it.",
    EventKind.MODEL_ROLLED_BACK: "The version that served before serves again.",
    EventKind.QUALITY_FELL: "Live quality fell below the floor of a retraining rule.",
    EventKind.DRIFT_FOUND: "The served values of a feature differ from those learned from, as far as a retraining rule "
    "says.",
    EventKind.TRIAL_ENDED: "A shadow or a split has ended: by a person, by a promotion, or by itself.",
    EventKind.TEST: "Somebody has tried whether the receiver is reached.",
}
#: What a receiver may be registered for; a test comes on request.
CHOICES = tuple(kind for kind in EventKind if kind is not EventKind.TEST)
