"""Writes a build as one HTML file that needs nothing beside it."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template.loader import render_to_string

from learning.exceptions import ExemplarError
from store.builds import report
from store.products import catalogue

STYLE = Path(__file__).parents[2] / "static" / "store" / "pages.css"


class Command(BaseCommand):
    help = "Writes what a product's champion was learned from, why it serves and what it is bad at, as one HTML file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", help="the product's name")
        parser.add_argument("--build", type=int, metavar="NUMBER", help="that build's winner instead")
        parser.add_argument(
            "--to", type=Path, metavar="FILE", help="where to write it; default: the state folder"
        )

    def handle(self, *, product: str, build: int | None, to: Path | None, **options: Any) -> None:
        try:
            found = report.build_report(catalogue.get(product), build)
        except ExemplarError as error:
            raise CommandError(str(error)) from error
        page = render_to_string("store/report.html", {"report": found, "style": STYLE.read_text()})
        path = (to or settings.EXEMPLAR_STATE / "reports" / f"{product}-{found.build.number}.html").absolute()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"Wrote what build {found.build.number} of {product} has learned to:")
        self.stdout.write(str(path))
