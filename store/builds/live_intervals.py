"""Live intervals: predictions of a champion whose truths came later, and what its intervals contained of these."""

from django.db.models import Min, Q

from learning.evaluation import live_coverage
from learning.evaluation.intervals import LiveCoverage
from learning.evaluation.live_coverage import MOST_ROWS, LiveRow

from ..access.actors import TABLE
from ..predictions import truth
from ..predictions.feedback import Feedback
from ..predictions.predictions import Prediction
from ..products.product import DataProduct
from ..registry.versions import ModelVersion

#: Newest feedback that is looked at, for each row that counts.
FEEDBACK_PER_ROW = 4


def measure(product: DataProduct, champion: ModelVersion) -> LiveCoverage | None:
    """Measure the coverage of a version's intervals by the newest truths; None if there are too few."""
    intervals = ModelVersion.objects.intervals_of([champion.pk]).get(champion.pk)
    return None if intervals is None else live_coverage.measure(intervals, find_rows(product, champion))


def find_rows(product: DataProduct, version: ModelVersion) -> list[LiveRow]:
    """Find predictions whose truth came after them, the newest of each subject, the newest feedback first.

    Only what the version could not know counts: there was no feedback about the subject before it was predicted, and
    its table had no label before the first feedback, of which nobody knows since when it was there.
    """
    words = Feedback.objects.filter(product=product.name)
    newest = words.exclude(author=TABLE).filter(retracted_at=None).order_by("-created_at", "-pk")
    subjects = list(dict.fromkeys(newest.values_list("subject", flat=True)[: FEEDBACK_PER_ROW * MOST_ROWS]))
    about = words.filter(subject__in=subjects)
    labelled = set(about.filter(author=TABLE, answer__isnull=False).values_list("subject", flat=True))
    first = dict(about.filter(~Q(author=TABLE)).values_list("subject").annotate(Min("created_at")).order_by())
    truths = truth.find_truths(product, [subject for subject in subjects if subject not in labelled])
    predictions = Prediction.objects.filter(
        product=product.name, model=version, subject__in=list(truths), value__isnull=False
    )
    rows = {}
    for prediction in predictions.order_by("created_at", "pk"):
        label = product.label_of(truths[prediction.subject].answer)
        if (
            label is not None
            and prediction.value is not None
            and prediction.created_at < first[prediction.subject]
        ):
            rows[prediction.subject] = LiveRow(prediction.value, float(label), prediction.features)
    return [rows[subject] for subject in subjects if subject in rows][:MOST_ROWS]
