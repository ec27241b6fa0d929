"""The life of a product over a shop's tables: build, predict, take feedback, build again.

Run as a process of its own beside the products' apps: python life.py PRODUCT KEY LABEL.
"""

import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from schema.core.context import Context  # noqa: E402
from schema.schema import schema  # noqa: E402
from store.access.actors import Actor  # noqa: E402
from store.builds import runner  # noqa: E402
from store.builds.builds import Build  # noqa: E402
from store.products import catalogue  # noqa: E402
from store.serving import champions  # noqa: E402

CONTEXT = Context(Actor(author="ann", superuser=True), None)


def ask(query: str) -> Any:
    result = schema.execute_sync(query, context_value=CONTEXT)
    assert result.errors is None, result.errors
    return result.data


def build(name: str, options: dict[str, Any] | None = None) -> Build:
    """Build a product in this process; return its row."""
    request, _ = Build.objects.request(catalogue.get(name), by="tests", options=options)
    claimed = Build.objects.claim(request.pk)
    assert claimed
    runner.run(claimed)
    row = Build.objects.get(pk=request.pk)
    assert row.status == "SUCCEEDED", row.problem_message
    champions.refresh()
    return row


def live(name: str, key: str, label: str) -> None:
    """Contradict the label of one entity, which the next snapshot has."""
    first = build(name)
    champion = ask(f"{{ {name} {{ champion {{ id }} }} }}")[name]["champion"]
    assert champion, first.decision
    predicted = ask(
        f'{{ {name} {{ predictFor(entity: "{key}") {{ id label probabilities {{ label }} }} }} }}'
    )
    prediction = predicted[name]["predictFor"]
    assert prediction["label"] in [each["label"] for each in prediction["probabilities"]]
    about = f'about: {{prediction: "{prediction["id"]}"}}'
    given = ask(
        f"mutation {{ {name}Feedback(input: {{{about}, label: {label}}}) "
        "{ featureRowsChanged notWritten { message } entity { label truth } } }"
    )[f"{name}Feedback"]
    assert (given["featureRowsChanged"], given["notWritten"]) == (1, None), given
    assert given["entity"] == {"label": label, "truth": label}
    second = build(name, {"candidates": 1})  # of which only the snapshot matters
    assert first.snapshot and second.snapshot
    assert first.snapshot.fingerprint != second.snapshot.fingerprint
    assert second.snapshot.rows == first.snapshot.rows
    assert second.snapshot.undeclared_values == ()


if __name__ == "__main__":
    live(*sys.argv[1:])
