"""Renewal of seals: versions that an older signing key sealed get the seal of the first key."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from ..access import audit
from ..access.audit import Act
from .versions import ModelVersion

#: Versions of one transaction.
BATCH = 100


@dataclass(frozen=True)
class Resigned:
    """The outcome of one batch of versions."""

    #: Versions of the batch that the first key has sealed, now or before.
    sealed: int
    #: Of these, the versions whose seal is new.
    renewed: int
    #: Versions that no key of the setting has sealed.
    foreign: tuple[ModelVersion, ...]


def resign() -> Iterator[Resigned]:
    """Renew the seals, oldest version first. Each batch is committed: started again, it finds the rest.

    A seal is checked before it is renewed. The artifact is not read, since the seal covers its digest.
    """
    last = 0
    stored = ModelVersion.objects.filter(dropped_at=None).order_by("pk")
    while versions := list(stored.filter(pk__gt=last)[:BATCH]):
        yield _resign(versions)
        last = versions[-1].pk


@transaction.atomic
def _resign(versions: list[ModelVersion]) -> Resigned:
    places = [(version, version.find_key()) for version in versions]
    renewed = sum(_renew(version) for version, place in places if place)
    if renewed:
        audit.record(Act.RESIGN, ids=[version for version, place in places if place])
    foreign = tuple(version for version, place in places if place is None)
    return Resigned(len(versions) - len(foreign), renewed, foreign)


def _renew(version: ModelVersion) -> int:
    """Renew the seal of a version, unless another process has; return how many rows changed."""
    row = ModelVersion.objects.filter(pk=version.pk, seal=version.seal)
    return row.update(seal=version.sign(settings.EXEMPLAR_SIGNING_KEY[0]))
