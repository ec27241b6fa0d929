"""Peers that serve a fitted scikit-learn pipeline: their commands and the bodies of their requests."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import _peers
from benchmarks._measurements import libpq_environment

Features = Mapping[str, Any]

#: Variables that switch their telemetry off.
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
UVICORN = ("uvicorn", "--no-access-log", "--log-level=warning", "--loop=uvloop", "--http=httptools")


@dataclass(frozen=True, kw_only=True)
class PeerServer:
    """A server of a peer."""

    name: str
    #: Its environment in `.peers`; None: the project's.
    environment: str | None
    #: Arguments of Python for a port and a folder.
    command: Callable[[int, Path], Sequence[str | Path]]
    #: Path that answers once the server is ready.
    ready: str
    path: str
    #: The body of a request for one instance.
    body: Callable[[Features], object]
    #: True where the server can be stopped while others are measured.
    freezes: bool = True

    @property
    def python(self) -> Path:
        """The Python of its environment, which is created where it is missing."""
        return _peers.get_python(self.environment) if self.environment else Path(sys.executable)

    def arguments(self, port: int, folder: Path) -> list[str | Path]:
        """Return the command that starts the server."""
        return [self.python, *self.command(port, folder)]

    def environment_variables(self, pipeline: Path, folder: Path) -> dict[str, str]:
        """Return the environment variables that the server reads."""
        # PYTHONSAFEPATH: packages come from its environment only; BentoML, too, imports a package called `schema`.
        own = {"PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONSAFEPATH": "1"}
        return own | QUIET | libpq_environment() | {"PIPELINE": str(pipeline), "BENTOML_HOME": str(folder)}

    def text(self, features: Features) -> str:
        return json.dumps(self.body(features))


FLOOR = PeerServer(
    name="hello world",
    environment=None,
    command=lambda port, _: ("-m", *UVICORN, f"--port={port}", "benchmarks._hello:app"),
    ready="/",
    path="/",
    body=lambda features: {"features": features},
)
MLFLOW = PeerServer(
    name="MLflow",
    environment="mlflow",
    command=lambda port, folder: (_peers.PEERS / "with_mlflow.py", str(port), folder / "mlflow"),
    ready="/ping",
    path="/invocations",
    body=lambda features: {"dataframe_records": [features]},
)
BENTOML = PeerServer(
    name="BentoML",
    environment="bentoml",
    command=lambda port, _: (
        *("-m", "bentoml", "serve", "with_bentoml:Pipeline", f"--port={port}", "--host=127.0.0.1"),
        f"--working-dir={_peers.PEERS}",
    ),
    ready="/readyz",
    path="/predict",
    body=lambda features: {"rows": [features]},
    freezes=False,  # it counts the time as its own latency and rejects requests afterwards
)
LITSERVE = PeerServer(
    name="LitServe",
    environment="litserve",
    command=lambda port, _: (_peers.PEERS / "with_litserve.py", str(port)),
    ready="/health",
    path="/predict",
    body=lambda features: features,
)
FASTAPI = PeerServer(
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
#: The peers by their names on the command line.
PEER_SERVERS = {"mlflow": MLFLOW, "bentoml": BENTOML, "litserve": LITSERVE, "fastapi": FASTAPI}
