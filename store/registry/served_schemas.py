"""Served schemas: every schema that clients were served, so that a deploy can be compared with the last one."""

import hashlib

from django.db import models
from django.db.models.functions import Now

from ..db.base import BaseModel


class ServedSchemaManager(models.Manager["ServedSchema"]):
    """Records schemas as they are served, and finds the last one."""

    def record(self, sdl: str) -> None:
        """Record that this schema is served from now on; web processes of many hosts may do so at once."""
        digest = hashlib.sha256(sdl.encode()).hexdigest()
        self.update_or_create(
            digest=digest, defaults={"served_at": Now()}, create_defaults={"sdl": sdl, "served_at": Now()}
        )

    def newest(self) -> "ServedSchema | None":
        """Find the schema that the web process which started last serves."""
        return self.order_by("-served_at", "-pk").first()


class ServedSchema(BaseModel):
    """A schema that a web process served."""

    #: SHA-256 of the SDL, in hexadecimal.
    digest = models.CharField(max_length=64, unique=True)
    sdl = models.TextField()
    #: When a web process last began to serve it, by the database's clock.
    served_at = models.DateTimeField()

    objects = ServedSchemaManager()

    def __str__(self) -> str:
        return f"Schema {self.digest[:12]}"
