"""What a build has just done: one frozen dataclass for each kind of step."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..analysis import Analysis
from ..diagnostics import Diagnostic
from ..estimators.families import Candidate
from ..evaluation.folds import Round
from ..evaluation.measures import Measure
from ..model import Model

#: The `fold` of a failure that did not happen on a fold, but when the candidate was fitted on all examples.
ALL_EXAMPLES = -1


@dataclass(frozen=True, kw_only=True)
class Analysed:
    """The features were looked at, before anything was learned from them."""

    percent: float
    analysis: Analysis

    @property
    def message(self) -> str:
        findings = len(self.analysis.findings)
        found = f"{findings} finding{'s' if findings != 1 else ''}" if findings else "nothing odd"
        return f"Analysed {len(self.analysis.features)} features of {self.analysis.rows} rows: {found}."


@dataclass(frozen=True, kw_only=True)
class CandidatesDrawn:
    """It is known who takes part next."""

    percent: float
    #: In the order in which they are begun; the champion's recipe first of all.
    candidates: tuple[Candidate, ...]

    @property
    def message(self) -> str:
        names = ", ".join(dict.fromkeys(candidate.family for candidate in self.candidates))
        return f"Drew {len(self.candidates)} candidates of the families {names}."


@dataclass(frozen=True, kw_only=True)
class FoldScored:
    """A candidate learned from all folds but one, and was scored on that one."""

    percent: float
    candidate: Candidate
    round: Round
    #: From 0.
    fold: int
    #: The problem's metric, greater is better.
    score: float
    measures: tuple[Measure, ...]
    fit_seconds: float
    predict_seconds: float
    #: Of the held-out rows, in their order: float32, `(held out, classes)` probabilities or `(held out,)`
    #: values; None for clusters.
    predictions: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    #: What the libraries warned of.
    warnings: tuple[str, ...] = ()
    #: To predict one row, of a thousand at once; None where nobody asked.
    microseconds: float | None = None

    @property
    def message(self) -> str:
        return f"{self.candidate} scored {self.score:.4g} on fold {self.fold + 1} of the {self.round}."


@dataclass(frozen=True, kw_only=True)
class CandidateScored:
    """A candidate was scored on all folds of the search, or on those of the contest that there was time for."""

    percent: float
    candidate: Candidate
    round: Round
    #: Mean over the folds.
    score: float
    #: The best such mean of this round so far.
    best: float

    @property
    def message(self) -> str:
        best = f"the best so far is {self.best:.4g}"
        return f"{self.candidate} scored {self.score:.4g} in the {self.round}; {best}."


@dataclass(frozen=True, kw_only=True)
class CandidateFailed:
    """A candidate could not be fitted or scored; it is out, and the others go on."""

    percent: float
    candidate: Candidate
    round: Round
    #: `ALL_EXAMPLES` (−1) where it was the last fit that failed.
    fold: int
    code: str
    reason: str

    @property
    def message(self) -> str:
        return f"{self.candidate} is out of the {self.round}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class CandidateDropped:
    """A candidate does not go on: others were better so far, or it would be too slow to serve."""

    percent: float
    candidate: Candidate
    reason: str

    @property
    def message(self) -> str:
        return f"{self.candidate} does not go on: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Decided:
    """The contest is over."""

    percent: float
    #: Whose model is fitted next; None where the champion's has learned all there is.
    winner: Candidate | None
    incumbent_kept: bool
    #: Why a person must decide whether the model serves; None where nobody must.
    held: str | None
    reason: str

    @property
    def message(self) -> str:
        return f"{self.reason} Held for a person: {self.held}" if self.held else self.reason


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model learned from all examples."""

    percent: float
    candidate: Candidate
    model: Model
    metric: str
    #: The candidate's mean over the contest's folds.
    score: float
    #: Whether it won; the others are alternatives.
    winner: bool

    @property
    def message(self) -> str:
        role = "the winner" if self.winner else "an alternative"
        return f"Fitted {self.candidate} on all examples, {role} with {self.metric} {self.score:.4g}."


@dataclass(frozen=True, kw_only=True)
class DiagnosticDrawn:
    """A picture of the winner was drawn, or could not be."""

    percent: float
    candidate: Candidate
    diagnostic: Diagnostic

    @property
    def message(self) -> str:
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
