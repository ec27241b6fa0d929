"""The build runner: iterates over the steps of learning and records each as rows, under the attempt's lease."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing

import numpy as np
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from numpy.typing import NDArray

from learning import build as learning
from learning.dataset import Dataset
from learning.estimators.families import full_recipe
from learning.fits import dask_pool
from learning.fits.running import RunningFits
from learning.problem import Problem
from learning.selection.decision import Incumbent
from learning.selection.rounds import Key

from ..exceptions import ModelDoesNotFit, SettingsChanged
from ..jobs import events, leases, queue, temporary_folders
from ..notices.kinds import EventKind
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.product_states import ProductState
from ..registry.promotions import Promotion
from ..registry.versions import ModelVersion
from ..snapshots.snapshots import Snapshot
from . import drift_references, live_intervals, retention
from .builds import Build
from .candidates import CONTEST, SEARCH, Candidate, FoldScore
from .diagnostics import Diagnostic
from .pending_promotions import PendingPromotion

log = logging.getLogger(__name__)


def run_job(pk: int) -> None:
    """Run the job that RQ delivers. A job may be delivered twice: only the first one to claim the build runs it."""
    if build := Build.objects.claim(pk, queue.current_job_id()):
        run(build)


def run(build: Build) -> None:
    """Run a claimed build to its end, then delete what old builds no longer need."""
    events.publish("build", build=build.pk, product=build.product)
    leases.run_with_lease(build, lambda finished: _BuildRun(build, finished).run())
    try:
        retention.delete_old_builds(build.product)
    except (OperationalError, InterfaceError) as error:
        log.warning("Old builds were not deleted after %s; the next build tries again: %s", build, error)


def remote_pool(scheduler: str) -> learning.PoolFactory | None:
    """Get a factory of pools on the Dask scheduler at this address; None without an address."""
    if not scheduler:
        return None
    return lambda context, seconds, megabytes: dask_pool.connect_pool(context, scheduler, seconds, megabytes)


class _BuildRun:
    """One attempt at one build."""

    def __init__(self, build: Build, finished: threading.Event):
        self.build, self.finished = build, finished
        self.product: DataProduct = catalogue.get(build.product)
        self.champion = _find_champion(self.product)
        #: The newest early version that may serve, of this attempt or of the one before; None without one.
        self.early = self.champion if _is_early(self.champion, build) else None
        self.hold_reason: str | None = None
        self.holds_first = False

    def run(self) -> None:
        """Iterate over all steps and record each in a transaction of its own."""
        started, problem = time.monotonic(), self.build.problem()
        self.build.in_progress = RunningFits()
        self.promise(problem)
        with temporary_folders.build_folder() as folder:
            dataset = self.dataset(problem.seconds)
            steps = learning.build(
                problem,
                dataset,
                self.incumbent(dataset),
                self.load_folds,
                objections=self.objections(),
                started=started,
                in_progress=self.build.in_progress,
                is_unserved=self.is_unserved(),
                workers=settings.EXEMPLAR_CPUS,
                folder=folder,
                pool_factory=remote_pool(settings.SEARCH_SCHEDULER),
            )
            # Close the generator in any case, or its fits run on until it is collected.
            with closing(steps):
                self.record_all(steps)
        self.succeed()

    def record_all(self, steps: Iterator[learning.Step]) -> None:
        """Record the steps, each in a transaction of its own. Raises SettingsChanged where nothing is decided yet."""
        try:
            for step in steps:
                with transaction.atomic():
                    self.build.hold()
                    self.record(step)
                if isinstance(step, learning.Fitted):
                    self.record_reference(step)
        except SettingsChanged as change:
            if self.build.model is None:
                raise
            log.warning("%s ends with the version that it has decided on: %s", self.build, change)

    def promise(self, problem: Problem) -> None:
        """Record when this attempt ends at the latest."""
        if problem.seconds is not None:
            with transaction.atomic():
                self.build.hold()
                self.build.set_time_limit(problem.seconds)

    def dataset(self, seconds: float | None = None) -> Dataset:
        """Load the build's snapshot; take it first where no earlier attempt has.

        Args:
            seconds: the time limit of the build; None: no limit.
        """
        snapshot = self.build.snapshot
        if snapshot is not None and snapshot.find_missing(self.product) and not self.build.models.exists():
            self.forget_scores()
            snapshot = None
        if snapshot is None:
            snapshot = Snapshot.objects.take(self.product, seconds)
            with transaction.atomic():
                self.build.hold()
                self.build.snapshot = snapshot
                self.build.save(update_fields=["snapshot"])
                sentences = [f"{snapshot.rows} rows joined from {snapshot.rows_in}."]
                sentences += map(str, snapshot.undeclared_values)
                self.build.add_event("SnapshotTaken", " ".join(sentences), percent=1.0)
        return snapshot.dataset(self.product)

    def load_folds(self, digest: str) -> Mapping[Key, learning.FoldScored]:
        """Load the folds that earlier attempts have scored; delete them where other ones are to be scored now.

        Args:
            digest: of the folds, the metric and the examples as they are now.

        Raises: SettingsChanged where a version was registered, whose scores must stay.
        """
        with transaction.atomic():
            self.build.hold()
            if self.build.folds_digest != digest:
                self.replace_folds(digest)
        return FoldScore.objects.load(self.build)

    def replace_folds(self, digest: str) -> None:
        """Delete the scores of other folds than those of this digest, and record why."""
        scored = FoldScore.objects.filter(candidate__build=self.build).count()
        version = self.build.models.order_by("number").first()
        if version and self.build.folds_digest:  # empty also where a release without digests has scored
            raise SettingsChanged(
                f"Version {version.number} was scored on other folds, or by another metric, than the product's "
                f"settings now say. It stays as it is: request a new build."
            )
        if scored and not version:
            self.forget_scores()
            self.build.add_event(
                "FeaturesAnalysed",
                f"Begins anew: the product's settings have changed since an earlier attempt, so that its scores "
                f"({scored}) are of other folds, columns or examples, or of another metric.",
            )
        self.build.folds_digest = digest
        self.build.save(update_fields=["folds_digest"])

    def forget_scores(self) -> None:
        """Delete what an earlier attempt scored on another snapshot, or on other folds."""
        with transaction.atomic():
            self.build.hold()
            FoldScore.objects.filter(candidate__build=self.build).delete()
            self.build.candidates.update(score=None, problem_code="", problem_message="")

    def is_unserved(self) -> bool:
        """Return whether no version can serve, so that an early one is welcome."""
        return self.champion is None or self.champion.misfit(self.product) is not None

    def objections(self) -> list[str]:
        """List the reasons in the snapshot why a person must promote the winner: labels that were not learned from."""
        assert self.build.snapshot is not None
        return [str(values) for values in self.build.snapshot.undeclared_values if values.is_label]

    def incumbent(self, dataset: Dataset) -> Incumbent | None:
        """Describe the champion for the contest; None where there is none, or it solved another task."""
        champion = self.champion
        if champion is None or champion.signature["task"] != self.product.task:
            return None
        recipe = full_recipe(champion.hyperparameters)
        is_complete = recipe == champion.hyperparameters and champion.knows_all(self.product)
        return Incumbent(
            family=champion.family,
            hyperparameters=recipe,
            metric=champion.metric,
            score=champion.compared_score,
            optimism=champion.optimism,
            fingerprint=champion.snapshot.fingerprint if is_complete else "",
            classes=tuple(champion.signature["classes"]),
            clusters=self.clusters(champion, dataset),
            scores=tuple(champion.candidate.folds.filter(round=CONTEST).values_list("score", flat=True)),
            examples=champion.snapshot.rows - champion.snapshot.unlabelled,
            analysis=champion.snapshot.analysed,
            live=live_intervals.measure(self.product, champion) if self.product.problem.has_values else None,
        )

    def clusters(self, champion: ModelVersion, dataset: Dataset) -> NDArray[np.int64] | None:
        """Assign the champion's clusters to the examples; None where it has none, or cannot be loaded here."""
        if self.product.learns_from_labels:
            return None
        try:
            clusters: NDArray[np.int64] = champion.load(self.product, whole=True).estimator.predict(dataset.X)
        except ModelDoesNotFit as refusal:
            log.warning("Clusters get new numbers: %s", refusal)
            return None
        return clusters

    def record(self, step: learning.Step) -> None:
        """Write the rows of one step."""
        match step:
            case learning.Analysed():
                self.record_analysis(step)
            case learning.CandidatesDrawn():
                Candidate.objects.draw(self.build, step.candidates)
            case learning.FoldScored():
                FoldScore.objects.record(self.build, step)
            case learning.CandidateScored():
                self.record_score(step)
            case learning.CandidateFailed():
                self.record_failure(step)
            case learning.CandidateDropped():
                candidate = self.build.candidates.get(key=step.candidate.key)
                self.build.add_event("CandidateScored", step.message, step.percent, candidate=candidate)
            case learning.Decided():
                self.record_decision(step)
            case learning.Fitted():
                self.register(step)
            case learning.DiagnosticDrawn():
                self.record_diagnostic(step)

    def record_analysis(self, step: learning.Analysed) -> None:
        """Store the analysis with the snapshot, unless an earlier attempt has."""
        snapshot = self.build.snapshot
        assert snapshot is not None
        if snapshot.analysis is None:
            snapshot.analysis = step.analysis.as_json()
            snapshot.save(update_fields=["analysis"])
            findings = step.analysis.sentences()
            self.build.add_event("FeaturesAnalysed", step.message, step.percent, findings=findings)

    def record_score(self, step: learning.CandidateScored) -> None:
        candidate = self.build.candidates.get(key=step.candidate.key)
        if step.round == SEARCH:
            candidate.score = step.score
            candidate.save(update_fields=["score"])
        self.build.add_event(
            "CandidateScored", step.message, step.percent, candidate=candidate, best=step.best
        )

    def record_failure(self, step: learning.CandidateFailed) -> None:
        candidate = self.build.candidates.get(key=step.candidate.key)
        candidate.problem_code, candidate.problem_message = step.code, step.reason
        candidate.save(update_fields=["problem_code", "problem_message"])
        self.build.add_event("CandidateScored", step.message, step.percent, candidate=candidate)

    def record_decision(self, step: learning.Decided) -> None:
        self.hold_reason, self.holds_first = step.hold_reason, step.holds_first
        self.build.decision = step.reason
        self.build.save(update_fields=["decision"])
        if step.winner is not None:
            return
        if self.early is not None and self.early != self.champion:
            self.promote(self.early)  # it could not serve while the search went on
            return
        self.build.add_event("ChampionKept", step.reason, step.percent)
        if self.early is not None:
            self.build.model, self.build.promoted = self.early, True
            self.build.save(update_fields=["model", "promoted"])

    def register(self, step: learning.Fitted) -> None:
        model = ModelVersion.objects.register(self.build, step)
        if step.served is not None:
            FoldScore.objects.record_served(self.build, step.candidate, step.served)
        self.build.add_event("ModelRegistered", step.message, step.percent, model=model)
        if step.early is not None:
            self.promote_early(model, step.early)
        elif step.winner and self.build.model is None:
            self.build.decision = " ".join(filter(None, [self.build.decision, step.explain_score()]))
            self.promote(model)

    def record_reference(self, step: learning.Fitted) -> None:
        """Count what a version has learned from. Not in the step's transaction, which holds the build's row."""
        model = self.build.models.select_related("snapshot").get(candidate__key=step.candidate.key)
        drift_references.record(self.product, model)

    def promote_early(self, model: ModelVersion, decided: learning.Decided) -> None:
        """Promote a version of few rows while the search goes on, unless there is any reason to wait."""
        if decided.hold_reason is None:
            self.early = model
        state = ProductState.objects.lock(self.product.name)
        hold = decided.hold_reason or state.hold or self._superseded(state)
        if hold:
            message = f"Early version {model.number} is registered and does not serve. {hold}"
            self.build.add_event("ChampionKept", message)
            return
        reason = f"An early version, until the search has ended. {decided.reason}"
        promotion = Promotion.objects.record(state, model, reason, by=f"{self.build}")
        self.build.add_event(
            "ModelPromoted", f"Early version {model.number} serves. {reason}", promotion=promotion
        )
        self.champion = model

    def record_diagnostic(self, step: learning.DiagnosticDrawn) -> None:
        model = self.build.models.get(candidate__key=step.candidate.key)
        diagnostic, is_new = Diagnostic.objects.store(model, step.diagnostic)
        if is_new:
            self.build.add_event("DiagnosticDrawn", step.message, step.percent, diagnostic=diagnostic)

    def promote(self, model: ModelVersion) -> None:
        """Promote the winner, or hold it for a person where it may wait."""
        self.build.model = model
        state = ProductState.objects.lock(self.product.name)
        hold = self.hold_reason or state.hold or self._superseded(state)
        unfit = state.champion.misfit(self.product) if state.champion else None
        if hold and self._may_wait(state, unfit):
            self.build.decision = (
                f"Version {model.number} is registered and waits for a person to promote it. {hold} "
                f"{self.build.decision}"
            )
            self.build.add_event("ChampionKept", self.build.decision)
            self.build.notify(EventKind.MODEL_HELD, self.build.decision)
        elif not hold and not unfit and self._needs_evidence(state):
            pending = PendingPromotion.objects.begin(self.build, state, model, self.build.decision)
            self.build.decision = (
                f"Version {model.number} is registered and waits for evidence. {pending.message} "
                f"{self.build.decision}"
            )
            self.build.add_event("ChampionKept", self.build.decision)
        else:
            if hold:
                reasons = " ".join(filter(None, [hold, unfit]))
                self.build.decision += f" It serves although it would be held, as nothing else can: {reasons}"
            promotion = Promotion.objects.record(
                state, model, self.build.decision, by=f"{self.build}", hold=state.hold
            )
            self.build.promoted = True
            self.build.add_event(
                "ModelPromoted", f"Version {model.number} serves. {self.build.decision}", promotion=promotion
            )
        self.build.save(update_fields=["model", "promoted", "decision"])

    def _may_wait(self, state: ProductState, unfit: str | None) -> bool:
        """Return whether the product can do without the new model until a person has looked at it.

        A champion that can be loaded serves meanwhile. Where there has never been one, only a model waits of which
        nothing shows that it is of any use. A model that lost labels waits in any case: once they are declared again,
        the champion can be loaded, too.
        """
        if state.champion is None:
            return self.holds_first
        return not unfit or bool(self.objections())

    def _needs_evidence(self, state: ProductState) -> bool:
        """Return whether the winner must be compared with the champion first; not with an early version of few rows."""
        return self.product.promote is not None and state.champion is not None and not state.champion.early

    def _superseded(self, state: ProductState) -> str | None:
        if state.champion_id == (self.champion.pk if self.champion else None):
            return None
        return "Another version was promoted while this build ran."

    def succeed(self) -> None:
        """End the build as SUCCEEDED."""
        self.finished.set()
        with transaction.atomic():
            self.build.hold()
            self.build.end("SUCCEEDED", "BuildSucceeded", self.build.decision, model=self.build.model)


def _is_early(version: ModelVersion | None, build: Build) -> bool:
    return version is not None and version.early and version.build_id == build.pk


def _find_champion(product: DataProduct) -> ModelVersion | None:
    """Find the champion. Its recipe takes part in the contest even where its model cannot be loaded."""
    state = ProductState.objects.filter(product=product.name).first()
    return state.champion if state else None
