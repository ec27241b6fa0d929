"""Notices for people: sentences about products, each with the page where to act on it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.urls import reverse

from .api import JSONObject
from .measures import compare_with_promised, find_measure, is_below_promised
from .wording import first_sentences, write_metrics

#: Features whose corrected p-value is below this differ beyond chance.
BEYOND_CHANCE = 0.05
#: The least Jensen–Shannon distance that is told of: smaller ones are beyond chance where predictions are many.
LEAST_DISTANCE = 0.1
#: Features that a sentence names.
MOST_FEATURES = 3
#: The weights of sentences: the first is listed first. With the class and the text of the badge.
WEIGHTS = {"bad": "Act", "warn": "Check", "plain": "Know"}


@dataclass(frozen=True)
class Notice:
    """A sentence, with the page where to act on it."""

    #: Of WEIGHTS.
    weight: str
    #: The title of the product; the name of what is declared and not served.
    subject: str
    text: str
    url: str = ""
    action: str = ""
    #: When it happened, where that is known.
    at: str = ""

    @property
    def badge(self) -> str:
        """The weight in a word."""
        return WEIGHTS[self.weight]


def list_notices(data: JSONObject) -> list[Notice]:
    """List what wants attention, the weightiest first. Metrics have their titles in all sentences."""
    notices = [
        Notice("bad", each["name"], f"It is declared and not served: {each['reason']} ./dev check says more.")
        for each in data.get("refusedProducts") or ()
    ]
    for product in data["products"]:
        notices.extend(_list_of_product(product))
    notices = [replace(notice, text=write_metrics(notice.text)) for notice in notices]
    return sorted(notices, key=lambda notice: list(WEIGHTS).index(notice.weight))


def _list_of_product(product: JSONObject) -> Iterator[Notice]:
    builds = (product["builds"] or {}).get("nodes") or []
    if builds:
        yield from _list_of_build(product, builds[0])
    # Builds are null where they could not be listed, and then nothing is known of a champion either.
    is_known = "VIEW" in product["viewerPermissions"] and product["builds"] is not None
    if product["champion"] is None and is_known and not _is_building(builds):
        yield _notice(
            product, "bad", "No version serves, so nothing can be predicted.", "builds", "Build one"
        )
    yield from _list_of_versions(product)
    yield from _list_of_rules(product)
    if product["quality"]:
        yield from _list_of_quality(product, product["quality"])


def _is_building(builds: list[JSONObject]) -> bool:
    return bool(builds) and builds[0]["status"] in ("READY", "RUNNING")


def _list_of_build(product: JSONObject, build: JSONObject) -> Iterator[Notice]:
    url = f"{_url(product, 'builds')}{build['number']}/"
    if build["status"] == "FAILED":
        reason = (build["problem"] or {}).get("message") or "its log says why."
        yield Notice(
            "bad", product["title"], f"Build {build['number']} failed: {reason}", url, "See the build"
        )
    model, champion = build["model"], product["champion"]
    if build["promoted"] is False and model and model["status"] == "CHALLENGER" and champion:
        text = first_sentences(build["decision"] or "")
        yield Notice("warn", product["title"], text, _url(product, "models"), "See the versions")


def _list_of_versions(product: JSONObject) -> Iterator[Notice]:
    if hold := (product["settings"] or {}).get("hold"):
        yield _notice(
            product, "warn", f"Winners of builds wait for a person: {hold}", "models", "See the versions"
        )
    if pending := product["pendingPromotion"]:
        text = f"Version {pending['model']['number']} waits for evidence. {pending['message']}"
        yield _notice(product, "plain", text, "models", "See the versions")
    if trial := product["trial"]:
        kind = "is tried in a shadow" if trial["kind"] == "SHADOW" else "answers a share of the subjects"
        text = f"Version {trial['model']['number']} {kind}: {trial['predicted']:,} predictions so far."
        weight = "warn" if trial["problem"] else "plain"
        yield _notice(
            product,
            weight,
            f"{text} {trial['problem']}".strip(),
            "models",
            "See the trial",
            trial["startedAt"],
        )


def _list_of_rules(product: JSONObject) -> Iterator[Notice]:
    decisions = ((product["retraining"] or {}).get("decisions") or {}).get("nodes") or []
    for decision in decisions[:1]:
        if build := decision["build"]:
            text = f"A rule requested build {build['number']}: {decision['reason']}"
            url = f"{_url(product, 'builds')}{build['number']}/"
            yield Notice("plain", product["title"], text, url, "See the build", decision["at"])


def _list_of_quality(product: JSONObject, quality: JSONObject) -> Iterator[Notice]:
    live = find_measure(quality["measured"], product["metric"])
    if is_below_promised(live, quality["promised"]):
        text = compare_with_promised(live, quality["promised"])
        yield _notice(
            product, "bad", f"{text} These are figures of the last 7 days.", "quality", "See the quality"
        )
    if drifting := list_drifting(quality["drift"]):
        yield _notice(product, "warn", describe_drift(drifting), "quality", "See the drift")
    if disputed := quality["disputed"]:
        people = (
            "People disagree about the subject of 1 prediction"
            if disputed == 1
            else (f"People disagree about the subjects of {disputed:,} predictions")
        )
        yield _notice(product, "plain", f"{people} of the last 7 days.", "correct", "Decide")


def list_drifting(drift: list[JSONObject]) -> list[JSONObject]:
    """List the features that drift beyond chance and by a distance that may matter, the farthest first."""
    drifting = [each for each in drift if is_drifting(each)]
    return sorted(drifting, key=lambda each: -each["value"])


def is_drifting(feature: JSONObject) -> bool:
    """Return True if a feature drifts beyond chance, by a distance that may matter."""
    value, p_value = feature["value"], feature["adjustedPValue"]
    return value is not None and p_value is not None and value >= LEAST_DISTANCE and p_value < BEYOND_CHANCE


def describe_drift(drifting: list[JSONObject]) -> str:
    """Describe which features drift, in a sentence."""
    named = ", ".join(
        f"{each['feature']['title']} ({each['value']:.2f})" for each in drifting[:MOST_FEATURES]
    )
    rest = len(drifting) - MOST_FEATURES
    more = f" and {rest:,} more" if rest > 0 else ""
    begin = "A feature drifts" if len(drifting) == 1 else f"{len(drifting):,} features drift"
    return f"{begin} from what was learned: {named}{more}."


def _notice(product: JSONObject, weight: str, text: str, section: str, action: str, at: str = "") -> Notice:
    return Notice(weight, product["title"], text, _url(product, section), action, at)


def _url(product: JSONObject, section: str) -> str:
    return reverse(f"console:{section}", args=[product["name"]])
