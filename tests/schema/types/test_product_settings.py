"""Settings of a product: rules in words, options as declared, and the place of the declaration for who administers."""

from datetime import timedelta

import pytest

from learning.problem import Classification
from learning.promote import OnEvidence
from learning.retrain import AfterFeedback, Drift, Every, OlderThan, QualityBelow, Rule
from learning.truth import Latest, Majority, Policy, Priority
from schema.types.product_settings import list_options
from store.products import catalogue, declarations
from store.products.product import DataProduct


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (Every("5 3 * * *"), "Every day at 03:05 UTC."),
        (
            Every("0 3 * * 1"),
            "By the schedule 0 3 * * 1 (minute, hour, day, month, weekday) in UTC.",
        ),
        (
            AfterFeedback(50, pause=timedelta(days=2)),
            "After 50 feedback items about labels since the newest snapshot, at least 2 days after the newest build.",
        ),
        (
            QualityBelow("recall", 0.9, least=30, label="MALIGNANT"),
            "Once recall of MALIGNANT is below 0.9 on at least 30 labelled predictions of the last 30 days.",
        ),
        (
            Drift(0.2),
            "Once a feature drifts by a distance of 0.2 or more on at least 500 predictions of the last 7 days.",
        ),
        (OlderThan(30), "Once the newest rows that a build has learned from are 30 days old."),
    ],
    ids=str,
)
def test_a_rule_says_when_it_requests_a_build(rule: Rule, sentence: str) -> None:
    assert rule.describe() == sentence


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        (Majority(), "The label that most people say counts; a tie is no truth."),
        (
            Latest(quorum=2),
            "The newest word of anybody counts. There is no truth before 2 people have spoken.",
        ),
        (
            Priority("experts", "nurses"),
            "The majority in the first of these groups in which anybody spoke counts: experts, nurses; everybody else "
            "comes last.",
        ),
    ],
    ids=str,
)
def test_a_policy_of_truth_says_whose_word_counts(policy: Policy, sentence: str) -> None:
    assert policy.describe() == sentence


def test_promotion_on_evidence_says_how_many_labels_it_takes() -> None:
    assert "once 1,000 labels that" in OnEvidence(least=1000).describe()


def test_options_are_json_and_tell_what_is_declared() -> None:
    problem = Classification(ordered=True, gap=timedelta(hours=1), floors={"MALIGNANT": 0.9})
    options = {option.name: option for option in list_options(problem)}
    assert options["gap"].value == 3_600
    assert options["floors"].value == {"MALIGNANT": 0.9}
    assert [name for name, option in options.items() if option.declared] == ["ordered", "gap", "floors"]
    assert options["candidates"].value is None


@pytest.mark.parametrize("product", catalogue.products(), ids=lambda product: product.name)
def test_a_declaration_is_at_its_line(product: DataProduct) -> None:
    location = declarations.locate(product)
    assert location is not None and location.line is not None
    line = (declarations.settings.BASE_DIR / location.file).read_text().splitlines()[location.line - 1]
    assert "DataProduct(" in line or "import" in line or product.name in line


def test_a_product_of_no_module_has_no_place() -> None:
    product = catalogue.products()[0]
    other = DataProduct(name=product.name, join=product.join, problem=product.problem)
    assert declarations.locate(other) is None
