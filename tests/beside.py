"""Run the tests beside a team's project with a user model of its own: `BESIDE_A_TEAM=1 ./dev test`."""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
#: The folder of the team's project.
TEAM = TESTS / "team"
#: The app with the team's user model.
ACCOUNTS = "accounts"


def environment(root: Path) -> dict[str, str]:
    """Return the variables of an Exemplar in `root` beside the project; empty where tests run without one."""
    if not os.environ.get("BESIDE_A_TEAM"):
        return {}
    examples = [f"examples.{file.parent.name}" for file in sorted(root.glob("examples/*/products.py"))]
    return {
        "EXEMPLAR_PRODUCTS": ",".join([*examples, ACCOUNTS]),
        "EXEMPLAR_USER_MODEL": f"{ACCOUNTS}.User",
        "PYTHONPATH": str(TEAM),
    }


if ENVIRONMENT := environment(TESTS.parent):
    sys.path.append(str(TEAM))
