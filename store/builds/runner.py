"""Running a build: each step of learning becomes rows, as long as this attempt holds the lease."""

import logging
import threading
from contextlib import closing

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from learning import build as learning
from learning.dataset import Dataset
from learning.fits import dask_pool, process_pool
from learning.selection.decision import Incumbent

from ..jobs import events, leases, queue, temporary_folders
from ..products import catalogue
from ..products.product import DataProduct
from ..registry.product_states import ProductState
from ..registry.promotions import Promotion
from ..registry.versions import ModelVersion
from ..snapshots.snapshots import Snapshot
from . import retention
from .builds import Build
from .candidates import SEARCH, Candidate, FoldScore
from .diagnostics import Diagnostic

log = logging.getLogger(__name__)


def run_job(pk: int) -> None:
    """What RQ calls; a job may come twice, and whoever claims the build first runs it."""
    if build := Build.objects.claim(pk, queue.current_job_id()):
        run(build)


def run(build: Build) -> None:
    """Run a claimed build to its end, and make room."""
    events.publish("build", build=build.pk, product=build.product)
    leases.run_with_lease(build, lambda finished: _BuildRun(build, finished).through())
    try:
        retention.delete_old_builds(build.product)
    except (OperationalError, InterfaceError) as error:
        log.warning("No room was made after %s; the next build makes it: %s", build, error)


def elsewhere(scheduler: str) -> learning.PoolFactory | None:
    """Who runs the fits, where it is not this machine."""
    if not scheduler:
        return None
    return lambda context, seconds, megabytes: dask_pool.connect_pool(context, scheduler, seconds, megabytes)


