"""Run the tests beside a team's project with a user model of its own: `BESIDE_A_TEAM=1 ./dev test`."""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
#: The folder of the team's project.
TEAM = TESTS / "team"
#: The app with the team's user model.
ACCOUNTS = "accounts"
EXAMPLES = [f"examples.{file.parent.name}" for file in sorted(TESTS.parent.glob("examples/*/products.py"))]
#: What the environment variables of Exemplar are beside the team's project; empty where the tests run without one.
ENVIRONMENT = (
    {
        "EXEMPLAR_PRODUCTS": ",".join([*EXAMPLES, ACCOUNTS]),
        "EXEMPLAR_USER_MODEL": f"{ACCOUNTS}.User",
        "PYTHONPATH": str(TEAM),
    }
    if os.environ.get("BESIDE_A_TEAM")
    else {}
)
if ENVIRONMENT:
    sys.path.append(str(TEAM))
