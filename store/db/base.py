"""The base model of tables whose rows fill whole pages."""

from collections.abc import Collection
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models.base import ModelState

from .writes import EVERYTHING, Writes


class BaseModel(models.Model):
    """A table whose rows are built from the selected columns alone.

    Django's own constructor looks for defaults and sends signals, which takes ten times as long.
    """

    #: True where no column that a page shows ever changes after the row was written.
    unchanging: ClassVar[bool] = False
    #: What web processes and workers do to rows; `./dev sql grants` prints the rights for it.
    web_writes: ClassVar[Writes] = EVERYTHING
    worker_writes: ClassVar[Writes] = EVERYTHING

    class Meta:
        abstract = True

    @classmethod
    def from_db(  # type: ignore[override]  # the stubs are of a later Django
        cls, db: str | None, field_names: Collection[str], values: Collection[Any]
    ) -> Self:
        """Build a row without calling `__init__`; columns that were not selected stay deferred."""
        return cls.from_values(db, dict(zip(field_names, values, strict=True)))

    @classmethod
    def from_values(
        cls, db: str | None, values: dict[str, Any], related: dict[str, models.Model] | None = None
    ) -> Self:
        """Build a stored row of its values by column, which it keeps, and of the rows that its foreign keys name."""
        row, state = cls.__new__(cls), ModelState()
        state.adding, state.db = False, db
        if related:
            state.fields_cache = related
        values["_state"] = state
        row.__dict__ = values
        return row

    def copy(self) -> Self:
        """Copy the columns into a new object, without cached relations and without the row's page.

        JSON values are shared, since nothing changes them.
        """
        values = vars(self)
        selected = [field.attname for field in self._meta.concrete_fields if field.attname in values]
        return self.from_db(self._state.db, selected, [values[name] for name in selected])
