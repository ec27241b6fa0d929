"""Diagnostics: charts of a version with their data and a sentence, drawn by the build once the version serves."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from django.db import models

from learning.diagnostics import Data, DiagnosticKind, data_from_json, shape
from learning.diagnostics import Diagnostic as Drawn

from ..db.base import BaseModel
from ..db.fields import JSONField
from ..db.writes import NOTHING
from ..registry.versions import ModelVersion


class DiagnosticManager(models.Manager["Diagnostic"]):
    """Stores and lists diagnostics."""

    def store(self, model: ModelVersion, drawn: Drawn) -> tuple["Diagnostic", bool]:
        """Store a diagnostic. One that an earlier attempt drew without a problem stays.

        Returns: the row, and whether it is new.
        """
        code, message = drawn.problem or ("", "")
        existing = self.filter(model=model, kind=drawn.kind).first()
        if existing and not existing.problem_code:
            return existing, False
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

    def of_version(self, model: int, kinds: Sequence[str] | None = None) -> list["Diagnostic"]:
        """List a version's diagnostics in the order in which they were drawn."""
        return self.of_versions([model], kinds)[model]

    def of_versions(
        self, versions: Iterable[int], kinds: Sequence[str] | None = None
    ) -> dict[int, list["Diagnostic"]]:
        """List the diagnostics of several versions, by primary key, in one query."""
        by_version: dict[int, list[Diagnostic]] = {version: [] for version in versions}
        rows = self.filter(model__in=by_version).order_by("pk")
        for diagnostic in rows if kinds is None else rows.filter(kind__in=kinds):
            by_version[diagnostic.model_id].append(diagnostic)
        return by_version


class Diagnostic(BaseModel):
    """One chart of a model version; the row never changes."""

    web_writes = NOTHING

    model = models.ForeignKey(ModelVersion, models.CASCADE, related_name="diagnostics")
    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    #: What the chart shows, or why there is none.
    text = models.TextField()
    #: An SVG document; empty where there is no chart.
    svg = models.TextField(blank=True)
    #: The data in the kind's shape, as its `as_json` writes it; null where there is no chart.
    data = JSONField(null=True)
    problem_code = models.CharField(max_length=40, blank=True)
    problem_message = models.TextField(blank=True)
    #: Seconds that drawing it took.
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
        """The name of the shape of its kind's data."""
        return shape(DiagnosticKind(self.kind)).__name__

    @cached_property
    def parsed_data(self) -> Data | None:
        """The data as an object; None where there is no chart."""
        return None if self.data is None else data_from_json(self.shape, self.data)
