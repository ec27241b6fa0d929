"""The settings of the tests: engines in a state folder of their own, and the tests' apps beside the examples."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from tests import beside, keys

#: What says how many threads OpenMP's and OpenBLAS's pools have; read when NumPy and scikit-learn are loaded.
COMPUTE_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# Before the project's settings read the environment; what the caller has set of it is not for the tests.
for name in [name for name in os.environ if name.startswith("EXEMPLAR_")]:
    del os.environ[name]
# Estimators compute on one thread, as a build's processes have it: the tests' processes are the parallelism.
for name in COMPUTE_THREADS:
    os.environ.setdefault(name, "1")
# A build in the tests' process fits in one process: each costs as much as the fits of a small build. Builds of running
# systems, and those of tests/learning, fit in two.
os.environ |= {
    "EXEMPLAR_CPUS": "1",
    "EXEMPLAR_STATE": tempfile.mkdtemp(prefix="exemplar-tests-"),
    "EXEMPLAR_OPEN": "on",
    **keys.KEYS,
    **beside.ENVIRONMENT,
}
atexit.register(shutil.rmtree, os.environ["EXEMPLAR_STATE"], ignore_errors=True)

from project.settings import *  # noqa: E402, F403
from project.settings import BASE_DIR, EXEMPLAR_FOREIGN, INSTALLED_APPS  # noqa: E402

# The examples, also where DATABASE_URL is set, and no product of the user's.
OWN = {"guardian", "project", "store", "schema", *EXEMPLAR_FOREIGN}
INSTALLED_APPS = [name for name in INSTALLED_APPS if "." in name or name in OWN]
for folder in (BASE_DIR / "examples").glob("*/products.py"):
    if f"examples.{folder.parent.name}" not in INSTALLED_APPS:
        INSTALLED_APPS.append(f"examples.{folder.parent.name}")

#: Every folder of the tests with models is an app of theirs.
INSTALLED_APPS += [f"tests.{file.parent.name}" for file in sorted(Path(__file__).parent.glob("*/models.py"))]

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
