"""A build as one page: what it holds, and what it says where something is gone."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from learning.diagnostics import Diagnostic as Drawn
from learning.diagnostics import DiagnosticKind
from store.builds import leaderboard, report
from store.builds.builds import Build
from store.builds.candidates import FoldScore
from store.builds.diagnostics import Diagnostic
from store.exceptions import NoChampion
from store.models import ModelVersion
from store.predictions import upsert
from store.predictions.upsert import PredictionBatch, ValidRequest
from store.products import catalogue

from ..conftest import STAY, examples, version
from .test_builds import built

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(scope="module")
def module_build(module_tables: None) -> Build:
    """A build that draws pictures, which those of other modules leave out."""
    product = catalogue.get("stay")
    drawing = replace(product, problem=replace(product.problem, pictures=0.2))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(catalogue._products, product.name, drawing)
        examples(60)
        return built(drawing)


@pytest.fixture
def build(module_build: Build, db: None) -> Build:
    return Build.objects.get(pk=module_build.pk)


def written(capsys: Any, *arguments: str) -> tuple[Path, str]:
    call_command("report", *arguments)
    path = Path(capsys.readouterr().out.strip().splitlines()[-1])
    return path, path.read_text()


def test_the_report_is_one_file_that_needs_nothing_else(build, stay, tmp_path, capsys):
    champion = ModelVersion.objects.champion_of("stay")
    assert champion is not None
    asked = ValidRequest(instance=stay.clean(STAY), reference="form-17")
    upsert.store(PredictionBatch(stay, champion, [asked], champion.load(stay).predict([asked.instance])))
    path, page = written(capsys, "stay", "--to", str(tmp_path / "new" / "stay.html"))
    assert path == tmp_path / "new" / "stay.html"
    assert build.decision in page.replace("&#x27;", "'").replace("&quot;", '"')
    assert "<script" not in page
    assert all(address.startswith("data:") for address in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert page.count("<img") == Diagnostic.objects.exclude(svg="").count() > 5
    for said in (
        "Weaknesses",
        "The rows with the largest losses",
        "form-17",
        "Fingerprint",
        "champion",
    ):
        assert said in page


def test_the_leaderboard_has_the_winner_and_why_others_are_out(build):
    lines = leaderboard.leaderboard(build)
    assert {line.candidate.family for line in lines} >= {"linear", "baseline"}
    (won,) = [line for line in lines if line.won]
    assert won.remark.startswith("won")
    assert won.model == build.model
    final_scores = [line.final_score for line in lines if line.final_score is not None]
    assert final_scores == sorted(final_scores, reverse=True)
    assert won.final_score == pytest.approx(build.model.score + build.model.optimism)


def test_a_winner_that_is_not_first_has_the_reason_beside_it(build):
    """Raise a loser's scores in the final round above those of the winner."""
    (won,) = [line for line in leaderboard.leaderboard(build) if line.won]
    loser = FoldScore.objects.filter(candidate__build=build, round="contest").exclude(candidate=won.candidate)
    candidate = loser[0].candidate
    loser.filter(candidate=candidate).update(score=2.0)
    first, *others = leaderboard.leaderboard(build)
    assert first.candidate == candidate and not first.won
    (won,) = [line for line in others if line.won]
    assert won.remark.startswith(f"won: {candidate.recipe.family}") and " is higher by " in won.remark
    assert "the search ranked it lower" in won.remark


def test_the_leaderboard_of_a_product_that_is_gone_is_listed(build, monkeypatch):
    FoldScore.objects.filter(round="contest").exclude(candidate=build.model.candidate).update(score=2.0)
    # Taken out of the same dictionary, it would come back as the last one.
    others = {name: product for name, product in catalogue._products.items() if name != "stay"}
    monkeypatch.setattr(catalogue, "_products", others)
    (won,) = [line for line in leaderboard.leaderboard(build) if line.won]
    assert won.remark == "won"


def test_weaknesses_are_unknown_where_the_folds_are_declared_otherwise_today(build, stay, monkeypatch):
    before = report.build_report(stay).weaknesses
    another_seed = replace(stay, problem=replace(stay.problem, seed=7))
    monkeypatch.setitem(catalogue._products, "stay", another_seed)
    assert report.build_report(another_seed).weaknesses == before
    other_folds = replace(stay, problem=replace(stay.problem, folds=4))
    monkeypatch.setitem(catalogue._products, "stay", other_folds)
    unknown = report.build_report(other_folds).weaknesses.unknown
    assert unknown == "The problem is declared with other folds today."


def test_scores_stand_by_fold_and_by_class(build):
    folds = leaderboard.by_fold(build.model)
    name, (mean, *each) = folds.rows[0]
    assert name == "roc_auc"
    assert (
        mean
        == pytest.approx(build.model.score + build.model.optimism)
        == pytest.approx(sum(each) / len(each))
    )
    classes = leaderboard.by_class(build.model)
    assert classes is not None
    assert [label for label, _ in classes.rows] == ["False", "True"]


def test_the_largest_errors_name_the_rows(build, stay):
    found = report.build_report(stay)
    keys = {str(key) for key in stay.join.queryset.values_list("pk", flat=True)}
    assert found.weaknesses.worst_rows
    assert {key for key, _ in found.weaknesses.worst_rows} <= keys
    for key, row in found.weaknesses.worst_rows:
        assert row.truth == str(stay.join.queryset.get(pk=key).relapsed)


def test_a_deleted_object_is_reported(build, stay):
    FoldScore.objects.update(predictions=None)
    assert (
        report.build_report(stay).weaknesses.unknown
        == "Its out-of-fold predictions were deleted, by retention or with what was erased."
    )
    assert report.build_report(stay, build.number).model == build.model


def test_without_a_model_there_is_nothing_to_report(relapse):
    with pytest.raises(NoChampion, match="Build one"):
        report.build_report(relapse)
    with pytest.raises(CommandError, match="no model to report on"):
        call_command("report", "relapse", "--build", "3")
    with pytest.raises(CommandError, match="No product is called"):
        call_command("report", "stray")


def test_a_version_that_waits_for_a_person_is_reported(relapse):
    version(relapse)
    waiting = version(relapse)
    assert report.build_report(relapse).model == waiting


def test_pictures_come_after_the_winner_serves_and_once(build):
    kinds = list(build.events.order_by("sequence").values_list("kind", flat=True))
    assert kinds.index("ModelPromoted") < kinds.index("DiagnosticDrawn")
    assert kinds.count("DiagnosticDrawn") == Diagnostic.objects.filter(model=build.model).count()
    first = Diagnostic.objects.filter(model=build.model).first()
    assert first is not None
    again, new = Diagnostic.objects.store(build.model, _as_drawn(first))
    assert (again, new) == (first, False)


def _as_drawn(row: Diagnostic) -> Any:
    return Drawn(
        kind=DiagnosticKind(row.kind),
        title="",
        text="",
        svg=None,
        data=row.parsed_data,
        problem=None,
        seconds=0.0,
    )
