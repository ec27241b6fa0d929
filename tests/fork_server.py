"""Fork server: a process that has imported the libraries, and runs each Python command in a fork of itself.

It imports nothing of the project: commands differ in the project's folder, its settings and its products.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: What commands import of libraries, as far as it does without Django's settings.
LIBRARIES = (
    *(
        "numpy.random",
        "numpy.typing",
        "orjson",
        "psycopg2.errorcodes",
        "psycopg2.extras",
        "redis",
        "rich.console",
    ),
    *("django.contrib.admin", "django.contrib.auth.hashers", "django.contrib.staticfiles.finders"),
    *("django.core.management", "django.db.backends.postgresql.base", "django.db.migrations.state"),
    *("django.forms", "django.shortcuts", "django.urls", "django.views.i18n"),
    *("croniter", "graphql", "starlette.websockets", "strawberry", "strawberry_django", "strawberry.tools"),
)
#: The file descriptors that come with a request: the request, the three standard streams, and where its process id
#: and its exit status go.
DESCRIPTORS = 5


def main(connection: socket.socket) -> dict[str, Any] | None:
    """Serve requests until the client closes the connection. Returns: in a fork, the request that it has to run."""
    gc.disable()
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for the commands
    while descriptors := socket.recv_fds(connection, 1, DESCRIPTORS)[1]:
        if os.fork() == 0:
            connection.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return fork_command(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
    return None


def fork_command(descriptors: Sequence[int]) -> dict[str, Any]:
    """Fork the command; wait for it and report how it has ended. Returns: in the fork, the request."""
    request, *streams, report = descriptors
    if pid := os.fork():
        for descriptor in (request, *streams):
            os.close(descriptor)
        os.write(report, b"%d\n" % pid)
        os.write(report, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os._exit(0)
    os.close(report)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    with open(request, encoding="utf-8") as file:
        parsed: dict[str, Any] = json.load(file)
    return parsed


def run(request: dict[str, Any]) -> None:
    """Run a script, or a module after `-m`, as a Python of its own does."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    first, *_ = sys.argv = request["command"]
    is_module = first == "-m"
    folder = request["cwd"] if is_module else str(Path(first).resolve().parent)
    sys.path[:1] = [folder, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    if is_module:
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    if command := main(socket.socket(fileno=int(sys.argv[1]))):
        run(command)
