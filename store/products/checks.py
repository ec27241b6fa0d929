"""Checks of declared products: each problem is a sentence that says what to change."""

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any

from django.core.exceptions import EmptyResultSet, FieldError, ValidationError
from django.db import models
from django.db.models.sql import Query

from learning import checks as learning
from learning.kinds import canonical_text, substitute_for_field
from learning.metrics import OF_TASK, SEVERAL_CLASSES, TWO_CLASSES, suggest
from learning.promote import OnEvidence
from learning.retrain import AfterFeedback, QualityBelow
from learning.truth import DEFAULT, POLICIES

from ..access.actors import ANONYMOUS, Actor
from ..db import team
from ..exceptions import InvalidJoin
from . import forms, times
from .columns import Choice, TypedColumn
from .features import Latest, Path, Trend, resolve_path
from .product import LABEL, ROWS, WRITES, DataProduct

#: Characters of a rule as it is written, at most.
LONGEST_RULE = 200
#: A quoted name in SQL that is neither qualified nor an alias that a query gives to a column.
NAME = re.compile(r'(?<![."\w])(?<!AS )"(\w+)"')


def find_remarks(product: DataProduct) -> Iterator[str]:
    """List what is declared rightly and costs something, as an expression that every caller must compute."""
    for name in product.join.features:
        try:
            column = product.join.column(name)
        except InvalidJoin:
            continue  # a problem, not a remark
        if column.not_computable:
            yield (
                f"the feature {name} is not computed when serving, so that every caller must give it: "
                f"{column.not_computable}."
            )
    with suppress(InvalidJoin):
        path = product.join.label_path if product.writes == ROWS else None
        if path and f"{path.column.model.__name__}.{path.column.name}" in product.join.missing_columns:
            yield (
                f"label={product.join.label!r} may not be null, and an instance is stored before its label is known: "
                "rows are read and labelled, and none is inserted."
            )


def find_problems(product: DataProduct) -> Iterator[str]:
    """List the reasons why `product` cannot be built, one sentence each."""
    try:
        key = product.join.model._meta.pk
    except InvalidJoin as error:
        yield str(error)
        return
    if isinstance(key, models.CompositePrimaryKey):
        yield _refuse_key(key)
        return
    features_compile = yield from _features(product)
    yield from _indexed(product)
    yield from _tables(product, features_compile)
    retired_compile = yield from _retired(product)
    label_fits = yield from _label(product)
    for column in product.columns if features_compile else ():
        yield from _choices(column.name, column.choices)
    if features_compile:
        yield from forms.find_problems(product)
    for former in product.retired if retired_compile else ():
        yield from _choices(former.name, former.choices)
    if label_fits:
        yield from _choices(f"label={product.join.label!r}", product.labels)
    yield from _writes(product)
    yield from _visibility(product)
    yield from _time(product)
    yield from _group(product)
    yield from _retrain(product)
    yield from _promote(product)
    yield from _truth(product)
    if features_compile and label_fits:
        labels = tuple(label.text for label in product.labels) if product.problem.has_classes else None
        yield from learning.check_problem(product.problem, labels)


def _refuse_key(key: models.CompositePrimaryKey) -> str:
    model = key.model
    names = ", ".join(repr(model._meta.get_field(name).name) for name in key.field_names)
    return (
        f"{model.__name__} has a key of {len(key.field_names)} columns ({', '.join(key.field_names)}), and an entity "
        f"has one: declare a unique column of {model._meta.db_table} as the key of an unmanaged model, or a view "
        f"with one; or, to write nothing, group the rows by their key, as {model.__name__}.objects.values({names})"
        ".annotate(…). As a table that others join, it serves as it is."
    )


def _features(product: DataProduct) -> Generator[str, None, bool]:
    """Yield the problems of the features. Returns: True where every feature compiles."""
    join, compiles = product.join, True
    if _is_closed(join.queryset.query):
        yield "its queryset is a slice or a union, which cannot be joined: restrict it with filter()."
    if not join.features:
        yield "it has no features: name at least one column in features={…}."
        compiles = False
    for name in join.features:
        try:
            column = join.column(name)
        except InvalidJoin as error:
            yield str(error)
            compiles = False
            continue
        if column.kind is None:
            instead = substitute_for_field(type(column.field)).advise(str(join.features[name]))
            yield f"{name} is a {type(column.field).__name__}, which models cannot learn from: {instead}."
            compiles = False
        yield from _leak(product, name)
    return compiles


