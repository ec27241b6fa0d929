"""Pages of a frontend, as queries of our API and of PostGraphile's: the registry, and predictions by conditions."""

import json
import math
from typing import NamedTuple

from django.db import connection

from benchmarks import _champions
from benchmarks.mixed import loader
from benchmarks.mixed.products import mixed
from learning.estimators.families import Candidate
from learning.evaluation.measures import Measure
from learning.selection.steps import FoldScored
from store.builds.candidates import FoldScore
from store.entities import entities
from store.predictions import upsert
from store.registry.versions import ModelVersion
from store.serving import champions, predict
from store.snapshots.snapshots import Snapshot

MODELS, PREDICTIONS = 20, 100
FOLDS, METRICS = 5, ("roc_auc", "accuracy", "log_loss", "recall", "precision")
#: Stored predictions; a page has the newest of them.
STORED = 5_000


class Page(NamedTuple):
    """The queries of a page, and how its answer is recognised."""

    name: str
    ours: str
    postgraphile: str
    #: A field that a complete answer of either API has `times` times.
    field: str
    times: int


REGISTRY = Page(
    name=f"registry: {MODELS} models with scores",
    ours=f"""{{ mixed {{ models(first: {MODELS}) {{ edges {{ node {{
        number family metric score builtAt size runtime scores {{ metric label fold value }} }} }} }} }} }}""",
    postgraphile=f"""{{ allStoreModelversions(first: {MODELS}, orderBy: ID_DESC, condition: {{product: "mixed"}}) {{
        edges {{ node {{ number family metric score builtAt size runtime storeCandidateByCandidateId {{
        storeFoldscoresByCandidateId(condition: {{round: "contest"}}) {{ nodes {{ fold
        storeScoresByFoldId {{ nodes {{ metric label value }} }} }} }} }} }} }} }} }}""",
    field="builtAt",
    times=MODELS,
)
FEATURES = "age calls minutes bill megabytes score overdue roams plan city"


def _build_predictions(name: str, ours: str, postgraphile: str) -> Page:
    """Build a page of predictions that meet a condition, as each API writes it."""
    return Page(
        name=name,
        ours=f"""{{ mixed {{ predictions(first: {PREDICTIONS}{ours}) {{ edges {{ node {{
            id label confidence createdAt timesAsked probabilities {{ label probability }} features {{ {FEATURES} }}
            model {{ number family }} }} }} pageInfo {{ hasNextPage endCursor }} }} }} }}""",
        postgraphile=f"""{{ allStorePredictions(first: {PREDICTIONS}, orderBy: CREATED_AT_DESC, condition: {{
            product: "mixed"{postgraphile}}}) {{ edges {{ node {{ nodeId answer confidence createdAt timesAsked output
            features storeModelversionByModelId {{ number family }} }} }} pageInfo {{ hasNextPage endCursor }} }} }}""",
        field="timesAsked",
        times=PREDICTIONS,
    )


ANSWERS = _build_predictions(f"{PREDICTIONS} predictions", "", "")
OF_LABEL = _build_predictions(
    f"{PREDICTIONS} predictions of a label", ", filter: {label: {eq: STAYS}}", ', answer: "stays"'
)
WITHOUT_REFERENCE = _build_predictions(
    f"{PREDICTIONS} without a reference",
    ", filter: {reference: {isNull: true}}",
    ", reference: null",
)
PAGES = (REGISTRY, ANSWERS, OF_LABEL, WITHOUT_REFERENCE)


def fill_tables() -> None:
    """Fill the registry with the versions of a page, each with scores, and store predictions of the first."""
    loader.load(STORED)
    snapshot, recipe = Snapshot.objects.take(mixed), Candidate("linear", {"C": 1.0})
    model = _champions.fit_model(mixed, snapshot.dataset(mixed), recipe)
    for number in range(MODELS):
        recipe = Candidate("linear", {"C": 1.0 + number})
        version = _champions.register(mixed, snapshot, recipe, model)
        for fold in range(FOLDS):
            FoldScore.objects.record(version.build, _build_scores(recipe, fold))
        if not number:
            _champions.promote(version)
            _predict(version)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # otherwise PostgreSQL does it during the measurement


def _build_scores(recipe: Candidate, fold: int) -> FoldScored:
    measures = tuple(Measure(name, None, math.cos(fold)) for name in METRICS)
    return FoldScored(
        percent=50.0,
        candidate=recipe,
        round="contest",
        fold=fold,
        score=0.9,
        measures=measures,
        fit_seconds=0.1,
        predict_seconds=0.01,
    )


def _predict(version: ModelVersion) -> None:
    champion = champions.Champion(mixed, version, version.load(mixed))
    validated = [
        predict.validate_entity(mixed, entity.key, entity) for entity in entities.after(mixed, None, STORED)
    ]
    upsert.insert(predict.compute(champion, predict.accepted(validated)))


def encode_body(query: str) -> str:
    """Encode the query as JSON; its variable `varied` differs in each request and has no effect."""
    return json.dumps({"query": " ".join(query.split()), "variables": {"varied": 0}})


def check(page: Page, answer: str) -> None:
    """Raise SystemExit where the answer is not the whole page."""
    if '"errors"' in answer or answer.count(f'"{page.field}"') != page.times:
        raise SystemExit(f"The answer is not the page {page.name}:\n{answer[:2_000]}")
