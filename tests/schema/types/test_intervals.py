"""Intervals of a model version, as the API tells them."""

from typing import Any

import pytest

from learning.evaluation.error_size import SizeColumn, SizeCurve, SizeFactor
from learning.evaluation.intervals import Coverage, Intervals, LiveCoverage
from learning.kinds import Kind
from schema.core.context import Context
from schema.schema import schema
from store import models
from store.access.actors import Actor

LEVELS = {"0.8": 0.81, "0.9": 0.88}
INTERVALS = Intervals(
    errors=(-1.0, 0.0, 1.0),
    count=3,
    coverage=LEVELS,
    width={"0.8": 2.0, "0.9": 3.0},
    basis="FEATURES",
    least=0.0,
    curve=SizeCurve(at=(1.0,), below=(1.0,), above=(1.0,)),
    factor=SizeFactor(columns=(SizeColumn(name="age", kind=Kind.NUMBER),), trees=(((0.0,),),)),
    measured=3,
    thirds=(Coverage(value="up to 1", rows=1, coverage=LEVELS, width=LEVELS, short=False),),
    slices=(Coverage(feature="sex", value="first", rows=2, coverage=LEVELS, width=LEVELS, short=True),),
    live=LiveCoverage(rows=60, coverage=0.7, widening=1.4),
)
PARTS = "feature value rows short levels { level coverage }"
QUERY = f"""{{ tumor {{ models(first: 20) {{ edges {{ node {{ number intervals {{
    basis features least most rows latest widening liveRows liveCoverage levels {{ level coverage width }}
    thirds {{ {PARTS} }} slices {{ {PARTS} }} }} }} }} }} }} }}"""


def test_a_version_tells_its_intervals(registry: list[models.ModelVersion]) -> None:
    models.ModelVersion.objects.filter(pk=registry[1].pk).update(intervals=INTERVALS.as_json())
    old = {"errors": [-1.0, 1.0], "count": 2, "coverage": {"0.9": 1.0}, "width": {"0.9": 2.0}}
    models.ModelVersion.objects.filter(pk=registry[2].pk).update(intervals=old)
    context = Context(Actor(author="tests", superuser=True), None)
    answer = schema.execute_sync(QUERY, context_value=context)  # type: ignore[arg-type]
    assert answer.errors is None and answer.data is not None
    edges = answer.data["tumor"]["models"]["edges"]
    versions = {edge["node"]["number"]: edge["node"]["intervals"] for edge in edges}
    assert versions[1] is None
    told = versions[2]
    assert (told["basis"], told["features"], told["least"], told["most"]) == ("FEATURES", ["age"], 0.0, None)
    assert (told["widening"], told["liveRows"], told["liveCoverage"]) == (1.4, 60, 0.7)
    assert told["levels"][1] == {"level": 0.9, "coverage": 0.88, "width": 3.0}
    assert [(part["feature"], part["value"], part["short"]) for part in told["slices"]] == [
        ("sex", "first", True)
    ]
    assert told["thirds"][0]["feature"] is None
    assert (versions[3]["basis"], versions[3]["rows"], versions[3]["widening"]) == ("CONSTANT", 2, 1.0)
    assert versions[3]["thirds"] == versions[3]["slices"] == []


@pytest.mark.django_db
def test_intervals_are_read_once(registry: list[models.ModelVersion], django_assert_num_queries: Any) -> None:
    keys = [version.pk for version in registry]
    with django_assert_num_queries(1):
        assert models.ModelVersion.objects.intervals_of(keys) == dict.fromkeys(keys)
        assert models.ModelVersion.objects.intervals_of(keys) == dict.fromkeys(keys)
