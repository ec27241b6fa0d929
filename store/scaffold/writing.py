"""Files of a planned app, as text."""

from collections.abc import Iterator, Sequence

from ..products.product import ROWS
from . import fields
from .existing import REFERENCES
from .fields import quote, render_call
from .inference import InferredColumn, Role
from .planning import PlannedApp, PlannedModel, build_accessor
from .readme import render_readme
from .row_names import RowName


def render_files(app: PlannedApp, command: str, again: str) -> dict[str, str]:
    """Render the app's files, by path.

    Args:
        command: the command that wrote the app.
        again: the command that loads the data again.
    """
    return {
        "__init__.py": f'"""{build_question(app)}"""\n',
        "models.py": render_models(app),
        "products.py": render_products(app),
        "README.md": render_readme(app, build_question(app), command, again),
        "migrations/__init__.py": "",
    }


def build_question(app: PlannedApp) -> str:
    """Build the question that the product answers."""
    label, base = app.base.table.label, app.base.table.layout.title
    if label is None:
        return f"Which rows of {to_plain_text(base)} are alike?"
    is_typed = bool(fields.list_titles(label)) and not app.classes  # a key's name ends in "id"
    words = to_plain_text(label.header) if is_typed else label.name.replace("_", " ")
    if label.type.is_boolean:
        return f"{words if is_typed else words.capitalize()}, yes or no?"
    return f"Which {words}?" if app.problem.has_classes else f"What is the {words}?"


def render_models(app: PlannedApp) -> str:
    """Render models.py."""
    *names, last = (model.table.layout.title for model in app.models)
    subject = f"The tables of {', '.join(names)} and {last}" if names else f"The table of {last}"
    parts = [f'"""{to_plain_text(subject)}."""\n\nfrom django.db import models\n']
    for model in app.models:
        parts.append("\n\n" + "\n".join(_render_model_class(app, model)) + "\n")
    return "".join(parts)


def _render_model_class(app: PlannedApp, model: PlannedModel) -> Iterator[str]:
    yield f"class {model.name}(models.Model):"
    yield f'    """A row of {to_plain_text(model.table.layout.title)}."""'
    yield ""
    choices = {
        column.name: build_choices_name(model, column)
        for column in model.table.columns
        if fields.has_choices(column, app.problem)
    }
    for column in model.table.columns:
        if column.name in choices:
            yield from fields.render_choices(choices[column.name], column)
            yield ""
    yield from _render_identity(app.base, model)
    for column in model.table.columns:
        if column.role is not Role.KEY:
            yield fields.render_field(column, choices.get(column.name))
    if model.rows.title:
        yield ""
        yield "    class Meta:"
        yield from render_row_names(model.rows)
    if model.many:
        return
    yield ""
    yield "    def __str__(self) -> str:"
    yield f"        return {_render_str(app.base, model)}"


def render_row_names(rows: RowName) -> Iterator[str]:
    """Render the words for rows whose class has another name."""
    if rows.title:
        yield f"        verbose_name = {quote(rows.title)}"
        yield f"        verbose_name_plural = {quote(rows.plural)}"


def build_choices_name(model: PlannedModel, column: InferredColumn) -> str:
    """Build the name of the class of a column's values."""
    name = "".join(part.capitalize() for part in column.name.removesuffix("_field").split("_"))
    return f"{name}Choice" if name in ("Meta", model.name) else name


def _render_identity(base: PlannedModel, model: PlannedModel) -> Iterator[str]:
    """Render the key of a base row, or the relation of another row to its base row."""
    if model.accessor:
        kind = "ForeignKey" if model.many else "OneToOneField"
        own = [] if model.many else ["primary_key=True"]
        arguments = [base.name, "models.CASCADE", *own, f'related_name="{model.accessor}"']
        yield render_call(f"    {build_accessor(base.name, False)} = models.{kind}(", arguments)
    elif model.key:
        yield fields.render_key(model.key)
    else:
        yield "    # A hash of the row, numbered where several rows are equal."
        yield f"    {_key_name(model)} = models.CharField(max_length=50, primary_key=True, editable=False)"


