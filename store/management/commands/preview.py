"""Command that prints a preview of a product's next snapshot."""

from argparse import ArgumentParser
from datetime import datetime

import sqlparse
from django.core.management.base import BaseCommand, CommandError
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from learning.exceptions import ExemplarError
from store.products import catalogue
from store.products.system_checks import OF_PRODUCTS
from store.snapshots.preview import Preview, preview


class Command(BaseCommand):
    help = (
        "Join a product's feature tables and print the SQL, its cost and the first rows; nothing is stored."
    )
    requires_system_checks = OF_PRODUCTS

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", help="the product's name")

    def handle(self, *, product: str, **options: object) -> None:
        try:
            result = preview(catalogue.get(product))
        except ExemplarError as error:
            raise CommandError(str(error)) from error
        # Not Django's wrapper, which appends a line break to every write.
        console = Console(file=self.stdout._out, highlight=False)  # type: ignore[arg-type]
        console.print(Text(sqlparse.format(result.sql, reindent=True)), soft_wrap=True)
        console.print()
        console.print(_render_counts(result))
        if result.rows_out:
            console.print(_render_columns(result, max_rows=max(1, (console.width - 52) // 12)))
        if result.unlabelled_keys:
            console.print(_render_unlabelled(result))
        for values in result.undeclared:
            console.print(Text(str(values), style="bold"))


def _render_counts(result: Preview) -> str:
    lines = [f"The planner expects it to cost {result.cost:,.0f} and to give {result.expected_rows:,} rows."]
    lines.append(f"{result.rows_in:,} rows in, {result.rows_out:,} out.")
    if result.incomplete:
        lines.append(f"{result.incomplete:,} lack a one-to-one row and are left out.")
    if result.from_predictions:
        lines.append(f"{result.from_predictions:,} are labelled predictions without a row of their own.")
    return "\n".join(lines)


def _render_columns(result: Preview, max_rows: int) -> Table:
    """Render a line for each column, with its values in the first rows, so that any number of columns fits."""
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("column", overflow="fold", min_width=20)
    table.add_column("kind", no_wrap=True)
    table.add_column("missing", justify="right", no_wrap=True)
    table.add_column("distinct", justify="right", no_wrap=True)
    for key in result.first_keys[:max_rows]:
        table.add_column(Text(key), overflow="ellipsis", no_wrap=True, max_width=10)
    for column in result.columns:
        table.add_row(
            column.name,
            column.kind,
            f"{column.missing:,}",
            f"{column.distinct:,}",
            *(Text(_render_value(value)) for value in column.first[:max_rows]),
        )
    return table


def _render_value(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _render_unlabelled(result: Preview) -> Text:
    keys = ", ".join(result.unlabelled_keys)
    more = ", …" if result.unlabelled > len(result.unlabelled_keys) else ""
    return Text(f"{result.unlabelled:,} have no label yet: {keys}{more}")
