"""Command that erases all that is stored about an entity or a reference."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from learning.exceptions import ExemplarError
from store.management.confirmation import confirm
from store.predictions.erasure import SubjectName
from store.products import catalogue
from store.products.product import DataProduct
from store.serving import erasing
from store.serving.erasing import Erased


class Command(BaseCommand):
    help = (
        "Erase all that is stored about an entity or a reference: predictions, feedback, and the tables of snapshots "
        "that have it. Rows of your own tables are not touched: delete them first, or the next build reads them again."
    )
    # What is stored depends on no declaration but the product's name.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("product", help="the product's name")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--entity", metavar="KEY", help="the key of a row of your table")
        which.add_argument("--reference", help="the name that predictions were requested with")
        parser.add_argument("--reason", default="", help="for the audit log; do not name the person")
        parser.add_argument("--dry-run", action="store_true", help="erase nothing, and count what would be")
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    def handle(self, *, product: str, dry_run: bool, yes: bool, **options: str) -> None:
        name = SubjectName(entity=options["entity"], reference=options["reference"])
        try:
            declared = catalogue.get(product)
            before = erasing.erase(declared, name, dry_run=True)
            self.report("This would erase" if dry_run else "This erases", before)
            if not dry_run:
                if not yes:
                    confirm("erased", "It cannot be undone. Go on? [y/N] ")
                self.erase(declared, name, options["reason"])
        except ExemplarError as error:
            raise CommandError(str(error)) from error

    def erase(self, product: DataProduct, name: SubjectName, reason: str) -> None:
        """Erase, and say what is left to do."""
        erased = erasing.erase(product, name, reason)
        self.report("Erased", erased)
        if erased.snapshots:
            self.stdout.write("A worker drops these tables within a minute, once no build reads them.")
        if erased.is_being_read:
            self.stdout.write(
                f"A build of {product.name} is unfinished and may have read it: erase it again when it has ended."
            )

    def report(self, verb: str, erased: Erased) -> None:
        """Write the counts, and the snapshots by number."""
        numbers = ", ".join(str(each.number) for each in erased.snapshots) or "none"
        self.stdout.write(
            f"{verb} {len(erased.removed.predictions)} predictions and {erased.removed.feedback} feedback; "
            f"tables of snapshots that have it: {numbers}."
        )
