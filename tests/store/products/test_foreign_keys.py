"""Foreign keys as labels: classes are the referenced rows, read, joined and written as any other label."""

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps

from store.access.actors import Actor
from store.entities import entities
from store.exceptions import Conflict
from store.ingest import editing
from store.predictions.feedback import About, Feedback, FeedbackResult
from store.products.features import Join
from store.products.product import DataProduct
from store.snapshots.preview import preview
from tests.clinic.models import Ward
from tests.shops import MUSIC

from ..conftest import declared, operate

ANN = Actor(author="ann", name="ann")


@pytest.fixture
def wards(db: None) -> dict[int, Ward]:
    return {number: Ward.objects.create(pk=number, beds=number) for number in (1, 2, 3)}


@pytest.fixture
def placed() -> DataProduct:
    """Where is a patient of this age? The third ward is no class, and neither is a ninth, which does not exist."""
    return declared({"cost": "cost"}, label="ward", classes={1: "North", 2: "South", 9: "Gone"})


def give(product: DataProduct, row: models.Model, label: object) -> FeedbackResult:
    return Feedback.objects.give(product, About(entity=str(row.pk)), product.answer_of(label), "ann")


def test_feedback_writes_the_key_and_gives_it_back(wards: dict[int, Ward], placed: DataProduct) -> None:
    operation = operate(ward=wards[3])
    result = give(placed, operation, 2)
    operation.refresh_from_db()
    assert (operation.ward, result.feature_rows_changed) == (wards[2], 1)
    assert entities.get(placed, str(operation.pk)).label == 2
    Feedback.objects.retract(placed, result.feedback.pk, ANN)
    operation.refresh_from_db()
    assert operation.ward == wards[3]


def test_feedback_about_a_row_that_is_gone_is_a_conflict(wards: dict[int, Ward], placed: DataProduct) -> None:
    operation = operate(ward=wards[1])
    with pytest.raises(Conflict, match=r"Key \(ward_id\)=\(9\) is not present in table"):
        give(placed, operation, 9)
    assert not Feedback.objects.exists()
    operation.refresh_from_db()
    assert operation.ward == wards[1]


def test_an_edited_label_is_a_key(wards: dict[int, Ward], placed: DataProduct) -> None:
    operation = operate(ward=wards[1])
    edited = editing.patch(placed, str(operation.pk), {}, placed.label_of("2"), entities.KEEP, None)
    assert (edited.changed, edited.entity.label) == (["label"], 2)
    edited = editing.patch(placed, str(operation.pk), {}, None, entities.KEEP, None)
    assert edited.entity.label is None


def test_the_next_snapshot_has_keys_feedback_and_what_is_no_class(
    wards: dict[int, Ward], placed: DataProduct
) -> None:
    rows = [operate(ward=wards.get(number)) for number in (1, 2, 3, 3, None)]
    give(placed, rows[2], 1)
    shown = preview(placed)
    assert (shown.rows_out, shown.unlabelled) == (5, 1)
    [undeclared] = shown.undeclared
    assert (undeclared.column, undeclared.values) == ("ward", (("3", 1),))


def test_no_row_without_a_label_is_written_where_the_label_may_not_be_null(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MUSIC)
    track = tracks()
    product = DataProduct(
        name="medium",
        join=Join(track.objects.all(), features={"bytes": "bytes"}, label="medium"),
        problem=declared({}).problem,
        classes={"mp3": "MPEG", "aac": "AAC", "flac": "FLAC", "ogg": "Vorbis"},
    )
    row = track.objects.get(pk=1)
    # A key that is text and no primary key.
    assert entities.get(product, "1").label == row.medium_id == "aac"
    assert give(product, row, "flac").feature_rows_changed == 1
    row.refresh_from_db()
    assert row.medium_id == "flac"
    with pytest.raises(Conflict, match="null value in column"):
        editing.patch(product, "2", {}, None, entities.KEEP, None)
    with pytest.raises(Conflict, match="is not present in table"):
        give(product, row, "ogg")


@isolate_apps("tests.clinic")
def tracks() -> type[models.Model]:
    class Medium(models.Model):
        number = models.IntegerField(primary_key=True, db_column="MediaTypeId")
        code = models.CharField(max_length=8, unique=True, db_column="Code")

        class Meta:
            app_label = "clinic"
            managed = False
            db_table = '"music"."MediaType"'

    class Track(models.Model):
        number = models.AutoField(primary_key=True, db_column="TrackId")
        medium = models.ForeignKey(
            Medium, models.DO_NOTHING, to_field="code", db_column="MediaTypeCode", related_name="+"
        )
        bytes = models.IntegerField(null=True, db_column="Bytes")

        class Meta:
            app_label = "clinic"
            managed = False
            db_table = '"music"."Track"'

    return Track