def _indexed(product: DataProduct) -> Iterator[str]:
    """Yield the names that are indexed and are no features."""
    for name in product.indexed_features:
        if name not in product.join.features:
            yield f"indexed_features: {name!r} is no feature: name some of {', '.join(product.join.features)}."


def _retired(product: DataProduct) -> Generator[str, None, bool]:
    """Yield the problems of the retired features. Returns: True where every one compiles."""
    if not isinstance(product.retired_features, Mapping | None):
        yield 'retired_features is no mapping: write {"name": what it was declared as, or a Django field}.'
        return False
    if both := sorted({*(product.retired_features or ())}.intersection(product.join.features)):
        yield f"{both[0]} is both a feature and retired: remove it from features or from retired_features."
        return False
    try:
        columns = product.retired
    except InvalidJoin as error:
        yield f"retired_features: {error} Where its column is gone, write a Django field, as models.FloatField()."
        return False
    for column in columns:
        if column.kind is None:
            yield (
                f"retired_features: {column.name} is a {type(column.field).__name__}, which was never a feature: write "
                "the field that it had."
            )
    return all(column.kind for column in columns)


def _is_closed(query: Query) -> bool:
    """Return True for a slice or a union, to which nothing can be added."""
    return query.is_sliced or bool(query.combinator)


def _tables(product: DataProduct, features_compile: bool) -> Iterator[str]:
    """Yield the tables of Exemplar's own that the join reads, also in its queryset and in subqueries."""
    join = product.join
    is_annotatable = features_compile and not _is_closed(join.queryset.query)
    try:
        query = (join.instances() if is_annotatable else join.queryset).query
        statement, _ = query.sql_with_params()
    except InvalidJoin as error:
        yield str(error)
        return
    except (EmptyResultSet, FieldError):
        return  # reads no table
    except (TypeError, ValueError) as error:
        yield f"Django cannot write the SQL of its Join: {error}"
        return
    own = team.list_exemplar_tables() | team.list_ambiguous_tables(join.model._meta.apps)
    for table in sorted(own.intersection(NAME.findall(statement))):
        yield (
            f"its Join reads {table}, which Exemplar has in a schema of its own: read an unmanaged model over the "
            f'table that is meant, with db_table=\'"{team.SCHEMA}"."{table}"\'.'
        )


def _leak(product: DataProduct, name: str) -> Iterator[str]:
    declared = product.join.features[name]
    paths = product.join.references(declared)
    if isinstance(declared, Latest | Trend):
        paths = {declared.path}
    if product.join.label in paths:
        yield f"the feature {name} is the label itself: remove it from features."
    elif any(_is_beyond_label(product, path) for path in paths):
        yield f"the feature {name} is a column of the row that the label names, so that it tells the label: remove it."
    elif product.join.at is None and any(_returns_to_label(product, path) for path in paths):
        yield f"the feature {name} reads the label of the instance itself among other rows: remove it, or declare at=."
    # An aggregate may compare its rows' time with the event's.
    if product.join.at in paths and not product.join.aggregates(declared):
        yield f"the feature {name} is the event's own time, by which models would tell instances apart: remove it."


def _returns_to_label(product: DataProduct, path: str) -> bool:
    """Return True where a path leads to the label's column over a relation and back over it."""
    try:
        label, feature = product.join.label_path, resolve_path(product.join.model, path, keys=True)
    except InvalidJoin:
        return False  # a problem of its own
    steps = pairwise(feature.hops)
    returns = any(
        getattr(back, "field", None) is hop or getattr(hop, "field", None) is back for hop, back in steps
    )
    return returns and label is not None and label.column == feature.column


