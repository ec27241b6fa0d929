"""Command that grants permissions to a user, a program, a group or to strangers."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from learning.exceptions import ExemplarError
from store.access import grants, reading
from store.products import catalogue


class Command(BaseCommand):
    help = "Grant permissions on products: ./dev grant ann VIEW,PREDICT tumor; ./dev grant group:readers VIEW --all."
    # Who may do what depends on no declaration, and the checks compose the whole schema.
    requires_system_checks = ()
    revokes = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("grantee", help="a user, a program, group:NAME, or anonymous for all strangers")
        parser.add_argument("permissions", help="separated by commas, as VIEW,PREDICT")
        parser.add_argument("products", nargs="*", help="the products' names")
        parser.add_argument("--all", action="store_true", help="on all products, later ones included")

    def handle(
        self, *, grantee: str, permissions: str, products: list[str], all: bool, **options: object
    ) -> None:
        if all == bool(products):
            raise CommandError("Name the products, or --all for every product, later ones included.")
        change = grants.revoke if self.revokes else grants.grant
        try:
            target, listed = grants.find_grantee(grantee), reading.read_permissions(permissions)
            names = [None] if all else [self.check_product(name) for name in products]
            for product in names:
                change(target, listed, product)
        except ExemplarError as error:
            raise CommandError(str(error)) from error
        where = "all products" if all else ", ".join(products)
        verb, preposition = ("Revoked", "from") if self.revokes else ("Granted", "to")
        self.stdout.write(f"{verb} {', '.join(listed)} on {where} {preposition} {grantee}.")

    def check_product(self, product: str) -> str:
        """Check the name of a product; one that is gone may still be revoked. Raises UnknownProduct."""
        return product if self.revokes else catalogue.get(product).name