class _BuildRun:
    """One attempt at one build."""

    def __init__(self, build: Build, finished: threading.Event):
        self.build, self.finished = build, finished
        self.product: DataProduct = catalogue.get(build.product)
        self.champion = _serving(self.product)
        self.held: str | None = None

    def through(self) -> None:
        process_pool.start_fork_server()  # starts while the tables are being joined
        with temporary_folders.build_folder() as folder:
            dataset = self.dataset()
            steps = learning.build(
                self.build.problem(),
                dataset,
                self.incumbent(dataset),
                FoldScore.objects.scored(self.build),
                workers=settings.EXEMPLAR_CPUS,
                folder=folder,
                pool_factory=elsewhere(settings.SEARCH_SCHEDULER),
            )
            # Closed whatever happens, or fits go on until the generator is collected.
            with closing(steps):
                for step in steps:
                    with transaction.atomic():
                        self.build.hold()
                        self.record(step)
        self.succeed()

    def dataset(self) -> Dataset:
        snapshot = self.build.snapshot
        if snapshot is None:
            snapshot = Snapshot.objects.take(self.product)
            with transaction.atomic():
                self.build.hold()
                self.build.snapshot = snapshot
                self.build.save(update_fields=["snapshot"])
                self.build.tell(
                    "SnapshotTaken", f"{snapshot.rows} rows joined from {snapshot.rows_in}.", percent=1.0
                )
        return snapshot.dataset(self.product)

    def incumbent(self, dataset: Dataset) -> Incumbent | None:
        if self.champion is None:
            return None
        clusters = None
        if dataset.y is None:
            clusters = self.champion.load(self.product, whole=True).estimator.predict(dataset.X)
        return Incumbent(
            family=self.champion.family,
            hyperparameters=self.champion.hyperparameters,
            metric=self.champion.metric,
            score=self.champion.score,
            fingerprint=self.champion.snapshot.fingerprint,
            clusters=clusters,
            analysis=self.champion.snapshot.analysed,
        )

    def record(self, step: learning.Step) -> None:
        match step:
            case learning.Analysed():
                self.analysed(step)
            case learning.CandidatesDrawn():
                Candidate.objects.draw(self.build, step.candidates)
            case learning.FoldScored():
                FoldScore.objects.record(self.build, step)
            case learning.CandidateScored():
                self.candidate_scored(step)
            case learning.CandidateFailed():
                self.candidate_failed(step)
            case learning.CandidateDropped():
                candidate = self.build.candidates.get(key=step.candidate.key)
                self.build.tell("CandidateScored", step.message, step.percent, candidate=candidate)
            case learning.Decided():
                self.decided(step)
            case learning.Fitted():
                self.fitted(step)
            case learning.DiagnosticDrawn():
                self.drawn(step)

    def analysed(self, step: learning.Analysed) -> None:
        """Keep it with the snapshot; an attempt that goes on finds it told already."""
        snapshot = self.build.snapshot
        assert snapshot is not None
        if snapshot.analysis is None:
            snapshot.analysis = step.analysis.as_json()
            snapshot.save(update_fields=["analysis"])
            findings = step.analysis.sentences()
            self.build.tell("FeaturesAnalysed", step.message, step.percent, findings=findings)

    def candidate_scored(self, step: learning.CandidateScored) -> None:
        candidate = self.build.candidates.get(key=step.candidate.key)
        if step.round == SEARCH:
            candidate.score = step.score
            candidate.save(update_fields=["score"])
        self.build.tell("CandidateScored", step.message, step.percent, candidate=candidate, best=step.best)

    def candidate_failed(self, step: learning.CandidateFailed) -> None:
        candidate = self.build.candidates.get(key=step.candidate.key)
        candidate.problem_code, candidate.problem_message = step.code, step.reason
        candidate.save(update_fields=["problem_code", "problem_message"])
        self.build.tell("CandidateScored", step.message, step.percent, candidate=candidate)

    def decided(self, step: learning.Decided) -> None:
        self.held = step.hold_reason
        self.build.decision = step.reason
        self.build.save(update_fields=["decision"])
        if step.winner is None:
            self.build.tell("ChampionKept", step.reason, step.percent)

    def fitted(self, step: learning.Fitted) -> None:
        model = ModelVersion.objects.register(self.build, step)
        self.build.tell("ModelRegistered", step.message, step.percent, model=model)
        if step.winner and self.build.model is None:
            self.promote(model)

    def drawn(self, step: learning.DiagnosticDrawn) -> None:
        model = self.build.models.get(candidate__key=step.candidate.key)
        diagnostic, new = Diagnostic.objects.keep(model, step.diagnostic)
        if new:
            self.build.tell("DiagnosticDrawn", step.message, step.percent, diagnostic=diagnostic)

    def promote(self, model: ModelVersion) -> None:
        """Let the winner serve, or hold it for a person; nothing is held while no champion can be loaded."""
        self.build.model = model
        state = ProductState.objects.lock(self.product.name)
        hold = self.held or state.hold or self._overtaken(state)
        if hold and state.champion and state.champion.misfit(self.product) is None:
            self.build.decision = (
                f"Version {model.number} is registered and waits for a person to promote it. {hold}"
            )
            self.build.tell("ChampionKept", self.build.decision)
        else:
            promotion = Promotion.objects.record(
                state, model, self.build.decision, by=f"{self.build}", hold=state.hold
            )
            self.build.promoted = True
            self.build.tell(
                "ModelPromoted", f"Version {model.number} serves. {self.build.decision}", promotion=promotion
            )
        self.build.save(update_fields=["model", "promoted", "decision"])

    def _overtaken(self, state: ProductState) -> str | None:
        if state.champion_id == (self.champion.pk if self.champion else None):
            return None
        return "Another version was promoted while this build ran."

    def succeed(self) -> None:
        self.finished.set()
        with transaction.atomic():
            self.build.hold()
            self.build.end("SUCCEEDED", "BuildSucceeded", self.build.decision, model=self.build.model)


def _serving(product: DataProduct) -> ModelVersion | None:
    """The champion, where its recipe can be in the contest: learned for this declaration."""
    state = ProductState.objects.filter(product=product.name).first()
    champion = state.champion if state else None
    return champion if champion and champion.misfit(product) is None else None
