"""A product's rows are selected in one place: no other module goes around the Join's queryset."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: What selects rows of a product by its own means.
OWN_MEANS = re.compile(
    r"join\.(queryset|rows)\b(?!\.(model|query)\b)"
    r"|\bmodel\._(base|default)_manager|\bmodel\.objects|_meta\.model\b|QuerySet\(model="
)
#: The declaration, which compiles the queryset; the one place; counts of whole tables; and what goes with a row of it.
MAY = (
    "store/products/",
    "store/entities/base_rows.py",
    "store/entities/unique_keys.py",
    "store/entities/deletion.py",
)


def means(source: str) -> list[str]:
    return [match.group() for match in OWN_MEANS.finditer(source)]


def modules() -> list[str]:
    names = [
        str(file.relative_to(ROOT))
        for package in ("store", "schema", "project")
        for file in sorted((ROOT / package).rglob("*.py"))
    ]
    return [name for name in names if not name.startswith(MAY) and "/migrations/" not in name]


@pytest.mark.parametrize("module", modules())
def test_no_module_goes_around_the_queryset(module: str) -> None:
    assert means((ROOT / module).read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "product.join.queryset.filter(pk=1)",
        "rows = join.rows",
        "product.join.model._base_manager.all()",
        "model._default_manager.get(pk=key)",
        "QuerySet(model=model)",
        "product.join.model.objects.all()",
    ],
)
def test_what_goes_around_it_is_found(source: str) -> None:
    assert means(source)
