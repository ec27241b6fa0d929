"""The peers that serve a fitted scikit-learn pipeline: how each is started, and what is posted to it."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import _peers
from benchmarks._measurements import libpq

Features = Mapping[str, Any]

#: They call nobody.
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
UVICORN = ("uvicorn", "--no-access-log", "--log-level=warning", "--loop=uvloop", "--http=httptools")


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A server of somebody else's."""

    name: str
    #: Of `.peers`; None: ours will do.
    environment: str | None
    #: Behind `python -m` or `python`, given the port and a folder of its own.
    command: Callable[[int, Path], Sequence[str | Path]]
    ready: str
    path: str
    #: What is posted of one instance.
    body: Callable[[Features], Any]
    #: Whether it may be frozen while others are measured.
    freezes: bool = True

    @property
    def python(self) -> Path:
        """Of its environment, which is made where it is missing."""
        return _peers.python(self.environment) if self.environment else Path(sys.executable)

    def arguments(self, port: int, folder: Path) -> list[str | Path]:
        """What starts it."""
        return [self.python, *self.command(port, folder)]

    def surroundings(self, pipeline: Path, folder: Path) -> dict[str, str]:
        """The environment variables that it reads."""
        # What is imported comes from its environment, not from where it is started: BentoML, too, wants a `schema`.
        own = {"PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONSAFEPATH": "1"}
        return own | QUIET | libpq() | {"PIPELINE": str(pipeline), "BENTOML_HOME": str(folder)}

    def text(self, features: Features) -> str:
        return json.dumps(self.body(features))


FLOOR = Rival(
    name="hello world",
    environment=None,
    command=lambda port, _: ("-m", *UVICORN, f"--port={port}", "benchmarks._hello:app"),
    ready="/",
    path="/",
    body=lambda features: {"features": features},
)
MLFLOW = Rival(
    name="MLflow",
    environment="mlflow",
    command=lambda port, folder: (_peers.PEERS / "with_mlflow.py", str(port), folder / "mlflow"),
    ready="/ping",
    path="/invocations",
    body=lambda features: {"dataframe_records": [features]},
)
BENTOML = Rival(
    name="BentoML",
    environment="bentoml",
    command=lambda port, _: (
        *("-m", "bentoml", "serve", "with_bentoml:Pipeline", f"--port={port}", "--host=127.0.0.1"),
        f"--working-dir={_peers.PEERS}",
    ),
    ready="/readyz",
    path="/predict",
    body=lambda features: {"rows": [features]},
    freezes=False,  # it takes the time that it was frozen for its own slowness, and refuses requests from then on
)
LITSERVE = Rival(
    name="LitServe",
    environment="litserve",
    command=lambda port, _: (_peers.PEERS / "with_litserve.py", str(port)),
    ready="/health",
    path="/predict",
    body=lambda features: features,
)
FASTAPI = Rival(
    name="FastAPI + upsert",
    environment="fastapi",
    command=lambda port, _: (
        *("-m", *UVICORN, f"--port={port}"),
        *(f"--app-dir={_peers.PEERS}", "with_fastapi:app"),
    ),
    ready="/ready",
    path="/predict",
    body=lambda features: features,
)
#: By what they are called on the command line.
RIVALS = {"mlflow": MLFLOW, "bentoml": BENTOML, "litserve": LITSERVE, "fastapi": FASTAPI}
