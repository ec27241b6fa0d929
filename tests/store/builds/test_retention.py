"""Old builds leave what is known of them; what takes room goes, and what explains a prediction stays."""

from typing import Any

import pytest
from django.db import connection, transaction

from learning.exceptions import NoRows
from store.builds import retention
from store.builds.builds import Build
from store.builds.candidates import FoldScore
from store.exceptions import ModelDoesNotFit
from store.models import ModelVersion, Promotion, Snapshot
from store.predictions import upsert
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products import catalogue
from store.products.product import DataProduct

from ..conftest import STAY, examples
from .test_builds import built, snapshots

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(scope="module")
def module_builds(module_tables: None) -> list[Build]:
    """Three builds of different examples; the first one's winner serves."""
    builds = []
    for place in range(3):
        examples(30)
        builds.append(built(catalogue.get("stay"), auto_promote=place == 0))
    return builds


@pytest.fixture
def builds(module_builds: list[Build], db: None, settings: Any) -> list[Build]:
    """The builds, of which the last one is to be kept."""
    settings.EXEMPLAR_KEEP_BUILDS = 1
    return [Build.objects.get(pk=build.pk) for build in module_builds]


def test_old_builds_lose_their_bulk_and_keep_their_facts(builds, stay):
    with connection.cursor() as cursor:
        cursor.execute('CREATE TABLE snapshots.stay_99 (x int); CREATE TABLE snapshots."Odd name" (x int)')
    retention.delete_old_builds("stay")
    assert snapshots() == {"stay_1", "stay_3"}
    old_snapshot_goes(stay)
    champion_keeps_everything(builds[0], stay)
    scores_stay(builds[1])
    what_never_served_cannot_serve(builds[1], stay)
    assert FoldScore.objects.filter(candidate__build=builds[2], predictions__isnull=False).exists()
    assert ModelVersion.objects.get(pk=builds[2].model.pk).misfit(stay) is None


def old_snapshot_goes(stay: DataProduct) -> None:
    old = Snapshot.objects.get(number=2)
    assert old.dropped_at
    assert (old.rows, bool(old.fingerprint), bool(old.analysis)) == (60, True, True)
    with pytest.raises(NoRows, match="was deleted by retention"):
        old.dataset(stay)


def champion_keeps_everything(build: Build, stay: DataProduct) -> None:
    champion = ModelVersion.objects.champion_of("stay")
    assert champion is not None
    assert champion.build == build
    champion.load(stay)
    assert champion.snapshot.dataset(stay)
    assert FoldScore.objects.filter(candidate__build=build, predictions__isnull=True).count() == 0


def scores_stay(build: Build) -> None:
    folds = FoldScore.objects.filter(candidate__build=build)
    assert folds.filter(predictions__isnull=False).count() == 0
    assert all(fold.scores.exists() for fold in folds)


def what_never_served_cannot_serve(build: Build, stay: DataProduct) -> None:
    old = ModelVersion.objects.get(pk=build.model.pk)
    assert bytes(ModelVersion.objects.values_list("artifact", flat=True).get(pk=old.pk)) == b""
    with pytest.raises(ModelDoesNotFit, match="was deleted by retention"):
        Promotion.objects.promote(old, "It was good.", by="ann")


def test_rows_that_explain_a_prediction_are_kept(builds, stay):
    kept = ModelVersion.objects.get(pk=builds[1].model.pk)
    question = ValidRequest(instance=stay.clean(STAY))
    upsert.store(PredictionBatch(stay, kept, [question], kept.load(stay).predict([question.instance])))
    retention.delete_old_builds("stay")
    assert ModelVersion.objects.get(pk=kept.pk).dropped_at is None
    assert snapshots() == {"stay_1", "stay_3"}


def test_a_table_of_another_role_stays_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE snapshots.stay_99 (); CREATE ROLE guest; GRANT USAGE ON SCHEMA exemplar, snapshots TO guest; "
            "GRANT SELECT ON ALL TABLES IN SCHEMA exemplar TO guest; SET LOCAL ROLE guest"
        )
        retention._drop_orphans()
        assert "stay_99" in snapshots()
        transaction.set_rollback(True)
    assert "snapshots.stay_99 was not deleted" in caplog.text and "must be owner" in caplog.text
