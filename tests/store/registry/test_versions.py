"""The registry: sealed artifacts, and which version serves."""

import hashlib
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection

from learning.inference import libraries
from learning.inference.compiled import CompiledForm, CompiledModel, Member
from learning.inference.plan import ColumnPlan
from learning.inference.row_reader import RowReader
from learning.inference.runtimes import Constant, Runtime
from learning.model import Signature
from store.builds.builds import Build
from store.db import memory
from store.exceptions import (
    BadInput,
    ChampionChanged,
    Conflict,
    ForeignModel,
    ModelDoesNotFit,
    NoChampion,
    StoreError,
)
from store.products import catalogue
from store.products.product import DataProduct
from store.registry import artifacts, deploy_checks
from store.registry import versions as registry
from store.registry.product_states import ProductState
from store.registry.promotions import Promotion
from store.registry.versions import CHALLENGER, CHAMPION, RETIRED, ModelVersion
from store.serving import champions
from tests.clinic.models import Operation

from ..conftest import STAY, at_once, declared, operate, version

pytestmark = pytest.mark.django_db


class Trap:
    """Whoever unpickles it leaves a trace."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> Any:
        return (Path.touch, (self.trace,))


def packed(model: bytes) -> bytes:
    """As an artifact has its model: its length first."""
    return struct.pack(">Q", len(model)) + model


def promote(model: ModelVersion, believed: ModelVersion | None = None) -> Promotion:
    return Promotion.objects.promote(model, "It is better.", "ann", believed)


def rollback(champion: ModelVersion) -> Promotion:
    return Promotion.objects.rollback(champion.product, champion, "It was worse.", "ann")


def champion(product: DataProduct) -> ModelVersion | None:
    return ModelVersion.objects.champion_of(product.name)


def test_a_registered_model_answers_as_before(stay: DataProduct) -> None:
    registered = version(stay)
    assert registered.misfit(stay) is None
    model = registered.load(stay)
    assert model.signature == stay.signature
    assert registered.size == len(model.dumps())


def test_an_artifact_is_read_in_parts(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    registered = version(stay)
    # Two, and what is left of a size that is odd.
    monkeypatch.setattr(registry, "CHUNK_BYTES", (registered.size - 1) // 2)
    with django_assert_num_queries(3):
        assert registered.load(stay).signature == stay.signature
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attstorage FROM pg_attribute"
            " WHERE attrelid = 'store_modelversion'::regclass AND attname = 'artifact'"
        )
        assert cursor.fetchone() == ("e",)  # external: a part is read without the others


def test_a_version_reports_its_runtime(stay: DataProduct) -> None:
    registered = version(stay)
    assert (registered.runtime, registered.microseconds_per_row, registered.parity) == (
        "pipeline",
        None,
        None,
    )
    compiled = CompiledModel(runtime="numpy, onnxruntime", microseconds_per_row=3.5, parity="Labels equal.")
    model = replace(registered.load(stay), compiled=compiled)
    assert artifacts.serving_columns(model) == {
        "runtime": "numpy, onnxruntime",
        "microseconds_per_row": 3.5,
        "parity": "Labels equal.",
    }
    assert "onnxruntime" in model.libraries


def test_versions_are_numbered_for_each_product(stay: DataProduct, diabetes: DataProduct) -> None:
    assert [version(product).number for product in (stay, diabetes, stay)] == [1, 1, 2]


@pytest.mark.parametrize("also_the_digest", [False, True])
def test_an_artifact_that_we_did_not_write_is_never_unpickled(
    stay: DataProduct, tmp_path: Path, also_the_digest: bool
) -> None:
    trace = tmp_path / "trace"
    trap = packed(pickle.dumps(Trap(trace)))
    digest = {"digest": hashlib.sha256(trap).hexdigest()} if also_the_digest else {}
    registered = version(stay, artifact=trap, **digest)
    with pytest.raises(ModelDoesNotFit, match="build again"):
        registered.load(stay)
    assert not trace.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda v: {"seal": "0" * 64},
        lambda v: {"seal": ""},
        lambda v: {"digest": "0" * 64},
        lambda v: {"versions": v.versions | {"more": "1"}},
        lambda v: {"serving_versions": {"numpy": v.versions["numpy"]}},
        lambda v: {"serving_versions": None},
        lambda v: {"artifact": bytes(v.artifact)[:-1]},
    ],
)
def test_a_version_that_was_tampered_with_is_refused(
    stay: DataProduct, change: Callable[[ModelVersion], dict[str, Any]]
) -> None:
    registered = version(stay)
    ModelVersion.objects.filter(pk=registered.pk).update(**change(registered))
    with pytest.raises(ModelDoesNotFit):
        ModelVersion.objects.get(pk=registered.pk).load(stay)


def test_a_seal_of_another_key_is_refused(stay: DataProduct, settings: Any) -> None:
    registered = version(stay)
    settings.EXEMPLAR_SIGNING_KEY = ["another key"]
    assert "The seal of version 1 of stay was made with another key" in str(registered.misfit(stay))


@pytest.mark.parametrize(
    "artifact",
    [
        packed(pickle.dumps("no model")),
        packed(b"clearning.model\nGone\n."),
        packed(b"cgone\nGone\n."),
        pickle.dumps("no length"),
        b"x",
    ],
)
def test_a_sealed_artifact_of_another_release_does_not_fit(stay: DataProduct, artifact: bytes) -> None:
    digest, registered = hashlib.sha256(artifact).hexdigest(), version(stay)
    sealed = artifacts.seal(digest, registered.versions, registered.signature, registered.serving_versions)
    ModelVersion.objects.filter(pk=registered.pk).update(artifact=artifact, digest=digest, seal=sealed)
    with pytest.raises(ModelDoesNotFit, match="was written by another release; build again"):
        ModelVersion.objects.get(pk=registered.pk).load(stay)


def test_a_version_of_other_libraries_does_not_fit(stay: DataProduct) -> None:
    registered = version(stay)
    registered.versions |= {"scikit-learn": "0.1"}
    registered.serving_versions = registered.versions
    assert "was fitted with scikit-learn 0.1 (now" in str(registered.misfit(stay))


def compiled_version(stay: DataProduct) -> ModelVersion:
    """A version whose compiled form serves without the estimator."""
    registered = version(stay)
    model = registered.load(stay, whole=True)
    constant = Runtime("numpy", [Constant(np.array([[0.25, 0.75]]))])
    empty = ColumnPlan(
        width=0,
        numbers=None,
        categories=None,
        texts=(),
        words=(),
        zeroed=None,
        selected=None,
        selected_words=None,
    )
    form = CompiledForm(RowReader(model.signature.columns), [empty], [Member(0, constant, 1.0)])
    serving = CompiledModel(runtime="numpy", microseconds_per_row=1.0, parity="", form=form)
    changed = artifacts.artifact_columns(replace(model, compiled=serving))
    ModelVersion.objects.filter(pk=registered.pk).update(**changed)
    return ModelVersion.objects.get(pk=registered.pk)


def other_releases(monkeypatch: pytest.MonkeyPatch, **releases: str) -> None:
    """Have these libraries installed in other releases; `_` stands for a hyphen."""
    installed = libraries._version
    named = {name.replace("_", "-"): release for name, release in releases.items()}
    monkeypatch.setattr(libraries, "_version", lambda name: named.get(name) or installed(name))


def test_a_compiled_form_does_not_depend_on_the_libraries_of_the_pickle(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = compiled_version(stay)
    assert set(registered.serving_versions) == {"numpy"}
    assert set(registered.versions) >= {"python", "scikit-learn", "numpy", "pandas", "scipy"}
    same_major = registered.versions["numpy"].split(".")[0] + ".999"
    other_releases(monkeypatch, scikit_learn="9.9.9", pandas="0.1", scipy="0.1", numpy=same_major)
    assert registered.misfit(stay) is None
    assert registered.load(stay).predict([stay.clean(STAY)])[0].confidence == 0.75  # type: ignore[union-attr]
    with pytest.raises(ModelDoesNotFit, match=r"was fitted with scikit-learn .* \(now 9\.9\.9\)"):
        registered.load(stay, whole=True)
    other_releases(monkeypatch, numpy="99.0")
    assert "was fitted with numpy" in str(registered.misfit(stay))


def test_a_pipeline_depends_on_all_libraries_of_the_pickle(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = version(stay)
    assert registered.serving_versions == registered.versions
    other_releases(monkeypatch, scikit_learn="9.9.9")
    assert "was fitted with scikit-learn" in str(registered.misfit(stay))


def test_a_version_of_a_release_that_did_not_record_what_serves_needs_everything(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = compiled_version(stay)
    seal = artifacts.seal(registered.digest, registered.versions, registered.signature, None)
    ModelVersion.objects.filter(pk=registered.pk).update(serving_versions=None, seal=seal)
    registered = ModelVersion.objects.get(pk=registered.pk)
    assert registered.load(stay)
    other_releases(monkeypatch, scikit_learn="9.9.9")
    assert "was fitted with scikit-learn" in str(registered.misfit(stay))


def test_a_version_with_a_kind_of_column_that_is_unknown_does_not_fit(stay: DataProduct) -> None:
    registered = version(stay)
    registered.signature["columns"][0]["kind"] = "HOLOGRAM"
    assert "'HOLOGRAM' is no column kind" in str(registered.misfit(stay))


def test_a_version_of_another_declaration_does_not_fit(stay: DataProduct, relapse: DataProduct) -> None:
    assert "was fitted for another declaration" in str(version(stay).misfit(relapse))


def test_a_version_that_knows_fewer_labels_fits(stay: DataProduct) -> None:
    signature = stay.signature.as_json()
    assert stay.fits(Signature.from_json(signature | {"classes": ["True"]}))
    assert not stay.fits(Signature.from_json(signature | {"classes": ["True", "Perhaps"]}))


def test_a_promoted_version_serves(stay: DataProduct) -> None:
    first, second = version(stay), version(stay)
    assert champion(stay) is None
    promote(first)
    promotion = promote(second, believed=first)
    assert (promotion.previous, promotion.reason, promotion.by) == (first, "It is better.", "ann")
    assert champion(stay) == second
    third = version(stay)
    status = {each.pk: each.status for each in ModelVersion.objects.all()}
    assert status == {first.pk: RETIRED, second.pk: CHAMPION, third.pk: CHALLENGER}
    assert list(ModelVersion.objects.with_roles().filter(role__in=[RETIRED, CHALLENGER]).order_by("pk")) == [
        first,
        third,
    ]


def test_a_promotion_needs_another_version_and_a_reason(stay: DataProduct) -> None:
    first = version(stay)
    for reason in ("", "  ", "a\0"):
        with pytest.raises(BadInput, match="A reason is required"):
            Promotion.objects.promote(first, reason, "ann")
    promote(first)
    with pytest.raises(Conflict, match="Version 1 of stay serves already"):
        promote(first)


def test_a_promotion_is_refused_where_the_belief_is_wrong(stay: DataProduct, diabetes: DataProduct) -> None:
    first, second, third, foreign = version(stay), version(stay), version(stay), version(diabetes)
    with pytest.raises(ChampionChanged, match="No version of stay serves now"):
        promote(second, believed=first)
    promote(first)
    with pytest.raises(ChampionChanged, match="Version 1 of stay serves now, not version 3"):
        promote(second, believed=third)
    with pytest.raises(ForeignModel, match="is a version of diabetes, not of stay"):
        promote(second, believed=foreign)
    with pytest.raises(ForeignModel):
        Promotion.objects.rollback("stay", foreign, "It was worse.", "ann")
    assert champion(stay) == first


def test_a_version_that_does_not_fit_is_not_promoted(stay: DataProduct) -> None:
    with pytest.raises(ModelDoesNotFit):
        promote(version(stay, seal="0" * 64))
    assert champion(stay) is None


def test_a_rollback_goes_back_along_the_chain(stay: DataProduct) -> None:
    first, second, third = version(stay), version(stay), version(stay)
    for model in (first, second, third):
        promote(model)
    assert rollback(third).model == second
    assert rollback(second).model == first
    with pytest.raises(NoChampion, match="no version before 1 to go back to"):
        rollback(first)
    assert champion(stay) == first


def test_a_second_rollback_goes_further_back(stay: DataProduct) -> None:
    first, second = version(stay), version(stay)
    for model in (first, second, first):
        promote(model)
    assert [rollback(first).model, rollback(second).model] == [second, first]
    with pytest.raises(NoChampion):
        rollback(first)


def test_a_promotion_after_a_rollback_rolls_back_to_its_previous_version(stay: DataProduct) -> None:
    first, second, third = version(stay), version(stay), version(stay)
    promote(first)
    promote(second)
    rollback(second)
    promote(third)
    assert rollback(third).model == first


def test_a_rollback_must_name_the_champion(stay: DataProduct) -> None:
    first, second = version(stay), version(stay)
    promote(first)
    promote(second)
    with pytest.raises(ChampionChanged):
        rollback(first)
    with pytest.raises(BadInput):
        Promotion.objects.rollback("stay", second, " ", "ann")
    assert champion(stay) == second


def test_a_rollback_to_a_version_that_does_not_fit_is_refused(stay: DataProduct) -> None:
    first, second = version(stay), version(stay)
    promote(first)
    promote(second)
    ModelVersion.objects.filter(pk=first.pk).update(seal="0" * 64)
    with pytest.raises(ModelDoesNotFit):
        rollback(second)
    assert champion(stay) == second


def test_a_rollback_holds_automatic_promotion_until_a_person_promotes(stay: DataProduct) -> None:
    first, second = version(stay), version(stay)
    promote(first)
    promote(second)
    rollback(second)
    assert ProductState.objects.get().hold == "Rolled back by ann: It was worse."
    promote(second)
    assert ProductState.objects.get().hold == ""


@pytest.mark.parametrize(("reason", "hold"), [("too slow", "too slow."), ("Too slow!", "Too slow!")])
def test_the_reason_of_a_hold_ends_as_a_sentence(stay: DataProduct, reason: str, hold: str) -> None:
    first, second = version(stay), version(stay)
    promote(first)
    promote(second)
    Promotion.objects.rollback(stay.name, second, reason, by="ann")
    assert ProductState.objects.get().hold == f"Rolled back by ann: {hold}"


@pytest.mark.django_db(transaction=True)
def test_of_two_concurrent_promotions_one_succeeds(stay: DataProduct) -> None:
    first, second, third = version(stay), version(stay), version(stay)
    promote(first)

    def decide(model: ModelVersion) -> bool:
        try:
            return bool(promote(model, believed=first))
        except ChampionChanged:
            return False

    assert sorted(at_once(lambda: decide(second), lambda: decide(third))) == [False, True]
    assert Promotion.objects.count() == 2


@pytest.fixture
def nothing_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champions, "_promoted", {})


@pytest.mark.usefixtures("nothing_served")
def test_a_promoted_version_is_served_once_it_is_seen(stay: DataProduct) -> None:
    with pytest.raises(NoChampion, match=r'requestBuild\(input: \{product: "stay"\}\)'):
        champions.get_champion(stay)
    first, second = version(stay), version(stay)
    with pytest.raises(NoChampion, match="build 2 ended as SUCCEEDED"):
        champions.get_champion(stay)
    for model in (first, second):
        promote(model)
        assert any("not loaded yet" in why for why in champions.unready()) == (model == first)
        champions.refresh()
        assert champions.get_champion(stay).version == model
        assert champions.unready() == []


@pytest.mark.usefixtures("nothing_served")
def test_memory_is_freed_once_the_previous_model_is_idle(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    monkeypatch.setattr(
        memory, "release_memory", lambda: given.append(champions.get_champion(stay).version.pk)
    )
    first, second = version(stay), version(stay)
    for model in (first, second):
        promote(model)
        for _ in range(3):
            champions.refresh()
    assert given == [first.pk, first.pk, second.pk, second.pk]


@pytest.mark.usefixtures("nothing_served")
def test_a_champion_that_does_not_fit_is_refused_and_delays_nothing(stay: DataProduct) -> None:
    registered = version(stay)
    promote(registered)
    changed = {"python": "2.7"}
    ModelVersion.objects.filter(pk=registered.pk).update(versions=changed, serving_versions=changed)
    champions.refresh()
    with pytest.raises(ModelDoesNotFit, match=r"python 2\.7"):
        champions.get_champion(stay)
    assert [(each.version, "python 2.7" in each.reason) for each in champions.degraded()] == [
        (registered, True)
    ]
    assert champions.unready() == ["None of the promoted versions can be served here."]


@pytest.mark.usefixtures("nothing_served")
def test_a_process_is_ready_while_it_serves_one_of_the_champions(
    stay: DataProduct, diabetes: DataProduct
) -> None:
    for product in (stay, diabetes):
        promote(version(product))
    ModelVersion.objects.filter(product="stay").update(seal="0" * 64)
    champions.refresh()
    assert champions.unready() == []
    [misfit] = champions.degraded()
    assert misfit.version.product == "stay" and "another key" in misfit.reason


@pytest.mark.usefixtures("nothing_served")
def test_a_process_is_ready_before_anything_was_promoted(stay: DataProduct) -> None:
    version(stay)
    champions.refresh()
    assert champions.unready() == [] and champions.degraded() == []


@pytest.mark.usefixtures("nothing_served")
def test_an_error_names_the_unfinished_build_to_wait_for(stay: DataProduct) -> None:
    Build.objects.request(stay, by="ann", enqueue=False)
    with pytest.raises(StoreError, match="build 1 is READY"):
        champions.get_champion(stay)


@pytest.mark.usefixtures("nothing_served")
def test_a_start_requests_a_build_for_what_no_version_has_learned(
    stay: DataProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = declared({"age": "anamnesis__age"}, name="stay")
    monkeypatch.setattr(catalogue, "_products", {"stay": stay})
    operate(relapsed=True)
    promote_in(narrow, monkeypatch)
    champions.load()
    assert champions.get_champion(stay).version.number == 1
    requested = Build.objects.get(requested_by="start-up")
    assert "The declaration is wider than what was learned: the feature born is ignored" in requested.reason
    Build.objects.cancel(requested.pk, "ann")
    version(stay)  # learned, and held
    champions.load()
    assert Build.objects.filter(requested_by="start-up").count() == 1


def promote_in(product: DataProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promote a version of this declaration."""
    with monkeypatch.context() as then:
        then.setattr(catalogue, "_products", {product.name: product})
        promote(version(product))


