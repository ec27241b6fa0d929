"""A disk without room under a whole system: nothing dies of it for good, and nothing that was answered is lost."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.disks import filled, small_disk
from tests.system import System, state_folder
from tests.test_lifecycle import code, data
from tests.waiting import alive, eventually

pytestmark = pytest.mark.system

PREDICT = "mutation($input: DiabetesPredictManyInput!) { diabetesPredictMany(input: $input) { predictions { id } } }"
FEATURES = {
    "age": 59,
    "sex": "FIRST",
    "bmi": 32.1,
    "bloodPressure": 101,
    "totalCholesterol": 157,
    "ldl": 93,
    "hdl": 38,
    "cholesterolRatio": 4,
    "logTriglycerides": 4.9,
    "glucose": 87,
}
#: Predictions of a request: PostgreSQL has some 80 MB of files to write on in when the disk is full.
BATCH = 500


@pytest.fixture
def cramped(grown: Path) -> Iterator[tuple[System, Path]]:
    """A system with champions whose state folder is on a disk of its own."""
    parent = state_folder().parent
    with small_disk(parent, megabytes=2_000) as disk:
        subprocess.run(["cp", "-a", grown, disk / "exemplar"], check=True)
        system = System(disk / "exemplar")
        # On a disk with room, to be read meanwhile.
        system.log = system.supervisor.log = parent / "cramped.log"
        try:
            yield system.start(), disk
        finally:
            system.stop()


def test_a_system_goes_on_through_a_full_disk(cramped: tuple[System, Path]) -> None:
    system, disk = cramped
    supervisor, web = system.process("supervisor"), system.process("web")
    answered: list[str] = []

    def predict() -> dict[str, object]:
        first = len(answered)
        rows = [{"reference": f"{first + place} {'x' * 80}", "features": FEATURES} for place in range(BATCH)]
        answer = system.ask(PREDICT, {"input": {"rows": rows}})
        if "errors" not in answer:
            answered.extend(each["id"] for each in data(answer)["diabetesPredictMany"]["predictions"])
        return answer

    assert eventually(lambda: "errors" not in predict())
    with filled(disk):
        assert eventually(lambda: "There is no room on the disk of" in system.output)
        # PostgreSQL writes on as long as it has room of its own, then refuses or ends.
        assert eventually(lambda: "errors" in predict(), 300)
        assert code(predict()) == "UNAVAILABLE"
        os.kill(web, SIGKILL)
        assert eventually(lambda: "processes.json is out of date" in system.output)
        assert alive(supervisor)
    assert eventually(lambda: "There is room on the disk of" in system.output)
    assert eventually(lambda: system.status("/ready") == 200 and system.process("web") != web, 300)
    assert eventually(lambda: "errors" not in predict())
    assert system.process("supervisor") == supervisor
    assert "project/supervisor.py" not in system.output  # no traceback of the supervisor's
    known = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    nodes = data(system.ask(known, {"ids": answered[-500:]}))["nodes"]
    assert [node and node["id"] for node in nodes] == answered[-500:]
