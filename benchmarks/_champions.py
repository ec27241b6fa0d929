"""Champions made in a moment: a family's first recipe, fitted on a snapshot, registered and promoted."""

from dataclasses import replace

from django.db import transaction
from sklearn.pipeline import Pipeline

from learning.compiler.compilation import compile_model
from learning.dataset import Dataset
from learning.estimators.families import Candidate
from learning.estimators.families.catalogue import FAMILIES, pipeline
from learning.model import Model, Signature
from learning.problem import problem_type
from learning.selection.steps import Fitted
from store.builds import candidates
from store.builds.builds import Build
from store.products.product import DataProduct
from store.registry.product_states import ProductState
from store.registry.promotions import Promotion
from store.registry.versions import ModelVersion
from store.snapshots.snapshots import Snapshot

BY = "a benchmark"


def enthrone(product: DataProduct, family: str) -> tuple[ModelVersion, Pipeline]:
    """Let a version of this family serve; returns it, and its pipeline, made of scikit-learn's own classes."""
    snapshot, recipe = Snapshot.objects.take(product), first_recipe(product.task, family)
    model = learned(product, snapshot.dataset(product), recipe)
    version = register(product, snapshot, recipe, model)
    promote(version)
    return version, model.estimator


def first_recipe(task: str, family: str) -> Candidate:
    counted = {} if problem_type(task).learns_from_labels else {"clusters": 3}
    return Candidate(family, FAMILIES[task][family].defaults[0] | counted)


def _fitted(task: str, recipe: Candidate, dataset: Dataset) -> Pipeline:
    made = pipeline(task, recipe, dataset.columns, 0)
    if isinstance(made[0], Pipeline):
        # What comes behind it there is ours, and does nothing where no column is empty.
        made.steps[0] = ("prepare", made[0][0])
    return made.fit(dataset.X, dataset.y)


def learned(product: DataProduct, dataset: Dataset, recipe: Candidate) -> Model:
    """Fitted and compiled."""
    signature = Signature(task=product.task, columns=dataset.columns, classes=dataset.classes)
    estimator = _fitted(product.task, recipe, dataset)
    model = Model(signature, recipe.family, recipe.hyperparameters, estimator)
    return replace(model, compiled=compile_model(model, dataset))


@transaction.atomic
def register(product: DataProduct, snapshot: Snapshot, recipe: Candidate, model: Model) -> ModelVersion:
    build, _ = Build.objects.request(product, by=BY, enqueue=False)
    build.snapshot, build.status = snapshot, "SUCCEEDED"
    build.save()
    candidates.Candidate.objects.draw(build, (recipe,))
    step = Fitted(percent=99.0, candidate=recipe, model=model, metric=product.metric, score=0.9, winner=True)
    return ModelVersion.objects.register(build, step)


@transaction.atomic
def promote(version: ModelVersion) -> None:
    Promotion.objects.record(ProductState.objects.lock(version.product), version, "It is measured.", BY)
