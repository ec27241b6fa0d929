"""What cannot be served: each product that is wrong is named with the reason, and all others are served."""

import keyword
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from django.apps import apps
from django.db.models import F, Func
from django.test import RequestFactory
from hypothesis import example, given, settings
from hypothesis import strategies as st

from learning.problem import Classification
from project import asgi, views
from schema import checks as schema_checks
from schema.composition import compose, compose_served, shared_names
from schema.core import names
from schema.execution.execution import Schema
from schema.products.name_checks import name_problems
from store.exceptions import UnknownProduct
from store.products import catalogue, system_checks
from store.products.features import Join
from store.products.product import DataProduct
from store.serving import champions
from tests.drawing import draws

from ...store.conftest import declared

COST = {"cost": "cost"}


class Broken(Func):
    """An expression with a fault of the team's own."""

    def resolve_expression(self, *arguments: Any, **options: Any) -> Any:
        raise RuntimeError("the secret of the team")


ROWLESS = Join(None, features=COST, label="relapsed")  # type: ignore[arg-type]
#: Products that cannot be served, with a part of the reason.
REFUSED: dict[str, tuple[DataProduct, str]] = {
    "a column is gone": (declared({"price": "price"}, name="gone"), "Operation has no column 'price'"),
    "a relation is gone": (declared({"age": "person__age"}, name="lost"), "has no column 'person'"),
    "the label is gone": (declared(COST, label="ill", name="ill"), "has no column 'ill'"),
    "an expression is wrong": (
        declared({"a": Broken(F("cost"))}, name="faulty"),
        "exception: RuntimeError in",
    ),
    "no features": (declared({}, name="bare"), "it has no features"),
    "features are none": (
        declared(None, name="nothing"),  # type: ignore[arg-type]
        "its declaration raises an exception: TypeError",
    ),
    "no queryset": (
        DataProduct(name="rowless", join=ROWLESS, problem=Classification()),
        "its declaration raises an exception: AttributeError",
    ),
    "a name is no name": (declared(COST, name="Größe"), "its name must be lower case"),
    "a feature's name is none": (declared({"Größe": "cost"}, name="sizes"), "cannot be a GraphQL field"),
    "a field is the API's": (declared(COST, name="build"), "a field build, which the API has already"),
    "a type is the API's": (declared(COST, name="data"), "a type DataProduct, which the API has already"),
    "a field is another product's": (
        declared(COST, name="stay_feedback"),
        "a field stayFeedback, which the product 'stay' has already",
    ),
}


@contextmanager
def right_between_wrong() -> Iterator[list[DataProduct]]:
    """Declare one right product between wrong ones, none of which was examined yet."""
    wrong = [product for product, _ in REFUSED.values()]
    every = [wrong[0], catalogue.get("stay"), *wrong[1:]]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(catalogue, "_products", {product.name: product for product in every})
        monkeypatch.setattr(catalogue, "refused", [])
        for product in wrong:
            catalogue._examined.pop(product, None)
        yield every
        for product in wrong:
            catalogue._examined.pop(product, None)


@pytest.fixture
def catalogued() -> Iterator[list[DataProduct]]:
    """A catalogue of one right product between wrong ones."""
    with right_between_wrong() as every:
        yield every


@pytest.fixture(scope="module")
def composition() -> tuple[Schema, dict[DataProduct, catalogue.Refusal | None]]:
    """The schema of the right product, composed once for the tests that read it, and why each other is refused."""
    with right_between_wrong() as every:
        return compose_served(), {product: catalogue.find_refusal(product) for product in every}


@pytest.fixture
def composed(
    composition: tuple[Schema, dict[DataProduct, catalogue.Refusal | None]], catalogued: list[DataProduct]
) -> Schema:
    """The schema of the catalogue, whose wrong products are refused as its composition refused them."""
    schema, refusals = composition
    catalogue._examined.update(refusals)
    return schema


def test_the_right_product_is_served_and_each_wrong_one_is_named(composed: Schema) -> None:
    schema = composed
    assert [product.name for product in catalogue.products()] == ["stay"]
    assert schema.products == tuple(catalogue.products())
    assert schema._schema.query_type and "stay" in schema._schema.query_type.fields
    reasons = {refusal.name: refusal.reason for refusal in catalogue.refusals()}
    for product, reason in REFUSED.values():
        assert reason in reasons[product.name]
        with pytest.raises(UnknownProduct, match="is not served"):
            catalogue.get(product.name)
        assert catalogue.find(product.name) is None


def test_check_reports_every_sentence_and_does_not_die(catalogued: list[DataProduct]) -> None:
    messages = [*system_checks.check_products(), *schema_checks.check_schema()]
    for product, reason in REFUSED.values():
        told = [message for message in messages if f"The product {product.name!r}: " in message.msg]
        assert any(reason in message.msg for message in told), product.name
        assert all(message.is_serious() for message in told), told
    assert any("the secret of the team" in message.msg for message in messages)


