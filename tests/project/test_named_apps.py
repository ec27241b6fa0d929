"""Apps that EXEMPLAR_PRODUCTS names by their folders."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from project.settings import find_app


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def write(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("")


@pytest.mark.parametrize("file", ["products.py", "models.py", "models/__init__.py"])
def test_an_app_has_products_or_models(tmp_path: Path, file: str) -> None:
    write(tmp_path / "warehouse_of_test", "__init__.py", file)
    assert find_app(f"{tmp_path}/warehouse_of_test") == "warehouse_of_test"
    assert str(tmp_path) in sys.path


def test_an_app_in_a_package_is_imported_by_its_whole_name(tmp_path: Path) -> None:
    write(tmp_path, "company_of_test/__init__.py", "company_of_test/apps/__init__.py")
    write(tmp_path / "company_of_test" / "apps" / "crm", "__init__.py", "models.py")
    assert find_app(f"{tmp_path}/company_of_test/apps/crm") == "company_of_test.apps.crm"
    assert import_module("company_of_test.apps.crm.models")


def test_a_folder_that_is_no_app_is_refused_with_the_apps_in_it(tmp_path: Path) -> None:
    write(tmp_path, "manage.py", "orders/models.py", "crm/products.py", "static/logo.svg")
    with pytest.raises(
        ImproperlyConfigured, match=r"neither a products.py nor a models.py. Name the apps in it: crm, o"
    ):
        find_app(f"{tmp_path}")
    with pytest.raises(ImproperlyConfigured, match="Name the folder of an app"):
        find_app(f"{tmp_path}/static")


def test_the_name_of_a_module_stays() -> None:
    assert find_app("tests.clinic") == "tests.clinic"


def test_a_module_that_python_does_not_find_is_refused() -> None:
    with pytest.raises(
        ImproperlyConfigured, match=r"names shop\.orders, which Python does not find: put the folder"
    ):
        find_app("shop.orders")