def _is_beyond_label(product: DataProduct, path: str) -> bool:
    """Return True where a path leads over the foreign key that is the label."""
    try:
        label, feature = product.join.label_path, resolve_path(product.join.model, path, keys=True)
    except InvalidJoin:
        return False  # a problem of its own
    return (
        label is not None
        and (*label.hops, label.column) == (*feature.hops, feature.column)[: len(label.hops) + 1]
    )


def _label(product: DataProduct) -> Generator[str, None, bool]:
    join = product.join
    if not product.learns_from_labels:
        if join.label:
            yield f"a clustering has no label: remove label={join.label!r}, or declare a Classification."
        return False
    if not join.label:
        yield f"a {product.task.lower()} needs label=<a column>; without one declare a Clustering."
        return False
    try:
        path, column = join.label_path, join.label_column
    except InvalidJoin as error:
        yield f"label: {error}"
        return False
    assert path is not None and column is not None
    yield from _reach(product, path)
    yield from _classes(product, column)
    if product.problem.has_classes and not product.labels:
        yield _ask_for_classes(join.label, path.column)
        return False
    is_key = path.column.is_relation
    if product.problem.has_values and (is_key or not (column.kind and column.kind.is_quantity)):
        yield f"label={join.label!r} is not a number: a Regression needs a FloatField, DecimalField or IntegerField."
        return False
    return True


def _reach(product: DataProduct, path: Path) -> Iterator[str]:
    """Yield why the label cannot be read, or not be written as the product declares."""
    if path.to_many:
        yield f"label={product.join.label!r} has many rows for one instance, which has one label: use a to-one path."
    elif not path.one_to_one and product.writes_labels:
        yield (
            f"label={product.join.label!r} is not on the base row or on a one-to-one relation: feedback cannot reach "
            'it. Declare writes="none": feedback counts without being written.'
        )
    if product.join.is_grouped and product.writes_labels:
        yield f'label={product.join.label!r} is of groups, which have no table to write to: declare writes="none".'
    if path.column.generated and product.writes_labels:
        yield f'label={product.join.label!r} is computed by the database, which writes it alone: declare writes="none".'


def _ask_for_classes(label: str, field: Any) -> str:
    if field.is_relation:
        target = field.related_model.__name__
        return (
            f"label={label!r} is a foreign key: name the rows of {target} that are classes in the product, as "
            f"classes={{<key>: <name>, …}}; they become the GraphQL enum. Where they are too many, take a column of "
            f'{target} with fewer values as the label, with writes="none".'
        )
    return (
        f"label={label!r} has no choices: add choices=[…] to the field, or classes={{<value>: <title>, …}} to the "
        "product; they become the GraphQL enum."
    )


def _classes(product: DataProduct, column: TypedColumn) -> Iterator[str]:
    """Yield the problems of the classes that the product names."""
    if product.classes is None:
        return
    if not product.problem.has_classes:
        yield f"a {product.task.lower()} has no classes: remove classes=, or declare a Classification."
    if column.choices:
        yield f"label={product.join.label!r} has choices and the product has classes: remove one of them."
    values = product.classes.values if isinstance(product.classes, type) else product.classes
    for value in values:
        try:
            column.field.to_python(value)
        except ValidationError:
            yield f"classes has {value!r}, which {product.join.label} cannot hold: write the values of the column."


def _writes(product: DataProduct) -> Iterator[str]:
    if product.writes not in WRITES:
        words = ", ".join(map(repr, WRITES))
        yield f"writes={product.writes!r} is unknown: it is one of {words}."
    elif product.writes == LABEL and not product.learns_from_labels:
        yield 'writes="label" and there is no label: declare writes="none".'


def _choices(name: str, choices: Iterable[Choice]) -> Iterator[str]:
    for choice in choices:
        if (canonical := canonical_text(choice.text, null=False)) != choice.text:
            yield f"{name} has the choice {choice.text!a}, and values are read as {canonical!a}: write it so."


#: Who may ask: nobody that is known, and a user.
ASKING = (Actor(author=ANONYMOUS), Actor(author="check", name="check"))


