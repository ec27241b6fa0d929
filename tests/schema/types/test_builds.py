"""Builds as clients read them: the fits that run, with what they are for."""

from concurrent.futures import Future

import pytest

from learning.estimators.families import Candidate as Recipe
from learning.fits.running import FitStage, RunningFits
from schema.core import ids
from schema.core.context import Context
from schema.schema import schema
from store.access.actors import Actor
from store.models import Build, Candidate
from store.products import catalogue

QUERY = """query ($id: ID!) { build(id: $id) { runningFits {
  family stage fold hyperparameters { name value } candidate { family seconds hyperparameters { name } }
} } }"""


@pytest.mark.django_db
def test_fits_that_run_are_read_with_their_candidates() -> None:
    requested, _ = Build.objects.request(catalogue.get("stay"), by="a test", enqueue=False)
    build = Build.objects.claim(requested.pk)
    assert build is not None
    linear = Recipe("linear", {"C": 1.0})
    Candidate.objects.draw(build, (linear,))
    build.in_progress = RunningFits()
    for candidate, fold in ((linear, 0), (Recipe("forest", {}), None)):
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()
        stage = FitStage.ALL_EXAMPLES if fold is None else FitStage.SEARCH
        build.in_progress.add(future, candidate, stage, fold)
    assert build.renew()
    context = Context(Actor(author="ann", superuser=True), None)
    result = schema.execute_sync(QUERY, {"id": ids.node_id(build)}, context_value=context)
    assert result.errors is None and result.data is not None
    assert result.data["build"]["runningFits"] == [
        {
            "family": "linear", "stage": "SEARCH", "fold": 0, "hyperparameters": [{"name": "C", "value": 1.0}],
            "candidate": {"family": "linear", "seconds": None, "hyperparameters": [{"name": "C"}]},
        },
        {"family": "forest", "stage": "ALL_EXAMPLES", "fold": None, "hyperparameters": [], "candidate": None},
    ]  # fmt: skip
