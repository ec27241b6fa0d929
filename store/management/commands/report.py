"""Command that writes a build's report as one self-contained HTML file."""

import base64
import hashlib
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template.loader import render_to_string

from learning.exceptions import ExemplarError
from store.builds import report
from store.products import catalogue
from store.products.system_checks import OF_PRODUCTS

STATIC = Path(__file__).parents[2] / "static" / "store"
STYLE_SHEETS = (STATIC / "report.css", STATIC / "pages.css")


class Command(BaseCommand):
    help = (
        "Write the report of a product's champion, or of its newest version if none has ever served, as one HTML file: "
        "training data, decision, scores, weaknesses."
    )
    requires_system_checks = OF_PRODUCTS

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", help="the product's name")
        parser.add_argument(
            "--build", type=int, metavar="NUMBER", help="report on the winner of this build instead"
        )
        parser.add_argument(
            "--to", type=Path, metavar="FILE", help="the file to write; default: one in the state folder"
        )

    def handle(self, *, product: str, build: int | None, to: Path | None, **options: object) -> None:
        try:
            content = report.build_report(catalogue.get(product), build)
        except ExemplarError as error:
            raise CommandError(str(error)) from error
        page = render(content)
        folder = settings.EXEMPLAR_STATE / "reports"
        path = (to or folder / f"{product}-{content.build.number}.html").absolute()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"Wrote the report of build {content.build.number} of {product} to:")
        self.stdout.write(str(path))


def render(content: report.Report) -> str:
    """Render the page with its style, the only thing in it that a browser runs: scripts and loads are refused."""
    style = "".join(file.read_text() for file in STYLE_SHEETS)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return render_to_string("store/report.html", {"report": content, "style": style, "digest": digest})
