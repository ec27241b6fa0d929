"""Champions without a build: a family's first recipe, fitted on a snapshot, registered and promoted."""

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


def serve_family(product: DataProduct, family: str) -> tuple[ModelVersion, Pipeline]:
    """Promote a version of this family. Returns it and its pipeline, which has scikit-learn's own classes only."""
    snapshot, recipe = Snapshot.objects.take(product), get_first_recipe(product.task, family)
    model = fit_model(product, snapshot.dataset(product), recipe)
    version = register(product, snapshot, recipe, model)
    promote(version)
    return version, model.estimator


def get_first_recipe(task: str, family: str) -> Candidate:
    """Get the family's first default recipe."""
    clusters = {} if problem_type(task).learns_from_labels else {"clusters": 3}
    return Candidate(family, FAMILIES[task][family].defaults[0] | clusters)


def _fit_pipeline(task: str, recipe: Candidate, dataset: Dataset) -> Pipeline:
    estimator = pipeline(task, recipe, dataset.columns, 0)
    if isinstance(estimator[0], Pipeline):
        # The second step of the preparation is the project's own class; without empty columns it has no effect.
        estimator.steps[0] = ("prepare", estimator[0][0])
    return estimator.fit(dataset.X, dataset.y)


def fit_model(product: DataProduct, dataset: Dataset, recipe: Candidate) -> Model:
    """Fit and compile a model."""
    signature = Signature(task=product.task, columns=dataset.columns, classes=dataset.classes)
    estimator = _fit_pipeline(product.task, recipe, dataset)
    model = Model(signature, recipe.family, recipe.hyperparameters, estimator)
    return replace(model, compiled=compile_model(model, dataset))


@transaction.atomic
def register(product: DataProduct, snapshot: Snapshot, recipe: Candidate, model: Model) -> ModelVersion:
    """Register the model as the winner of a build that has no other candidates."""
    build, _ = Build.objects.request(product, by=BY, enqueue=False)
    build.snapshot, build.status = snapshot, "SUCCEEDED"
    build.save()
    candidates.Candidate.objects.draw(build, (recipe,))
    step = Fitted(percent=99.0, candidate=recipe, model=model, metric=product.metric, score=0.9, winner=True)
    return ModelVersion.objects.register(build, step)


@transaction.atomic
def promote(version: ModelVersion) -> None:
    """Make the version its product's champion."""
    Promotion.objects.record(ProductState.objects.lock(version.product), version, "It is measured.", BY)
