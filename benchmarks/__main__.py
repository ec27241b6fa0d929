"""Command `./dev bench NAME [options]`: runs a benchmark with engines of its own, which are deleted afterwards."""

import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
#: Variables with which the benchmark would use the user's engines or settings.
FOREIGN = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")


def main() -> None:
    """Run the benchmark that is named on the command line."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in (benchmarks := names()):
        sys.exit(f"./dev bench NAME: there are {', '.join(benchmarks)}.")
    folder = tempfile.mkdtemp(prefix="exemplar-bench-")
    try:
        run(name, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def names() -> list[str]:
    """List the names of the benchmarks."""
    return sorted(file.stem for file in HERE.glob("*.py") if not file.stem.startswith("_"))


def run(name: str, folder: str) -> None:
    """Run the benchmark with engines whose data are in `folder`."""
    for variable in [v for v in os.environ if v in FOREIGN or v.startswith("EXEMPLAR_")]:
        del os.environ[variable]
    products = [f"examples.{file.parent.name}" for file in HERE.parent.glob("examples/*/products.py")]
    os.environ |= {
        "EXEMPLAR_STATE": folder,
        "EXEMPLAR_PRODUCTS": ",".join([*sorted(products), "benchmarks.mixed"]),
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }
    # Imported here, because the settings read the environment.
    import django
    from django.conf import settings
    from django.core.management import call_command

    from project import engines

    with engines.running(settings.EXEMPLAR_STATE, engines.embedded(settings), f"bench {name}"):
        # Models of a benchmark can reference each other.
        settings.INSTALLED_APPS.append("benchmarks")
        django.setup()
        # Every table is created from its model, without migrations.
        call_command("migrate", run_syncdb=True, interactive=False, verbosity=0)
        _create_team_tables()
        sys.argv = sys.argv[1:]
        importlib.import_module(f"benchmarks.{name}").main()


def _create_team_tables() -> None:
    """Create the tables of the benchmarks' products, which are a team's, as workers and web processes take them."""
    from django.db import connection

    from store.db import team

    with connection.schema_editor() as editor:
        for model in team.list_models():
            if (
                not model._meta.auto_created
                and model._meta.managed
                and not team.is_team_user(model._meta.label)
            ):
                editor.create_model(model)


if __name__ == "__main__":
    main()
