"""Command that applies a changed truth policy to what is stored."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from learning.exceptions import ExemplarError
from store.management.confirmation import confirm
from store.predictions import settling
from store.predictions.settling import PolicyChange
from store.products import catalogue
from store.products.system_checks import OF_PRODUCTS


class Command(BaseCommand):
    help = (
        "Apply a product's declared truth policy to its stored feedback and label columns. It says first how many "
        "labels change. It may be interrupted and run again, beside processes that serve."
    )
    requires_system_checks = OF_PRODUCTS

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", help="the product's name")
        parser.add_argument(
            "--dry-run", action="store_true", help="say how many labels change, and change none"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    def handle(self, *, product: str, dry_run: bool, yes: bool, **options: object) -> None:
        try:
            declared = catalogue.get(product)
            change = settling.find_change(declared)
            if change is None:
                self.stdout.write(f"Nothing to do: the labels of {declared} count by {declared.truth}.")
                return
            self.stdout.write(describe(change))
            if dry_run:
                return
            if not yes:
                confirm("changed")
            self.settle(change)
        except ExemplarError as error:
            raise CommandError(str(error)) from error

    def settle(self, change: PolicyChange) -> None:
        subjects = changed = refused = 0
        for batch in settling.settle(change.product):
            subjects += batch.subjects
            changed += batch.changed
            refused += batch.refused
            self.stdout.write(f"{subjects:,} rows settled, {changed:,} of them changed.")
        self.stdout.write(f"The labels of {change.product} count by {change.product.truth}.")
        if refused:
            self.stdout.write(
                f"The label column of {refused:,} rows may not be written. What counts holds all the same, in the "
                "truth and in every snapshot."
            )


def describe(change: PolicyChange) -> str:
    """Say what settling changes."""
    labels = "1 label changes" if change.labels == 1 else f"{change.labels:,} labels change"
    begun = " It was begun already, and is ended now." if change.is_begun else ""
    return f"From {change.before} to {change.after}: {labels} of {change.product}.{begun}"
