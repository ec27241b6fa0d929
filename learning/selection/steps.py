"""Steps of a build: one frozen dataclass per kind of event, with a sentence about it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ..analysis import Analysis
from ..diagnostics import Diagnostic
from ..estimators.families import Candidate
from ..evaluation.folds import ROUND_NAMES, Round
from ..evaluation.measures import Measure
from ..model import Model
from .reasons import format_noise, format_score

if TYPE_CHECKING:
    from .decision import Decision
    from .served import Served

#: `CandidateFailed.fold` if the fit on all examples failed, rather than that on a fold.
ALL_EXAMPLES = -1
#: Least difference of two scores that three decimals show.
VISIBLE = 0.0005


@dataclass(frozen=True, kw_only=True)
class Analysed:
    """The features were analysed, before anything was learned from them."""

    percent: float
    analysis: Analysis

    @property
    def message(self) -> str:
        """The step as a sentence."""
        findings = len(self.analysis.sentences())
        result = f"{findings} finding{'s' if findings != 1 else ''}" if findings else "nothing odd"
        return f"Analysed {len(self.analysis.features)} features of {self.analysis.rows} rows: {result}."


@dataclass(frozen=True, kw_only=True)
class CandidatesDrawn:
    """Candidates were drawn, and will be scored next."""

    percent: float
    #: In the order in which their fits start; the champion's recipe comes first of all.
    candidates: tuple[Candidate, ...]

    @property
    def message(self) -> str:
        """The step as a sentence."""
        names = ", ".join(dict.fromkeys(candidate.family for candidate in self.candidates))
        return f"Drew {len(self.candidates)} candidates of the families {names}."


@dataclass(frozen=True, kw_only=True)
class FoldScored:
    """A candidate was fitted on the training rows of a fold, and scored on its held-out rows."""

    percent: float
    candidate: Candidate
    round: Round
    #: Index of the fold, from 0.
    fold: int
    #: Value of the problem's metric; greater is better.
    score: float
    measures: tuple[Measure, ...]
    fit_seconds: float
    predict_seconds: float
    #: Predictions for the held-out rows, in their order, as float32: `(held out, classes)` probabilities or
    #: `(held out,)` values; None for clusterings.
    predictions: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    #: Distinct warnings of the libraries.
    warnings: tuple[str, ...] = ()
    #: Time to predict one row, in a batch of `fold_fit.TIMED_ROWS`; None if it was not measured.
    microseconds: float | None = None

    @property
    def message(self) -> str:
        """The step as a sentence."""
        return f"{self.candidate} scored {self.score:.4g} on fold {self.fold + 1} of the {ROUND_NAMES[self.round]}."


@dataclass(frozen=True, kw_only=True)
class CandidateScored:
    """A candidate was scored on all folds of the search, or on those of the final round that there was time for."""

    percent: float
    candidate: Candidate
    round: Round
    #: Mean score of the folds.
    score: float
    #: Best mean score of this round so far.
    best: float

    @property
    def message(self) -> str:
        """The step as a sentence."""
        best = f"the best so far is {self.best:.4g}"
        return f"{self.candidate} scored {self.score:.4g} in the {ROUND_NAMES[self.round]}; {best}."


@dataclass(frozen=True, kw_only=True)
class CandidateFailed:
    """A candidate could not be fitted or scored; it is out, and the others proceed."""

    percent: float
    candidate: Candidate
    round: Round
    #: `ALL_EXAMPLES` (−1) if the fit on all examples failed.
    fold: int
    code: str
    reason: str

    @property
    def message(self) -> str:
        """The step as a sentence."""
        return f"{self.candidate} is out of the {ROUND_NAMES[self.round]}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class CandidateDropped:
    """A candidate was dropped: others were better so far, or it would be too slow to serve."""

    percent: float
    candidate: Candidate
    reason: str

    @property
    def message(self) -> str:
        """The step as a sentence."""
        return f"{self.candidate} was dropped: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Decided:
    """The final round was decided."""

    percent: float
    #: Candidate that is fitted next; None if the champion's model has already learned from the same examples.
    winner: Candidate | None
    incumbent_kept: bool
    #: Why a person must decide whether the model serves; None if it may serve at once.
    hold_reason: str | None
    reason: str
    #: Whether the model waits even if there has never been a champion.
    holds_first: bool = False

    @property
    def message(self) -> str:
        """The step as a sentence."""
        if self.hold_reason is None:
            return self.reason
        return f"{self.reason} Held for a person: {self.hold_reason}"

    @classmethod
    def of(cls, decision: "Decision", percent: float, remarks: str = "") -> Self:
        """Build the step of a decision."""
        return cls(
            percent=percent,
            winner=decision.winner,
            incumbent_kept=decision.incumbent_kept,
            hold_reason=decision.hold_reason,
            reason=decision.reason + remarks,
            holds_first=decision.holds_first,
        )


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model was fitted on all examples."""

    percent: float
    candidate: Candidate
    model: Model
    metric: str
    #: The candidate's mean score in the final round.
    score: float
    #: How much choosing it from many has raised that score.
    optimism: float = 0.0
    #: Scores of its calibrated predictions; None if it serves what the final round scored.
    served: "Served | None" = None
    #: Whether this is the winner; others are alternatives, or early versions.
    winner: bool
    #: The decision on an early version; None for others.
    early: Decided | None = None
    #: A sentence on how long after the rows learned from lay those that the scores are of; empty without times.
    horizon: str = ""

    @property
    def message(self) -> str:
        """The step as a sentence."""
        role = "the winner" if self.winner else "an early version" if self.early else "an alternative"
        rows = self.candidate.hyperparameters.get("rows")
        examples = f"{rows:,}" if rows else "all"
        remark = f" {self.served.describe()}" if self.served is not None else ""
        score = f"{self.metric} {self.served_score:.4g}"
        return f"Fitted {self.candidate} on {examples} examples, {role} with {score}.{remark}"

    def explain_score(self) -> str:
        """Explain why the version's score is not that of the final round; empty if it hardly differs."""
        reasons = []
        if abs(self.served_score + self.optimism - self.score) >= VISIBLE:
            reasons.append("its probabilities are calibrated")
        if self.optimism >= VISIBLE:
            reasons.append(
                f"{format_noise(self.optimism)} is taken off for the luck of the best of many recipes"
            )
        if not reasons:
            return ""
        return f"The version's score is {format_score(self.served_score)}: {', and '.join(reasons)}."

    @property
    def served_score(self) -> float:
        """The score of what serves, less the optimism of choosing it."""
        score = self.score - self.optimism
        if self.served is None:
            return score
        return score - self.served.score.before + self.served.score.after


@dataclass(frozen=True, kw_only=True)
class DiagnosticDrawn:
    """A diagnostic of the winner was drawn, or failed."""

    percent: float
    candidate: Candidate
    diagnostic: Diagnostic

    @property
    def message(self) -> str:
        """The step as a sentence."""
        if self.diagnostic.problem:
            return f"No picture of {self.diagnostic.title!r}: {self.diagnostic.problem[1]}"
        return f"Drew {self.diagnostic.title!r}."


Step = (
    Analysed
    | CandidatesDrawn
    | FoldScored
    | CandidateScored
    | CandidateFailed
    | CandidateDropped
    | Decided
    | Fitted
    | DiagnosticDrawn
)
