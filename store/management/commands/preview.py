"""Shows what the next snapshot of a product would hold."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

import sqlparse
from django.core.management.base import BaseCommand, CommandError
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from learning.exceptions import ExemplarError
from store.products import catalogue
from store.snapshots.preview import Preview, preview


class Command(BaseCommand):
    help = "Joins a product's feature tables and shows the result, its SQL and its cost, without building anything."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", help="the product's name")

    def handle(self, *, product: str, **options: Any) -> None:
        try:
            found = preview(catalogue.get(product))
        except ExemplarError as error:
            raise CommandError(str(error)) from error
        # Not Django's wrapper, which ends every piece that it is given with a line break.
        console = Console(file=self.stdout._out, highlight=False)  # type: ignore[arg-type]
        console.print(Text(sqlparse.format(found.sql, reindent=True)), soft_wrap=True)
        console.print()
        console.print(_sentences(found))
        if found.rows_out:
            console.print(_table(found, shown=max(1, (console.width - 52) // 12)))
        if found.unlabelled_keys:
            console.print(_unlabelled(found))


def _sentences(found: Preview) -> str:
    lines = [f"The planner expects it to cost {found.cost:,.0f} and to give {found.expected_rows:,} rows."]
    lines.append(f"{found.rows_in:,} rows in, {found.rows_out:,} out.")
    if found.incomplete:
        lines.append(f"{found.incomplete:,} lack a one-to-one row and are left out.")
    if found.from_predictions:
        lines.append(f"{found.from_predictions:,} are labelled predictions without a row of their own.")
    return "\n".join(lines)


def _table(found: Preview, shown: int) -> Table:
    """Columns from top to bottom, so that it fits however many there are; as many rows beside them as there is room."""
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("column", overflow="fold", min_width=20)
    table.add_column("kind", no_wrap=True)
    table.add_column("missing", justify="right", no_wrap=True)
    table.add_column("distinct", justify="right", no_wrap=True)
    for key in found.first_keys[:shown]:
        table.add_column(Text(key), overflow="ellipsis", no_wrap=True, max_width=10)
    for column in found.columns:
        table.add_row(
            column.name,
            column.kind,
            f"{column.missing:,}",
            f"{column.distinct:,}",
            *(Text(_shown(value)) for value in column.first[:shown]),
        )
    return table


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _unlabelled(found: Preview) -> Text:
    named = ", ".join(found.unlabelled_keys)
    more = ", …" if found.unlabelled > len(found.unlabelled_keys) else ""
    return Text(f"{found.unlabelled:,} have no label yet: {named}{more}")