def test_other_commands_than_check_are_only_warned(
    catalogued: list[DataProduct], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_checks, "level", 30)
    messages = [*system_checks.check_products(), *schema_checks.check_schema()]
    assert len(messages) >= len(REFUSED) and not any(message.is_serious() for message in messages)


def test_readiness_and_the_page_name_what_is_not_served(
    composed: Schema, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    degraded = {each["product"]: each["reason"] for each in asgi.list_degraded()}
    assert "has no column 'price'" in str(degraded["gone"])
    assert "the secret of the team" not in str(degraded)
    catalogue.log_refusals()
    assert all(product.name in caplog.text for product, _ in REFUSED.values())
    request = RequestFactory().get("/graphql/")
    request.session = SimpleNamespace(session_key=None)  # type: ignore[assignment]
    monkeypatch.setattr(views, "list_tabs", lambda *_: [])  # these need the database
    monkeypatch.setattr(views, "read_frame", lambda _: {"viewer": {"anonymous": True}, "products": []})
    page = views.graphiql(request).content.decode()
    assert "<b>gone</b> is not served: &#x27;price&#x27;" in page
    assert "the secret of the team" not in page


def test_a_process_that_can_serve_no_product_is_not_ready(
    composed: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(champions, "_postgresql", list)
    monkeypatch.setattr(champions, "_redis", list)
    monkeypatch.setattr(champions, "_promoted", {})
    assert champions.unready() == []
    del catalogue._products["stay"]
    assert champions.unready() == ["None of the declared products can be served: ./dev check says why."]


SOURCES = {
    "raising": ("1 / 0", "ZeroDivisionError in raising/products.py, line 1", "division by zero"),
    "importing": (
        "import nothing_like_this",
        "ModuleNotFoundError in importing/products.py, line 1",
        "nothing",
    ),
    "misspelled": ("x = (", "SyntaxError in misspelled/products.py, line 1", "never closed"),
    "misnamed": ("from .models import Nothing", "ImportError in misnamed/products.py, line 1", "Nothing"),
}


def test_a_module_that_cannot_be_imported_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, (source, _, _) in SOURCES.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "models.py").touch()
        (tmp_path / name / "products.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    configs = list(apps.get_app_configs())
    wrong = [SimpleNamespace(name=name, module=__import__(name)) for name in SOURCES]
    monkeypatch.setattr(apps, "get_app_configs", lambda: [*wrong, *configs])
    monkeypatch.setattr(catalogue, "_products", {})
    monkeypatch.setattr(catalogue, "refused", [])
    catalogue.discover()
    assert catalogue.get("stay").name == "stay"
    for refusal, (name, (_, reason, detail)) in zip(catalogue.refused, SOURCES.items(), strict=True):
        assert refusal.name == f"{name}.products"
        assert reason in refusal.reason and detail in refusal.detail
    with pytest.raises(UnknownProduct, match=r"raising\.products, .* could not be read: \./dev check"):
        catalogue.get("missing")


#: Names with a meaning in Python, Django, Strawberry, GraphQL or the types of a product.
NAMES = sorted(
    {
        *keyword.kwlist,
        *keyword.softkwlist,
        *(name for name in dir(object) + dir(type) + dir(dict) + dir(strawberry)),
        *(
            "id",
            "pk",
            "key",
            "label",
            "value",
            "features",
            "entity",
            "reference",
            "node",
            "info",
            "self",
            "cls",
        ),
        *(
            "mro",
            "name",
            "names",
            "root",
            "source",
            "types",
            "type",
            "kind",
            "at",
            "cost",
            "__typename",
            "a__b",
        ),
        *("Größe", "1st", "", " ", "a b", "a\0b", "\ud800", "😀", "{x}", "_x_", "%s", "x" * 40, "x" * 41),
        *(
            "is_type_of",
            "resolve_type",
            "python_name",
            "default",
            "field",
            "query",
            "mutation",
            "true",
            "null",
        ),
        *(
            "product",
            "product_label",
            "prediction",
            "instance",
            "probability",
            "predict_input",
            "kwargs",
            "args",
        ),
    }
)
ANY_NAME = (
    st.sampled_from(NAMES) | st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True) | st.text(max_size=6)
)
#: Columns of the clinic: a number and a category.
PATHS = st.sampled_from(["cost", "urgency"])


@settings(max_examples=draws(6))
@given(st.dictionaries(ANY_NAME, PATHS, min_size=1, max_size=25), ANY_NAME)
@example(dict.fromkeys(NAMES, "cost"), "clinic")
@example(dict.fromkeys(NAMES, "urgency"), "clinic")
def test_a_name_is_refused_or_served(features: dict[str, str], name: str) -> None:
    allowed = {key: path for key, path in features.items() if not list(name_problems(declared({key: path})))}
    allowed = {key: allowed[key] for key in {names.prefix(key): key for key in allowed}.values()}
    product = declared(allowed, name=name)
    if list(name_problems(product)) or not allowed or list(shared_names([product])):
        return
    inputs: Any = compose([product])._schema.type_map[f"{names.prefix(name)}Features"]
    assert set(inputs.fields) == {names.field(feature) for feature in allowed}
