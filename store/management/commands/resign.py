"""Command that renews the seals of artifacts after a new signing key was put first."""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from store.models import ModelVersion
from store.registry.resigning import resign


class Command(BaseCommand):
    help = (
        "Signs all model versions with the first key of EXEMPLAR_SIGNING_KEY that another one of its keys has signed. "
        "It may be interrupted and run again, beside processes that serve. It says when the other keys can go."
    )
    # Signatures depend on no declaration.
    requires_system_checks = ()

    def handle(self, **options: object) -> None:
        total, done, renewed = ModelVersion.objects.filter(dropped_at=None).count(), 0, 0
        foreign: list[ModelVersion] = []
        for batch in resign():
            done += batch.sealed + len(batch.foreign)
            renewed += batch.renewed
            foreign += batch.foreign
            self.stdout.write(f"{done} of {max(total, done)} versions: {renewed} were signed again.")
        for version in foreign:
            self.stderr.write(
                f"No key of EXEMPLAR_SIGNING_KEY has signed version {version.number} of {version.product}."
            )
        if foreign:
            raise CommandError(
                f"{len(foreign)} versions cannot be loaded with these keys. Add the key that signed them, and run this "
                "again; or build again, and leave them."
            )
        self.stdout.write(advise(len(settings.EXEMPLAR_SIGNING_KEY)))


def advise(keys: int) -> str:
    """Say which keys can go."""
    if keys == 1:
        return "The one key of EXEMPLAR_SIGNING_KEY has signed all versions."
    return (
        "The first key has signed all versions. The other keys of EXEMPLAR_SIGNING_KEY can go once every web process "
        "and worker runs with the first key in front: one that does not still signs with an older key."
    )
