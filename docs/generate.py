"""Generates the reference from the code: `python -m docs.generate` writes docs/reference/."""

import argparse
import ast
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import django
import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import get_commands, load_command_class  # noqa: E402
from django.core.management.base import BaseCommand  # noqa: E402

import benchmarks.__main__  # noqa: E402
import project.settings  # noqa: E402
from docs import numbers, permissions, source  # noqa: E402
from learning import kinds, metrics, problem, retrain, truth  # noqa: E402
from learning.estimators.families import LIBRARIES, boosters, catalogue  # noqa: E402
from learning.estimators.families.family import Family  # noqa: E402
from learning.exceptions import ExemplarError  # noqa: E402
from schema.core import errors, inputs  # noqa: E402
from schema.schema import schema  # noqa: E402
from store.products import features, indicators, json_paths, product  # noqa: E402
from store.telemetry.metrics import MOST_SERIES, OF_PROCESS, OTHER, Histogram, Metric  # noqa: E402

ROOT: Path = settings.BASE_DIR
FOLDER = ROOT / "docs" / "reference"
#: The packages of the project, what knows more before what knows less.
PACKAGES = ("project", "schema", "store", "learning")
TASKS = (problem.Classification, problem.Regression, problem.Clustering)
PRODUCTS = (
    product.DataProduct,
    features.Join,
    features.Before,
    features.Latest,
    features.Recency,
    features.Trend,
    features.Age,
    json_paths.Json,
    indicators.Choices,
)
RULES: tuple[type, ...] = (*get_args(retrain.Rule), retrain.Budget)
POLICIES: tuple[type, ...] = truth.POLICIES
#: All classes whose options the reference lists.
DECLARATIONS: tuple[type, ...] = (*PRODUCTS, problem.Problem, *TASKS, *RULES, *POLICIES)
#: Speeds of the tests.
SPEEDS = ("unit", "engine", "system", "slow")
#: What `./dev` does itself, without manage.py.
SCRIPT = {
    "test": "Runs the tests in parallel, all but the slow ones. `./dev test SPEED` runs those of one speed: "
    f"{', '.join(f'`{speed}`' for speed in SPEEDS)}. Other arguments are pytest's.",
    "docs": "Builds the documentation and checks its links.",
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.md"):
        file.unlink()
    for name, text in pages().items():
        (FOLDER / f"{name}.md").write_text(text)


def pages() -> dict[str, str]:
    """Return the text of each page of the reference, by the page's name."""
    texts = {name: make() for name, make in PAGES.items()}
    return {"index": index(texts), **texts}


def index(texts: Mapping[str, str]) -> str:
    rows = [(f"[{title(text)}]({name}.md)", first_paragraph(text)) for name, text in texts.items()]
    tree = ["```{toctree}", ":hidden:", "", *texts, "```"]
    return page(
        "Reference",
        "Generated from the code when the documentation is built.",
        table(("page", ""), rows),
        "\n".join(tree),
    )


def title(text: str) -> str:
    return text.splitlines()[0].removeprefix("# ")


def first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n")[1].split())


# -- The pages --


def settings_page() -> str:
    rows = [
        (
            code(setting.name),
            type_of(setting),
            default_of(setting),
            numbers.filled(setting.comment, project.settings),
        )
        for setting in source.declared((ROOT / "project" / "settings.py").read_text())
        if f"'{setting.name}'" in setting.value  # it is read from the environment by its name
    ]
    return page(
        "Settings",
        "Set them in the environment. `project/settings.py` is the only module that reads it, and checks every value.",
        table(("name", "type", "default", "meaning"), rows),
    )


def type_of(setting: source.Declared) -> str:
    """Return the setting's type, and the limits of a number."""
    reading = reading_call(setting)
    if ast.unparse(reading.func) != "read_number":
        return setting.annotation
    limits = {keyword.arg: ast.literal_eval(keyword.value) for keyword in reading.keywords}
    least, most = limits.get("least", 0), limits.get("most")
    return f"{setting.annotation}, {f'at least {least:,}' if most is None else f'{least:,} to {most:,}'}"


def reading_call(setting: source.Declared) -> ast.Call:
    """Return the call that reads the setting from the environment."""
    calls = [node for node in ast.walk(ast.parse(setting.value)) if isinstance(node, ast.Call)]
    return next(call for call in calls if call.args and ast.unparse(call.args[0]) == f"'{setting.name}'")


def default_of(setting: source.Declared) -> str:
    """Return the default where it is a constant; where it is computed, the setting's comment tells it."""
    reading = reading_call(setting)
    constants = [node for node in reading.args[1:2] if isinstance(node, ast.Constant)]
    secret = ast.unparse(reading.func) == "read_keys"  # whose second argument names a file
    return code(str(constants[0].value)) if constants and not secret else ""


def commands_page() -> str:
    parts = [
        page(
            "Commands",
            "`./dev NAME` runs a command, also Django's, with the embedded engines while it runs if it reads rows.",
        )
    ]
    parts += [f"## {name}\n\n{help_text}" for name, help_text in SCRIPT.items()]
    names = ", ".join(map(code, benchmarks.__main__.names()))
    parts.append(
        f"## bench\n\nRuns a benchmark with engines of its own: `./dev bench NAME`; NAME is one of {names}."
    )
    parts += [command_section(name, app) for name, app in sorted(own_commands().items())]
    return "\n\n".join(parts) + "\n"


def own_commands() -> dict[str, str]:
    """Return the names of the project's own management commands, each with its app."""
    return {name: app for name, app in get_commands().items() if app in PACKAGES}


def command_section(name: str, app: str) -> str:
    command = load_command_class(app, name)
    if name in DJANGOS:
        return page(name, sys.modules[type(command).__module__].__doc__ or "", level=2)
    rows = [(code(usage(action)), action_default(action), action.help or "") for action in arguments(command)]
    return page(name, command.help, table(("argument", "default", "meaning"), rows) if rows else "", level=2)


def arguments(command: BaseCommand) -> list[argparse.Action]:
    """List what a command takes, without what every command of Django takes."""
    return [
        action
        for action in command.create_parser("./dev", "")._actions
        if action.help is not argparse.SUPPRESS and not set(action.option_strings) & COMMON_OPTIONS
    ]


#: Commands of Django's that do a little more here; their options are Django's.
DJANGOS = {"migrate"}
#: Options that every management command has.
COMMON_OPTIONS = {
    "-h", "--help", "--version", "-v", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color",
    "--force-color", "--skip-checks",
}  # fmt: skip


def usage(action: argparse.Action) -> str:
    if not action.option_strings:
        name = str(action.metavar or action.dest)
        return {"*": f"[{name} …]", "+": f"{name} …", "?": f"[{name}]"}.get(str(action.nargs), name)
    values = "|".join(action.choices) if action.choices else action.dest.upper()
    value = "" if action.nargs == 0 else f" {action.metavar or values}"
    several = " …" if action.nargs in ("*", "+") else ""
    return ", ".join(action.option_strings) + value + several


def action_default(action: argparse.Action) -> str:
    setting = str(action.default)
    if action.nargs == 0 or action.default in (None, argparse.SUPPRESS, [], ()):
        return ""
    named = f"EXEMPLAR_{action.dest.upper()}"
    return code(named) if hasattr(settings, named) else code(setting)


def problems_page() -> str:
    return page(
        "Problems",
        "Options of `Classification`, `Regression` and `Clustering`, which are in `learning.problem`.",
        "## All problems",
        options_table(problem.Problem),
        *(
            part
            for task in TASKS
            for part in (f"## {task.__name__}", source.sentence(task), options_table(task))
        ),
    )


def products_page() -> str:
    return page(
        "Products and joins",
        "What a product's `products.py` declares: `DataProduct`, and the `Join` that its features come from.",
        *(part for declared in PRODUCTS for part in section(declared)),
    )


def kinds_page() -> str:
    rows = [
        (
            code(kind),
            source.sentence(type(kind)),
            ", ".join(map(code, kind.fields)),
            code(kind.scalar) if kind.scalar else "an enum of the choices",
            code(kind.learned_as) if kind.learned_as != kind else "",
            code(kind.form),
        )
        for kind in kinds.registered()
    ]
    return page(
        "Column kinds",
        "What the values of a feature or label mean. The kind follows from the Django field; a field with `choices` "
        "is a category. Nothing is learned from other fields.",
        table(("kind", "values", "Django's fields", "GraphQL", "models see", "form control"), rows),
    )


def rules_page() -> str:
    return page(
        "Rules",
        "When a product learns again: `DataProduct(retrain=[…], retrain_budget=…)`; the rules and the budget are in "
        "`learning.retrain`.",
        *(part for rule in RULES for part in section(rule)),
    )


def policies_page() -> str:
    return page(
        "Truth policies",
        "Whose word counts where several people gave feedback: `DataProduct(truth=…)`; the policies are in "
        "`learning.truth`. `./dev settle` applies a changed one to what is stored.",
        *(part for policy in POLICIES for part in section(policy)),
    )


def errors_page() -> str:
    reasons = reasons_by_code()
    known: Any = schema.get_type_by_name("ErrorCode")
    rows = [(code(value.name), value.description, " ".join(others(value, reasons))) for value in known.values]
    return page(
        "Error codes",
        "`errors[].extensions.code`, and the `code` of a build's or job's problem. Clients need a default branch: "
        "codes are added, never renamed.",
        "An input that is refused has an error for each of its faults, all at once. `message` is a sentence for "
        "people, in the titles and units of the columns. `extensions.argument` is the path of the input, with its "
        "fields' names, and `minimum` and `maximum` are its limits. Of the faults of a variable's types the first "
        f"{inputs.MAX_REFUSALS} are reported; after {errors.MAX_ERRORS:,} errors of a response each place has its "
        "first one only.",
        table(("code", "what happened", "also"), rows),
    )


def others(value: Any, reasons: Mapping[str, set[str]]) -> list[str]:
    """List what error classes of a code say beyond its description."""
    return sorted(reasons.get(value.name, set()) - {value.description})


def reasons_by_code() -> dict[str, set[str]]:
    """Return the sentences of all error classes, by their code."""
    import_everything()
    reasons: dict[str, set[str]] = {}
    for error in subclasses(ExemplarError):
        if "code" in vars(error):
            reasons.setdefault(error.code, set()).add(source.sentence(error).rstrip(".") + ".")
    return reasons


def subclasses(base: type[ExemplarError]) -> Iterator[type[ExemplarError]]:
    for each in base.__subclasses__():
        yield each
        yield from subclasses(each)


def import_everything() -> None:
    """Import the modules of the packages, which may declare error classes."""
    for name in PACKAGES:
        package = import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if ".migrations" not in module.name:
                import_module(module.name)


def metrics_page() -> str:
    parts = []
    for task, names in metrics.OF_TASK.items():
        rows = [(code(name), remark(name)) for name in sorted(names)]
        parts += [f"## {task.capitalize()}", table(("metric", "remark"), rows)]
    return page("Metrics", "Names for `metric=`: scikit-learn's scorers; greater is better.", *parts)


def remark(metric: str) -> str:
    if metric in metrics.TWO_CLASSES:
        return "two classes only"
    return "three classes or more" if metric in metrics.SEVERAL_CLASSES else ""


def monitoring_page() -> str:
    counted = [metric for metric in Metric.declared.values() if metric in OF_PROCESS]
    facts = [metric for metric in Metric.declared.values() if metric not in OF_PROCESS]
    heads = ("metric", "kind", "labels", "meaning")
    return page(
        "Monitoring",
        "The metrics at `/metrics`. [Watch it](../how-to/watching.md) says how they are scraped.",
        "## Of each web process",
        "Their label `process` is web-1, web-2 and so on. All combinations of a metric's other labels after the first "
        f"{MOST_SERIES} are counted together, as `{OTHER}`.",
        table(heads, map(metric_row, counted)),
        "## Facts",
        "They are the same whichever process is asked: PostgreSQL and Valkey hold them.",
        table(heads, map(metric_row, facts)),
        "## Buckets",
        table(("metric", "upper bounds"), map(bucket_row, filter(is_histogram, counted))),
    )


def metric_row(metric: Metric) -> tuple[str, ...]:
    return (
        code(exposed_name(metric)),
        metric.kind,
        ", ".join(map(code, metric.labels)),
        metric.meaning,
    )


def exposed_name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.kind == "counter" else metric.name


def is_histogram(metric: Metric) -> bool:
    return isinstance(metric, Histogram)


def bucket_row(metric: Any) -> tuple[str, str]:
    return code(metric.name), ", ".join(f"{bound:g}" for bound in metric.bounds)


def families_page() -> str:
    parts = []
    for task, known in all_families().items():
        rows = [
            (code(family.name), ", ".join(map(code, hyperparameters(family))), limits(family))
            for family in known
        ]
        parts += [f"## {task.capitalize()}", table(("family", "hyperparameters", "limits"), rows)]
    return page(
        "Families",
        "Names for `families=`: the estimators that compete in a search, in the order in which they are tried.",
        *parts,
        f"Every family also knows {', '.join(map(code, catalogue.COMMON))}: which features it takes, how they are "
        "prepared, and in which scale a number is learned.",
    )


def all_families() -> dict[str, list[Family]]:
    """Return the families of each task, also those of libraries that are not installed here."""
    found = {task: dict(known) for task, known in catalogue.FAMILIES.items()}
    for task, kind in (("CLASSIFICATION", "Classifier"), ("REGRESSION", "Regressor")):
        found[task] |= {library: make(kind) for library, make in boosters.FAMILY_BUILDERS.items()}
    return {task: list(known.values()) for task, known in found.items()}


def hyperparameters(family: Family) -> list[str]:
    """Name the hyperparameters that a family's defaults set, or that a hundred draws do."""
    random = np.random.default_rng(0)
    drawn = [family.draw(random) for _ in range(100)] if family.draw else []
    names = dict.fromkeys(name for each in [*family.defaults, *drawn] for name in each)
    return [name for name in names if name not in catalogue.COMMON]


def limits(family: Family) -> str:
    known = []
    if family.most_rows:
        known.append(f"up to {family.most_rows:,} rows")
    if family.name in LIBRARIES:
        known.append("needs the extra `boosters`")
    return ", ".join(known)


def modules_page() -> str:
    parts = []
    for name in reversed(PACKAGES):
        rows = [(code(str(file.relative_to(ROOT))), text) for file, text in source.modules(ROOT / name)]
        parts += [f"## {name}", table(("module", "what it holds"), rows)]
    return page(
        "Modules",
        "Every module with its first line. Read `learning/build.py` first, then `store/models.py`.",
        *parts,
    )


#: By the name of the page, in the order of the navigation.
PAGES: Mapping[str, Callable[[], str]] = {
    "settings": settings_page,
    "commands": commands_page,
    "products": products_page,
    "problems": problems_page,
    "kinds": kinds_page,
    "rules": rules_page,
    "policies": policies_page,
    "errors": errors_page,
    "permissions": permissions.render,
    "metrics": metrics_page,
    "families": families_page,
    "monitoring": monitoring_page,
    "modules": modules_page,
}


# -- Markdown --


def page(heading: str, *parts: str, level: int = 1) -> str:
    return "\n\n".join([f"{'#' * level} {heading}", *filter(None, parts)]) + "\n"


def section(declared: type) -> Iterator[str]:
    yield f"## {declared.__name__}"
    yield from source.paragraphs(declared)
    yield options_table(declared)


def options_table(declared: type) -> str:
    module = sys.modules[declared.__module__]
    rows = [
        (
            code(field.name),
            code(field.annotation),
            code(field.value) if field.value else "required",
            numbers.filled(field.comment, module),
        )
        for field in source.fields(declared)
        if not field.annotation.startswith("ClassVar")
    ]
    return table(("option", "type", "default", "meaning"), rows) if rows else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table without the columns in which every cell is empty."""
    cells = [[cell(value) for value in row] for row in rows]
    wanted = [place for place in range(len(heads)) if any(row[place] for row in cells)]
    lines = [[heads[place] for place in wanted], ["---"] * len(wanted)]
    lines += [[row[place] for place in wanted] for row in cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text}`"


if __name__ == "__main__":
    main()
