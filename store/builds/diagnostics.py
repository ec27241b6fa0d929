"""Diagnostics: pictures of a version with their numbers and sentences, drawn by the build after it serves."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from django.db import models

from learning.diagnostics import Data, DiagnosticKind, data_from_json, shape
from learning.diagnostics import Diagnostic as Drawn

from ..db import base
from ..db.fields import JSONField
from ..registry.versions import ModelVersion


class DiagnosticManager(models.Manager["Diagnostic"]):
    def keep(self, model: ModelVersion, drawn: Drawn) -> tuple["Diagnostic", bool]:
        """Keep one, and say whether it is new: what an earlier attempt drew stays, unless that failed."""
        code, message = drawn.problem or ("", "")
        known = self.filter(model=model, kind=drawn.kind).first()
        if known and not known.problem_code:
            return known, False
        return self.update_or_create(
            model=model,
            kind=drawn.kind,
            defaults={
                "title": drawn.title,
                "text": drawn.text,
                "svg": drawn.svg or "",
                "data": drawn.data and drawn.data.as_json(),
                "problem_code": code,
                "problem_message": message,
                "seconds": drawn.seconds,
            },
        )

    def of(self, model: int, kinds: Sequence[str] | None = None) -> list["Diagnostic"]:
        """A version's, in the order in which they were drawn."""
        return self.of_each([model], kinds)[model]

    def of_each(
        self, versions: Iterable[int], kinds: Sequence[str] | None = None
    ) -> dict[int, list["Diagnostic"]]:
        """As `of`, by version, in one query."""
        found: dict[int, list[Diagnostic]] = {version: [] for version in versions}
        rows = self.filter(model__in=found).order_by("pk")
        for diagnostic in rows if kinds is None else rows.filter(kind__in=kinds):
            found[diagnostic.model_id].append(diagnostic)
        return found


class Diagnostic(base.BaseModel):
    """One look at a model version; what it shows never changes."""

    model = models.ForeignKey(ModelVersion, models.CASCADE, related_name="diagnostics")
    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    #: What is to be seen, or why there is nothing.
    text = models.TextField()
    #: A whole SVG document; empty where there is no picture.
    svg = models.TextField(blank=True)
    #: In the kind's shape, as its `as_json` writes it; null where there is no picture.
    data = JSONField(null=True)
    problem_code = models.CharField(max_length=40, blank=True)
    problem_message = models.TextField(blank=True)
    #: What drawing it took.
    seconds = models.FloatField()

    objects = DiagnosticManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "kind"], name="one_diagnostic_per_kind_and_version")
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def shape(self) -> str:
        """The name of the shape that its data has, or would have."""
        return shape(DiagnosticKind(self.kind)).__name__

    @cached_property
    def shown(self) -> Data | None:
        """Its numbers; None where there is no picture."""
        return None if self.data is None else data_from_json(self.shape, self.data)