def _key_name(model: PlannedModel) -> str:
    return "row_key" if any(column.name == "key" for column in model.table.columns) else "key"


def _render_str(base: PlannedModel, model: PlannedModel) -> str:
    if model.accessor:
        return f"str(self.{build_accessor(base.name, False)})"
    if model.key is None:
        return f"self.{_key_name(model)}"
    return f"self.{model.key.name}" if fields.is_text_key(model.key) else f"str(self.{model.key.name})"


def render_products(app: PlannedApp) -> str:
    """Render products.py."""
    return "\n".join(
        [
            f'"""The data product: {build_question(app)[0].lower()}{build_question(app)[1:]}"""',
            "",
            *_render_imports(app),
            "",
            f"from .models import {app.base.name}",
            "",
            f"{app.name} = DataProduct(",
            f'    name="{app.name}",',
            f"    title={quote(app.title or app.name.replace('_', ' ').capitalize())},",
            f"    description={quote(build_question(app))},",
            "    join=Join(",
            f"        {app.base.name}.objects.all(),",
            "        features={",
            *(f'            "{feature.name}": {feature.declared},' for feature in app.features),
            *_render_left_out(app.models),
            "        },",
            *_render_label_and_time(app.base),
            "    ),",
            f"    problem={app.problem.__name__}({', '.join(_list_options(app))}),",
            *_render_classes(app),
            *_render_writes(app),
            ")",
            "",
        ]
    )


def _render_classes(app: PlannedApp) -> Iterator[str]:
    """Render the classes of a label that is a foreign key: the rows that it may refer to."""
    if not app.classes:
        return
    is_number = all(key.lstrip("-").isdecimal() and str(int(key)) == key for key in app.classes)
    yield "    classes={"
    for key, title in app.classes.items():
        yield f"        {key if is_number else quote(key)}: {quote(title)},"
    yield "    },"


def _render_writes(app: PlannedApp) -> Iterator[str]:
    """Render what may be written, where that is not everything."""
    if app.writes != ROWS:
        yield f'    writes="{app.writes}",'


def _render_imports(app: PlannedApp) -> Iterator[str]:
    text = " ".join(feature.declared for feature in app.features)
    aggregates = [name for name in ("Avg", "Count", "FloatField", "Sum") if f"{name}(" in text]
    if aggregates:
        yield f"from django.db.models import {', '.join(aggregates)}"
        yield ""
    yield f"from learning.problem import {app.problem.__name__}"
    names = [name for name in ("Before", "Category", "Latest", "Recency", "Trend") if f"{name}(" in text]
    yield f"from store.products import {', '.join(sorted([*names, 'DataProduct', 'Join']))}"


def _render_left_out(models: Sequence[PlannedModel]) -> Iterator[str]:
    """Render comments about columns that are no features, with the reason; the owner may decide otherwise."""
    for model in models:
        prefix = f"{model.accessor}__" if model.accessor else ""
        for column in model.table.columns:
            if column.role is Role.LEFT_OUT and not column.remarks[-1].startswith(REFERENCES):
                yield f"            # not {prefix}{column.name}: {to_plain_text(column.remarks[-1])}"


def _render_label_and_time(base: PlannedModel) -> Iterator[str]:
    if base.table.label:
        yield f'        label="{base.table.label.name}",'
    if base.table.time:
        yield f'        at="{base.table.time.name}",'


def _list_options(app: PlannedApp) -> Iterator[str]:
    """Render the options of the problem that are not its defaults."""
    if app.base.table.time and app.problem.learns_from_labels:
        yield "ordered=True"
    if app.folds != 5:
        yield f"folds={app.folds}"
    if app.limits is not None:
        yield f"seconds={app.limits.seconds}"
        yield f"megabytes={app.limits.megabytes}"
        yield "early=True"
    label = app.base.table.label
    if label and app.positive and app.positive != label.values[-1]:
        yield f"positive={app.positive if label.type.is_integer else quote(app.positive)}"


def to_plain_text(text: str) -> str:
    """Convert the text so that it can stand in a docstring or a comment."""
    return "".join(c if c.isprintable() else " " for c in text).replace("\\", "/").replace('"', "'")