def _visibility(product: DataProduct) -> Iterator[str]:
    """Check that `visible_to` returns a condition that compiles, whoever asks."""
    for actor in ASKING if product.join.visible_to else ():
        try:
            str(product.join.visible_rows(actor).query)
        except EmptyResultSet:
            continue  # sees nothing
        except InvalidJoin as error:
            yield str(error)
        except Exception as error:
            who = "a caller without a name" if actor.anonymous else "a user"
            yield f"visible_to fails for {who}: {type(error).__name__}: {error}"


def _time(product: DataProduct) -> Iterator[str]:
    try:
        _ = product.join.zone
    except InvalidJoin as error:
        yield str(error)
    if product.join.at is None:
        return
    try:
        column = resolve_path(product.join.model, product.join.at).column
    except InvalidJoin as error:
        yield f"at: {error}"
        return
    if not times.is_time(column):
        yield (
            f"at={product.join.at!r} is a {type(column).__name__}: the event's time must be a DateTimeField or a "
            "DateField."
        )
    elif column.null:
        yield f"at={product.join.at!r} may be null, and then no row is known to come before it: make it required."


def _group(product: DataProduct) -> Iterator[str]:
    join = product.join
    try:
        path = join.group_path
    except InvalidJoin as error:
        yield f"group: {error}"
        return
    if path and path.to_many:
        yield f"group={join.group!r} has many rows for one instance, which can be in one group only: use a to-one path."
    elif path and join.label and path == resolve_path(join.model, join.label, keys=True):
        yield f"group={join.group!r} is the label: each fold would lack the labels that it is scored on."


def _retrain(product: DataProduct) -> Iterator[str]:
    for rule in product.retrain:
        if rule.needs_labels and not product.learns_from_labels:
            yield f"retrain={rule} waits for labels, which a clustering does not have: use Every or OlderThan."
        elif isinstance(rule, QualityBelow):
            yield from _quality_rule(product, rule)
        if len(str(rule)) > LONGEST_RULE:
            yield f"retrain={rule} is written in more than {LONGEST_RULE} characters: shorten what it names."
    if len(set(map(str, product.retrain))) < len(product.retrain):
        yield "retrain has the same rule twice: remove one."
    if product.retrain_budget and not product.retrain:
        yield f"retrain_budget={product.retrain_budget} limits the builds of rules, and there is none: remove it."


def _quality_rule(product: DataProduct, rule: QualityBelow) -> Iterator[str]:
    """Check that the metric of a rule can be measured of this product."""
    names, labels = OF_TASK[product.task], list(product.label_by_text)
    if rule.label is not None and rule.label not in labels:
        listed = ", ".join(labels) or "none"
        yield f"retrain={rule} names {rule.label!r}, which is not a class of {product}. Its classes: {listed}."
    elif rule.label is None and rule.metric not in names:
        yield f"retrain={rule}: {rule.metric!r} does not score a {product.task.lower()}. {suggest(rule.metric, names)}"
    elif rule.label is None and rule.metric in TWO_CLASSES and len(labels) > 2:
        yield f"retrain={rule}: {rule.metric!r} is of two classes, and there are {len(labels)}: name a class by label=."
    elif rule.metric in SEVERAL_CLASSES and len(labels) == 2:
        yield f"retrain={rule}: {rule.metric!r} is of three classes or more."


def _promote(product: DataProduct) -> Iterator[str]:
    if product.promote is None:
        return
    if not isinstance(product.promote, OnEvidence):
        yield f"promote={product.promote!r} is no rule: write OnEvidence(least=…) of learning.promote."
        return
    if not product.learns_from_labels:
        yield f"promote={product.promote} waits for labels, which a clustering does not have: remove it."
    for rule in product.retrain:
        if isinstance(rule, AfterFeedback) and rule.count <= product.promote.least:
            yield (
                f"promote={product.promote} waits for more labels than {rule} builds again after, and each build takes "
                f"the place of the one before: wait for fewer than {rule.count}."
            )


def _truth(product: DataProduct) -> Iterator[str]:
    if not isinstance(product.truth, POLICIES):
        yield f"truth={product.truth!r} is no policy: write Majority(), Latest() or Priority(…) of learning.truth."
    elif not product.learns_from_labels and product.truth != DEFAULT:
        yield f"truth={product.truth} is about feedback, which a clustering does not take: remove it."
