"""Command that prepares the database before anything is served."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand
from django.db import connection, transaction

from project import state
from project.management.commands.migrate import advisory_lock
from store.access import audit
from store.access.audit import Act


class Command(BaseCommand):
    """Migrate, load the examples, create the administrator."""

    help = "Migrates, loads the examples into empty tables, and creates an administrator if there is none."
    requires_system_checks = ()

    def handle(self, *args: object, **options: object) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        # A second `prepare` waits, and then finds the rows of the first.
        with advisory_lock(connection):
            if "load_examples" in get_commands():
                call_command("load_examples")
            create_administrator()


def create_administrator() -> None:
    """Create the user `admin`, with a generated password in the state folder, unless there is a superuser."""
    users = get_user_model().objects
    if not users.filter(is_superuser=True).exists():
        password = state.get_secret(settings.EXEMPLAR_STATE, "admin-password", size=12)
        with transaction.atomic():
            administrator = users.create_superuser("admin", password=password)
            audit.record(Act.CHANGE_ACCOUNT, ids=[administrator], reason="The first administrator.")
