"""Objections to a model of rows to come: later rows may be predicted no better than without features."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..analysis import Analysis, FindingKind
from .decision import Incumbent
from .objections import Objection

#: Findings about later rows, which the decision repeats.
ABOUT_LATER_ROWS = (FindingKind.LATER_ROWS_HARDER, FindingKind.LATER_ROWS_UNPREDICTED)


@dataclass(frozen=True, kw_only=True)
class TimeObjections:
    """Findings about later rows, and their consequence for the winner.

    Rows that are merely harder hold nothing: the champion has learned from older rows than the new model, and would be
    worse. But a model that is of no use for later rows waits even as the first one, until a person has seen why.
    """

    analysis: Analysis
    incumbent: Incumbent | None

    def sentences(self) -> list[str]:
        """List the findings about later rows."""
        return [f.sentence for f in self.analysis.findings if f.kind in ABOUT_LATER_ROWS]

    def objections(self) -> Iterator[Objection]:
        """Yield the objection to a model that is of no use for later rows, unless its champion was accepted as such."""
        if self.analysis.has(FindingKind.LATER_ROWS_UNPREDICTED) and not self._is_accepted():
            yield Objection(
                "Nothing shows that it is of use for later rows: a model of earlier rows predicts them no better than "
                "one without features. Declare ordered=True, or promote it if only rows of the same time are "
                "predicted.",
                holds_first=True,
            )

    def _is_accepted(self) -> bool:
        analysis = self.incumbent.analysis if self.incumbent is not None else None
        return analysis is not None and analysis.has(FindingKind.LATER_ROWS_UNPREDICTED)