@pytest.mark.usefixtures("nothing_served")
def test_a_product_without_its_tables_does_not_keep_others_from_serving(
    stay: DataProduct,
    diabetes: DataProduct,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(catalogue, "_products", {"stay": stay, "diabetes": diabetes})
    promote(version(diabetes))
    monkeypatch.setattr(Operation._meta.get_field("cost"), "column", "price")
    monkeypatch.setattr(Operation._meta.get_field("relapsed"), "column", "came_back")
    champions.load()
    assert champions.find_champion(diabetes)
    assert "the migrations of their owner" in caplog.text


@pytest.mark.usefixtures("nothing_served")
@pytest.mark.parametrize("is_broken", ["the first row", "a table"])
def test_what_cannot_be_read_does_not_keep_champions_from_serving(
    relapse: DataProduct, diabetes: DataProduct, is_broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "_products", {"relapse": relapse, "diabetes": diabetes})
    for product in (relapse, diabetes):
        promote(version(product))
    operate(age=0)  # the cost per year of life
    if is_broken == "a table":
        monkeypatch.setattr(Operation._meta.get_field("urgency"), "column", "haste")
    champions.load()
    assert champions.find_champion(relapse) and champions.find_champion(diabetes)
    findings = [finding for finding in deploy_checks.check_tables(pending=False) if "relapse" in finding.text]
    assert [finding.breaks for finding in findings] == [is_broken == "a table"]
