"""Runs a benchmark with engines of its own, which are thrown away: `./dev bench NAME [its options]`."""

import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
#: What would have the benchmark use engines, or settings, of the user's.
FOREIGN = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in (known := names()):
        sys.exit(f"./dev bench NAME: there {'are' if len(known) > 1 else 'is'} {', '.join(known)}.")
    folder = tempfile.mkdtemp(prefix="exemplar-bench-")
    try:
        run(name, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def names() -> list[str]:
    return sorted(file.stem for file in HERE.glob("*.py") if not file.stem.startswith("_"))


def run(name: str, folder: str) -> None:
    for variable in [v for v in os.environ if v in FOREIGN or v.startswith("EXEMPLAR_")]:
        del os.environ[variable]
    products = [f"examples.{file.parent.name}" for file in HERE.parent.glob("examples/*/products.py")]
    os.environ |= {
        "EXEMPLAR_STATE": folder,
        "EXEMPLAR_PRODUCTS": ",".join([*sorted(products), "benchmarks.mixed"]),
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }
    # Only now: the settings read the environment when they are imported.
    import django
    from django.conf import settings
    from django.core.management import call_command

    from project import engines

    with engines.running(settings.EXEMPLAR_STATE, engines.embedded(settings), f"bench {name}"):
        # So that the models of a benchmark know each other.
        settings.INSTALLED_APPS.append("benchmarks")
        # Its tables are ours to make: of its models, as they are.
        settings.EXEMPLAR_FOREIGN.clear()
        django.setup()
        call_command("migrate", run_syncdb=True, interactive=False, verbosity=0)
        sys.argv = sys.argv[1:]
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
