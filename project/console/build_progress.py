"""The course of a build: its steps with their times, its candidates by rank, and the best score over time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median

from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from .api import JSONObject
from .charts import Series, lines
from .templatetags.registry import duration

#: States of a build that has not ended.
UNFINISHED = ("READY", "RUNNING")
#: The steps of a build, in their order.
STEPS = (
    "Wait for a worker",
    "Join the tables into a snapshot",
    "Analyse the features",
    "Compare the candidates and fit the best",
    "Promote the winner and draw its pictures",
)
#: What fits are for, in words behind the fold.
STAGES = {
    "SCREENING": "of the screening",
    "SEARCH": "of the search",
    "FINAL_ROUND": "of the final round",
    "ALL_EXAMPLES": "for the model",
}
#: Points of the chart of the best score.
PLACES = 40


@dataclass(frozen=True)
class BuildStep:
    """One step of a build, with the time that it took and that it took in earlier builds."""

    title: str
    #: `done`, `now` or `ahead`.
    state: str
    #: Seconds; None unless it is done.
    elapsed: float | None
    #: Seconds: the median of earlier builds; None without any.
    expected: float | None
    #: The moment of its begin; None unless it is the step that runs.
    since: datetime | None


def list_steps(build: JSONObject, ended: Iterable[JSONObject]) -> list[BuildStep]:
    """List the steps of a build; what it should take is told by builds that have ended."""
    moments, running = list_moments(build), build["status"] in UNFINISHED
    past = [durations(list_moments(each)) for each in ended if each["number"] != build["number"]]
    own = durations(moments)
    steps = []
    for place, title in enumerate(STEPS):
        values = [value for each in past if (value := each[place]) is not None]
        begin = moments[place]
        is_done = begin is not None and moments[place + 1] is not None
        now = running and not is_done and begin is not None
        state = "done" if is_done else "now" if now else "ahead"
        steps.append(
            BuildStep(title, state, own[place], median(values) if values else None, begin if now else None)
        )
    return steps


def list_moments(build: JSONObject) -> list[datetime | None]:
    """List the moments at which the steps of a build began, and at which the last one ended."""
    events = {event["__typename"]: event["at"] for event in build["begin"]["nodes"]}
    model = build["model"] or {}
    texts = (
        build["requestedAt"],
        build["startedAt"],
        events.get("SnapshotTaken"),
        events.get("FeaturesAnalysed"),
        model.get("builtAt"),
        build["endedAt"],
    )
    moments = [parse_datetime(text) if text else None for text in texts]
    # A build that shares the snapshot of an earlier attempt, or that has no winner, leaves steps out.
    if build.get("status", "SUCCEEDED") == "SUCCEEDED":
        for place in range(len(moments) - 2, 0, -1):
            moments[place] = moments[place] or moments[place + 1]
    return moments


def durations(moments: Sequence[datetime | None]) -> list[float | None]:
    """List the seconds between moments; None where one is missing."""
    return [
        None if begin is None or end is None else max(0.0, (end - begin).total_seconds())
        for begin, end in pairwise(moments)
    ]


def rank(build: JSONObject) -> list[JSONObject]:
    """List the candidates that the page has, the best first: by the final round, then by the search."""
    candidates = {each["id"]: each for part in ("best", "newest") for each in build[part]["nodes"]}
    scored = [each for each in candidates.values() if each["complete"] or each["finalScore"] is not None]
    return sorted(scored, key=lambda each: (_descending(each["finalScore"]), _descending(each["score"])))


def list_running(build: JSONObject) -> list[JSONObject]:
    """List the fits that run, the longest first, each with its task in words."""
    fits = [{**fit, "task": describe_task(fit)} for fit in build["runningFits"]]
    return sorted(fits, key=lambda fit: -fit["seconds"])


def describe_task(fit: JSONObject) -> str:
    """Describe what a fit is for; folds count from 1."""
    stage, fold = STAGES.get(fit["stage"], ""), fit["fold"]
    return f"fold {fold + 1} {stage}".strip() if fold is not None else f"all examples {stage}".strip()


def list_open(build: JSONObject) -> list[JSONObject]:
    """List the candidates of the page that are in the contest, have no score yet, and do not run."""
    events = build["events"]["nodes"]
    judged = {event["candidate"]["id"] for event in events if event["__typename"] == "CandidateScored"}
    judged |= {fit["candidate"]["id"] for fit in build["runningFits"] if fit["candidate"]}
    candidates = {each["id"]: each for part in ("newest", "best") for each in build[part]["nodes"]}
    return [
        each
        for each in candidates.values()
        if not each["complete"] and each["problem"] is None and each["id"] not in judged
    ]


def draw_best(build: JSONObject) -> SafeString:
    """Draw the best score of the search over the time since its begin."""
    points = list(_improvements(build))
    if len({best for _, best in points}) < 2:  # a flat line says nothing
        return SafeString("")
    begin, end = points[0][0], max(points[-1][0], points[0][0] + 1)
    moments = [begin + (end - begin) * place / (PLACES - 1) for place in range(PLACES)]
    values = [[best for at, best in points if at <= moment][-1] for moment in moments]
    labels = [duration(moment) for moment in moments]
    return lines("The best score of the search over time", labels, [Series("Best score", values)], height=180)


def _improvements(build: JSONObject) -> Iterable[tuple[float, float]]:
    """Yield seconds since the start and the best score of the search then; a second score is of the final round."""
    started, best, seen = parse_datetime(build["startedAt"] or build["requestedAt"]), None, set()
    for event in build["events"]["nodes"]:
        candidate = event.get("candidate")
        at = parse_datetime(event["at"])
        if not candidate or candidate["score"] is None or candidate["id"] in seen or not (at and started):
            continue
        seen.add(candidate["id"])
        best = candidate["score"] if best is None else max(best, candidate["score"])
        yield (at - started).total_seconds(), best


def _descending(value: float | None) -> float:
    return float("inf") if value is None else -value
