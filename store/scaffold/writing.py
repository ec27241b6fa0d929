"""Writing: an app as the text of its files."""

from collections.abc import Iterator, Sequence

from . import fields
from .existing import LEADS_TO
from .fields import call, quoted
from .inference import InferredColumn, Role
from .planning import PlannedApp, PlannedModel, accessor_of
from .readme import readme


def sources(app: PlannedApp, command: str, again: str) -> dict[str, str]:
    """The app's files by their path; `command` is what wrote them, `again` loads the data once more."""
    return {
        "__init__.py": f'"""{question(app)}"""\n',
        "models.py": models(app),
        "products.py": products(app),
        "README.md": readme(app, question(app), command, again),
        "migrations/__init__.py": "",
    }


def question(app: PlannedApp) -> str:
    """The question that the product answers."""
    label, base = app.base.table.label, app.base.table.layout.path.name
    if label is None:
        return f"Which rows of {plain(base)} are alike?"
    words = label.name.replace("_", " ")
    if label.type.is_boolean:
        return f"{words.capitalize()}, yes or no?"
    return f"Which {words}?" if app.problem.has_classes else f"What is the {words}?"


def models(app: PlannedApp) -> str:
    """The text of models.py."""
    *names, last = (model.table.layout.path.name for model in app.models)
    named = f"The tables of {', '.join(names)} and {last}" if names else f"The table of {last}"
    parts = [f'"""{plain(named)}."""\n\nfrom django.db import models\n']
    for model in app.models:
        parts.append("\n\n" + "\n".join(_model(app, model)) + "\n")
    return "".join(parts)


def _model(app: PlannedApp, model: PlannedModel) -> Iterator[str]:
    yield f"class {model.name}(models.Model):"
    yield f'    """A row of {plain(model.table.layout.path.name)}."""'
    yield ""
    choices = {
        column.name: choices_name(model, column)
        for column in model.table.columns
        if fields.has_choices(column, app.problem)
    }
    for column in model.table.columns:
        if column.name in choices:
            yield from fields.choices(choices[column.name], column)
            yield ""
    yield from _key(app.base, model)
    for column in model.table.columns:
        if column.role is not Role.KEY:
            yield fields.declared(column, choices.get(column.name))
    if model.many:
        return
    yield ""
    yield "    def __str__(self) -> str:"
    yield f"        return {_shown(app.base, model)}"


def choices_name(model: PlannedModel, column: InferredColumn) -> str:
    name = "".join(part.capitalize() for part in column.name.removesuffix("_field").split("_"))
    return f"{name}Choice" if name in ("Meta", model.name) else name


def _key(base: PlannedModel, model: PlannedModel) -> Iterator[str]:
    """The field that names a row, or the base row that it belongs to."""
    if model.accessor:
        kind = "ForeignKey" if model.many else "OneToOneField"
        own = [] if model.many else ["primary_key=True"]
        arguments = [base.name, "models.CASCADE", *own, f'related_name="{model.accessor}"']
        yield call(f"    {accessor_of(base.name, False)} = models.{kind}(", arguments)
    elif model.key:
        yield fields.key(model.key)
    else:
        yield "    # A hash of the row, and which of several equal ones it is."
        yield f"    {_key_name(model)} = models.CharField(max_length=50, primary_key=True, editable=False)"


def _key_name(model: PlannedModel) -> str:
    return "row_key" if any(column.name == "key" for column in model.table.columns) else "key"


def _shown(base: PlannedModel, model: PlannedModel) -> str:
    if model.accessor:
        return f"str(self.{accessor_of(base.name, False)})"
    if model.key is None:
        return f"self.{_key_name(model)}"
    return f"self.{model.key.name}" if fields.is_text_key(model.key) else f"str(self.{model.key.name})"


def products(app: PlannedApp) -> str:
    """The text of products.py."""
    return "\n".join(
        [
            f'"""The data product: {question(app)[0].lower()}{question(app)[1:]}"""',
            "",
            *_imports(app),
            "",
            f"from .models import {app.base.name}",
            "",
            f"{app.name} = DataProduct(",
            f'    name="{app.name}",',
            f'    title="{app.name.replace("_", " ").capitalize()}",',
            f"    description={quoted(question(app))},",
            "    join=Join(",
            f"        {app.base.name}.objects.all(),",
            "        features={",
            *(f'            "{feature.name}": {feature.declared},' for feature in app.features),
            *_left_out(app.models),
            "        },",
            *_asked(app.base),
            "    ),",
            f"    problem={app.problem.__name__}({_folds(app)}),",
            ")",
            "",
        ]
    )


def _imports(app: PlannedApp) -> Iterator[str]:
    text = " ".join(feature.declared for feature in app.features)
    aggregates = [name for name in ("Avg", "Count") if f"{name}(" in text]
    if aggregates:
        yield f"from django.db.models import {', '.join(aggregates)}"
        yield ""
    yield f"from learning.problem import {app.problem.__name__}"
    joined = ["Before"] * ("Before(" in text) + ["Join"] + ["Latest"] * ("Latest(" in text)
    yield f"from store.products.features import {', '.join(joined)}"
    yield "from store.products.product import DataProduct"


def _left_out(models: Sequence[PlannedModel]) -> Iterator[str]:
    """What is known and not learned from, with the reason; the owner may decide otherwise."""
    for model in models:
        prefix = f"{model.accessor}__" if model.accessor else ""
        for column in model.table.columns:
            if column.role is Role.LEFT_OUT and not column.remarks[-1].startswith(LEADS_TO):
                yield f"            # not {prefix}{column.name}: {plain(column.remarks[-1])}"


def _asked(base: PlannedModel) -> Iterator[str]:
    if base.table.label:
        yield f'        label="{base.table.label.name}",'
    if base.table.time:
        yield f'        at="{base.table.time.name}",'


def _folds(app: PlannedApp) -> str:
    return f"folds={app.folds}" if app.folds != 5 else ""


def plain(text: str) -> str:
    """Text that can stand in a docstring or a comment."""
    return "".join(c if c.isprintable() else " " for c in text).replace("\\", "/").replace('"', "'")
