"""Served schemas: every schema that clients were served, so that a deploy can be compared with the last one."""

import hashlib
from collections.abc import Sequence

from django.db import models, transaction
from django.db.models.functions import Now

from ..access import audit
from ..access.audit import Act
from ..db.base import BaseModel
from ..db.writes import NOTHING
from ..exceptions import BadInput


class ServedSchemaManager(models.Manager["ServedSchema"]):
    """Records schemas as they are served, and finds the last one."""

    def record(self, sdl: str) -> None:
        """Record that this schema is served from now on; web processes of many hosts may do so at once."""
        self.update_or_create(
            digest=digest_of(sdl),
            defaults={"served_at": Now()},
            create_defaults={"sdl": sdl, "served_at": Now()},
        )

    def has(self, sdl: str) -> bool:
        """Return True where this schema was served before."""
        return self.filter(digest=digest_of(sdl)).exists()

    def newest(self) -> "ServedSchema | None":
        """Find the schema that the web process which started last serves."""
        return self.order_by("-served_at", "-pk").first()


class ServedSchema(BaseModel):
    """A schema that a web process served."""

    worker_writes = NOTHING

    #: SHA-256 of the SDL, in hexadecimal.
    digest = models.CharField(max_length=64, unique=True)
    sdl = models.TextField()
    #: When a web process last began to serve it, by the database's clock.
    served_at = models.DateTimeField()

    objects = ServedSchemaManager()

    def __str__(self) -> str:
        return f"Schema {self.digest[:12]}"


class AcceptedSchemaManager(models.Manager["AcceptedSchema"]):
    """Records which schemas may be served although they break clients."""

    @transaction.atomic
    def accept(self, sdl: str, changes: Sequence[str], reason: str, by: str) -> "AcceptedSchema":
        """Record that web processes may serve this schema. Raises BadInput without a reason."""
        if not (reason := reason.strip()):
            raise BadInput("A reason is needed: say in a sentence why clients may be broken.")
        accepted = self.create(digest=digest_of(sdl), changes=list(changes), reason=reason, accepted_by=by)
        audit.record(Act.ACCEPT_SCHEMA, ids=[accepted], reason=reason, details={"changes": list(changes)})
        return accepted

    def has(self, sdl: str) -> bool:
        """Return True where a person has accepted this schema."""
        return self.filter(digest=digest_of(sdl)).exists()


class AcceptedSchema(BaseModel):
    """A person's decision that a schema may be served although it breaks clients."""

    #: SHA-256 of the SDL, in hexadecimal.
    digest = models.CharField(max_length=64, db_index=True)
    #: The sentences that were accepted.
    changes = models.JSONField()
    reason = models.TextField()
    accepted_by = models.CharField(max_length=200)
    accepted_at = models.DateTimeField(db_default=Now())

    objects = AcceptedSchemaManager()

    def __str__(self) -> str:
        return f"Schema {self.digest[:12]}, accepted by {self.accepted_by}: {self.reason}"


def digest_of(sdl: str) -> str:
    """Compute the SHA-256 of a schema, in hexadecimal."""
    return hashlib.sha256(sdl.encode()).hexdigest()
