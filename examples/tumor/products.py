"""The data product: whether a tumor is malignant, from thirty measures in three tables."""

from learning.problem import Classification
from learning.retrain import AfterFeedback, Every
from store.products import DataProduct, FormField, Join

from .models import Biopsy, Nuclei

MEASURES = [field.name for field in Nuclei._meta.get_fields()]
TABLES = {"mean": "means", "error": "errors", "worst": "worst"}
#: What a form offers: radius and texture to a tenth, the areas as whole numbers.
STEPS = {"radius": 0.1, "texture": 0.1, "perimeter": 0.1, "area": 1}

tumor = DataProduct(
    name="tumor",
    title="Tumor",
    description="Is the tumor of a biopsy malignant?",
    join=Join(
        Biopsy.objects.all(),
        features={
            f"{prefix}_{measure}": f"{table}__{measure}"
            for prefix, table in TABLES.items()
            for measure in MEASURES
        },
        label="diagnosis",
        at="taken_at",
    ),
    problem=Classification(metric="roc_auc", candidates=8),
    retrain=[
        Every("0 3 * * *"),
        AfterFeedback(50),
    ],  # at 03:00 UTC; after 50 items of feedback that change a label
    form={
        f"{prefix}_{measure}": FormField(step=STEPS.get(measure, 0.001))
        for prefix in TABLES
        for measure in MEASURES
    },
)
