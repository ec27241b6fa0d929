"""The acts of a person on a version, with what will happen then: promote, roll back, try, end a trial."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.contrib import messages
from django.http import HttpRequest

from ..api import JSONObject, Problem, ask, fetch
from ..pages import require

#: Codes of problems that say that somebody else was quicker.
STALE = ("CHAMPION_CHANGED", "CONFLICT", "STALE_VERSION")
#: What stands behind the sentence of a problem of these.
QUICKER = "Somebody else was quicker: read below what serves now, then decide again."


@dataclass(frozen=True)
class Act:
    """One act of the page of a version."""

    name: str
    title: str
    #: What will happen.
    consequence: str
    #: Words of the button.
    button: str
    #: Whether it asks for the share of a split.
    has_share: bool = False
    hidden: dict[str, str] = field(default_factory=dict)


def list_acts(data: JSONObject, version: JSONObject) -> list[Act]:
    """List the acts that are possible with a version now."""
    champion, trial = data["champion"], data["trial"]
    hidden = {"champion": champion["id"]} if champion else {}
    acts: list[Act] = []
    if version["status"] == "CHAMPION":
        newest = data["promotions"]["nodes"]
        if newest and (newest[0]["previous"] or len(newest) > 1):
            acts.append(_roll_back(newest[0], trial, hidden))
    else:
        acts.append(_promote(version, champion, trial, hidden))
    if trial and trial["model"]["number"] == version["number"]:
        acts.append(
            Act("end", "End the trial", "The version predicts no more; the champion answers all.", "End it")
        )
    if version["status"] in ("CHALLENGER", "RETIRED", "SPLIT") and champion:
        acts += _try(version, champion, trial)
    return acts


def _promote(
    version: JSONObject, champion: JSONObject | None, trial: JSONObject | None, hidden: dict[str, str]
) -> Act:
    replaces = f"instead of version {champion['number']}" if champion else "as the first version"
    sentences = [f"Version {version['number']} serves from the next second on, {replaces}."]
    if trial:
        sentences.append(f"The trial of version {trial['model']['number']} ends.")
    sentences.append("Winners of later builds are promoted automatically again, where the product allows it.")
    return Act("promote", "Let it serve", " ".join(sentences), "Promote it", hidden=hidden)


def _roll_back(newest: JSONObject, trial: JSONObject | None, hidden: dict[str, str]) -> Act:
    previous = newest["previous"]
    before = (
        f"Version {previous['number']}, which served before, serves again"
        if previous and not newest["rollback"]
        else "The version that served before serves again"
    )
    ends = f" The trial of version {trial['model']['number']} ends." if trial else ""
    return Act(
        "rollback",
        "Roll back",
        f"{before}.{ends} Winners of later builds wait until a person promotes one.",
        "Roll back",
        hidden=hidden,
    )


def _try(version: JSONObject, champion: JSONObject, trial: JSONObject | None) -> list[Act]:
    number = champion["number"]
    ends = f" It ends the trial of version {trial['model']['number']}." if trial else ""
    acts = [
        Act(
            "split",
            "Let it answer for a share",
            f"It answers for this share of the subjects instead of version {number}, the same subjects each time. "
            f"It ends by itself if it is worse beyond noise.{ends}",
            "Start the split",
            has_share=True,
        )
    ]
    if trial is None:
        shadow = (
            f"It predicts what version {number} is asked, and serves nobody: no answer changes or slows. "
            "It ends by itself if it is worse beyond noise."
        )
        acts.insert(0, Act("shadow", "Try it in a shadow", shadow, "Start the shadow"))
    return acts


def act(request: HttpRequest, product: str, number: int) -> list[Problem] | None:
    """Do what the form asks for; return the problems, or None when it is done."""
    posted = request.POST
    chosen = ACTS.get(posted.get("act", ""))
    if chosen is None:
        return [Problem("BAD_INPUT", "The page does not know this act. Load it again.")]
    data = require(
        fetch(request, "ModelIds", {"product": product, "a": number, "b": number})["product"],
        "There is no such product.",
    )
    version = require(data["a"], f"There is no version {number}.")
    operation, build_input, sentence = chosen
    values = {"product": product, "model": version["id"], "reason": posted.get("reason", "").strip()}
    problems = (
        [] if values["reason"] else [Problem("BAD_INPUT", "Say why: the reason is stored.", ("reason",))]
    )
    problems = problems or ask(request, operation, {"input": build_input(request, values)}).problems
    if not problems:
        messages.success(request, sentence.format(number=number))
        return None
    for problem in problems:
        if problem.code in STALE:
            problem.message = f"{problem.message} {QUICKER}"
    return problems


def _promotion(request: HttpRequest, values: JSONObject) -> JSONObject:
    champion = request.POST.get("champion")
    return {
        "model": values["model"],
        "reason": values["reason"],
        **({"champion": champion} if champion else {}),
    }


def _rollback(request: HttpRequest, values: JSONObject) -> JSONObject:
    return {
        "product": values["product"],
        "reason": values["reason"],
        "champion": request.POST.get("champion") or values["model"],
    }


def _shadow(request: HttpRequest, values: JSONObject) -> JSONObject:
    return {"model": values["model"], "reason": values["reason"]}


def _split(request: HttpRequest, values: JSONObject) -> JSONObject:
    text = request.POST.get("share", "").strip().removesuffix("%").strip().replace(",", ".")
    try:
        share: float | str = float(text) / 100
    except ValueError:
        share = text
    return {**values, "share": share}


def _end(request: HttpRequest, values: JSONObject) -> JSONObject:
    return {"product": values["product"], "reason": values["reason"]}


#: The acts: the operation, how its input is read from the form, and what is said when it is done.
ACTS: dict[str, tuple[str, Callable[[HttpRequest, JSONObject], JSONObject], str]] = {
    "promote": ("Promote", _promotion, "Version {number} serves now."),
    "rollback": ("Rollback", _rollback, "The version that served before version {number} serves again."),
    "shadow": ("StartShadow", _shadow, "The shadow of version {number} has begun."),
    "split": ("StartSplit", _split, "The split with version {number} has begun."),
    "end": ("EndTrial", _end, "The trial of version {number} has ended."),
}
