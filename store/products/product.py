"""Data products: the declaration of a question, the tables to answer it from, and how to learn."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from math import isfinite
from operator import attrgetter, itemgetter
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db import models

from learning.exceptions import ExemplarError
from learning.kinds import normal_form
from learning.model import Signature
from learning.problem import Problem
from learning.promote import OnEvidence
from learning.retrain import Budget, Rule
from learning.truth import DEFAULT, Policy

from ..exceptions import BadInput, Faults, NotFinite, StoreError
from .choices import Choice, list_classes
from .columns import TypedColumn
from .features import Feature, Join
from .form_fields import DERIVED, FormField

#: What Exemplar may write into a product's tables.
ROWS, LABEL, NOTHING = WRITES = ("rows", "label", "none")


@dataclass(frozen=True, kw_only=True, eq=False)
class DataProduct:
    """A data product over the tables of the declaring app.

    The derived properties (`columns`, `labels`, …) raise InvalidJoin where the declaration cannot be compiled;
    `manage.py check` reports that before anything runs.
    """

    #: A Python identifier in lower case; it names the GraphQL fields and types. A product that is renamed is a new one.
    name: str
    #: The instances, and where their features and label come from.
    join: Join
    #: `Classification`, `Regression` or `Clustering`, with metric, folds and budget.
    problem: Problem
    #: The name for people; derived from `name` by default.
    title: str = ""
    #: The question that it answers, in a sentence.
    description: str = ""
    #: The classes of a label whose column has no `choices`, as of a foreign key: titles by value, or a choices class.
    classes: Mapping[Any, str] | type[models.Choices] | None = None
    #: Labels that stored rows still hold and that are no longer among the label's `choices` or `classes`.
    retired_labels: Sequence[str] = ()
    #: Former features by name, each as it was declared, or as a Django field where its column is gone. Clients may go
    #: on giving them: what is given is ignored, never stored.
    retired_features: Mapping[str, Any] | None = None
    #: Features by which stored predictions are often filtered: each has an index, by which rare values are listed at
    #: once. Run `migrate` after a change.
    indexed_features: Sequence[str] = ()
    #: Rules that start builds; without any, builds start on request only.
    retrain: Sequence[Rule] = ()
    #: How many builds there may be in a time, so that rules start no more; None: as many as the rules start.
    retrain_budget: Budget | None = None
    #: When the winner of a build serves in place of a champion; None: at once, unless it is held for a person.
    promote: OnEvidence | None = None
    #: Whose word counts where several people gave feedback about one subject: `Majority`, `Latest` or `Priority` of
    #: `learning.truth`. After a change, `./dev settle` applies it to what is stored.
    truth: Policy = DEFAULT
    #: What may be written into its tables: `"rows"`: rows and labels; `"label"`: the label column of rows that exist;
    #: `"none"`: nothing. Feedback is stored and learned from in any case.
    writes: Literal["rows", "label", "none"] = "rows"
    #: How a form shows features, by name; what is not declared follows from the columns.
    form: Mapping[str, FormField] | None = None

    def __str__(self) -> str:
        return self.title or self.name.replace("_", " ").capitalize()

    @property
    def task(self) -> str:
        return self.problem.task

    @property
    def learns_from_labels(self) -> bool:
        return self.problem.learns_from_labels

    @property
    def writable(self) -> bool:
        """True where rows may be inserted and replaced."""
        return self.writes == ROWS and self.join.writable

    @property
    def writes_labels(self) -> bool:
        """True where the label that counts is written to the label column."""
        return self.learns_from_labels and self.writes != NOTHING

    @property
    def columns(self) -> tuple[Feature, ...]:
        return self.join.columns

    @cached_property
    def declared_columns(self) -> tuple[Feature, ...]:
        """The features in the order of their declaration, in which people see them."""
        columns = {column.name: column for column in self.columns}
        return tuple(columns[name] for name in self.join.features)

    def form_field(self, name: str) -> FormField:
        """Find how a form shows a feature, as far as that is declared."""
        return (self.form or {}).get(name, DERIVED)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """The features that a caller gives, in the columns' order; the others are computed from them."""
        return self.join.inputs

    @cached_property
    def input_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.inputs)

    @cached_property
    def retired(self) -> tuple[TypedColumn, ...]:
        """The retired features, in the order of their names. All may be null."""
        retired = self.retired_features or {}
        fields = {name: value for name, value in retired.items() if isinstance(value, models.Field)}
        columns = [TypedColumn(name=name, field=value, nullable=True) for name, value in fields.items()]
        if declared := {name: value for name, value in retired.items() if name not in fields}:
            # With the features: an expression over them was computed, and was no input.
            join = replace(self.join, features={**self.join.features, **declared})
            names = [name for name in join.features if name not in self.join.features]
            columns += [replace(join.column(name), nullable=True) for name in names]
        return tuple(sorted(columns, key=attrgetter("name")))

    @cached_property
    def retired_inputs(self) -> tuple[TypedColumn, ...]:
        """The retired features that a caller gave, in the order of their names."""
        return tuple(column for column in self.retired if getattr(column, "computation", None) is None)

    @cached_property
    def labels(self) -> tuple[Choice, ...]:
        """The labels of a classification in declared order, retired ones last; else empty."""
        column = self.join.label_column
        if not self.problem.has_classes or column is None:
            return ()
        named = column.choices if self.classes is None else list_classes(column.field, self.classes)
        # An empty label is no class: it is counted among the labels that are not declared.
        choices = tuple(choice for choice in named if choice.text)
        if not choices:
            choices = tuple(
                Choice(value=value, title=title, member=title.upper())
                for value, title in column.field_kind.own_choices
            )
        declared = {choice.text for choice in choices}
        retired = [label for label in self.retired_labels if str(label) not in declared]
        return choices + tuple(Choice(value=label, title=str(label)) for label in retired)

    @cached_property
    def label_by_text(self) -> Mapping[str, Any]:
        return {label.text: label.value for label in self.labels}

    @cached_property
    def metric(self) -> str:
        return self.problem.metric_for(len(self.labels) or None)

    @cached_property
    def signature(self) -> Signature:
        """The signature of a model that has learned from all of this declaration."""
        return Signature(
            task=self.task,
            columns=tuple(column.learning_column() for column in self.columns),
            classes=tuple(label.text for label in self.labels),
        )

    def obstacles(self, signature: Signature) -> list[str]:
        """List why a model with this signature cannot serve today's declaration; empty where it can."""
        return list(signature.obstacles(self.signature))

    def fits(self, signature: Signature) -> bool:
        """Return True where a model with this signature can serve today's declaration."""
        return not self.obstacles(signature)

    def clean(self, features: Mapping[str, Any], argument: Sequence[str | int] = ()) -> list[Any]:
        """Validate inputs and return the canonical instance in the columns' order, with the computed features.

        Raises: BadInput, NotFinite or OutOfRange with the path `argument` plus the feature's name; SeveralFaults.
        """
        return self.clean_instance(self.instance(features), argument)

    def instance(self, features: Mapping[str, Any]) -> list[Any]:
        """Put the inputs among features in their order without validating them.

        An absent one is None, or ABSENT where it must be said.
        """
        return list(map(features.get, self.input_names, self.absent_inputs))

    @cached_property
    def absent_inputs(self) -> tuple[Any, ...]:
        """The values of inputs that a caller has left out, in their order."""
        return tuple(column.absent for column in self.inputs)

    def clean_instance(self, inputs: Sequence[Any], argument: Sequence[str | int] = ()) -> list[Any]:
        """Validate as `clean` does, from the values of the inputs in their order."""
        try:
            # Floats are compared here, as products have tens of them and a call takes as long as four comparisons.
            cleaned = [
                value + 0.0 if type(value) is float and low <= value <= high else clean(value)
                for value, (low, high, clean) in zip(inputs, self._checks, strict=True)
            ]
        except ExemplarError:
            cleaned = self._clean_each(inputs, argument)
        return self.complete(cleaned, argument) if self.computed else cleaned

    def _clean_each(self, inputs: Sequence[Any], argument: Sequence[str | int]) -> list[Any]:
        """Validate once more, column by column. Raises all faults at once, each with the path of its column."""
        faults, cleaned = Faults(), []
        for value, column in zip(inputs, self.inputs, strict=True):
            with faults.collect():
                cleaned.append(column.clean_input(value, (*argument, column.name)))
        faults.check()
        return cleaned

    def clean_stored(self, inputs: Sequence[Any], argument: Sequence[str | int] = ()) -> list[Any]:
        """Validate as `clean_instance` does, from values as the tables hold them: as learned, NaN is missing."""
        try:
            return self.clean_instance(inputs, argument)
        except StoreError:  # NaN may be one of several faults
            return self.clean_instance(self._without_missing(inputs), argument)

    def _without_missing(self, inputs: Sequence[Any]) -> list[Any]:
        return [column.without_missing(value) for value, column in zip(inputs, self.inputs, strict=True)]

    @cached_property
    def _checks(self) -> Sequence[tuple[float, float, Callable[[Any], Any]]]:
        return [
            (*column.float_bounds, column.clean_input if column.not_computable else column.clean)
            for column in self.inputs
        ]

    @cached_property
    def computed(self) -> tuple[tuple[int, Feature], ...]:
        """The computed features with their places in an instance."""
        return tuple((place, column) for place, column in enumerate(self.columns) if column.computation)

    def complete(self, inputs: Sequence[Any], argument: Sequence[str | int] = ()) -> list[Any]:
        """Compute the instance from canonical inputs.

        Raises: BadInput, OutOfRange or NotFinite with the path `argument`; SeveralFaults.
        """
        instance = list(self._spread((*inputs, None)))
        try:
            for place, column in self.computed:
                instance[place] = column.compute(instance, argument)
        except StoreError:
            faults = Faults()
            for _, column in self.computed:
                with faults.collect():
                    column.compute(instance, argument)
            raise faults.error from None
        return instance

    def complete_if_possible(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Compute the instance as the tables have it; a feature that cannot be computed is None."""
        if not self.computed:
            return tuple(inputs)
        instance = list(self._spread((*self._without_missing(inputs), None)))
        for place, column in self.computed:
            with suppress(StoreError):
                instance[place] = column.compute(instance)
        return tuple(instance)

    @cached_property
    def _spread(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        """Put inputs, with None behind them, at their places in an instance."""
        places = {column.name: place for place, column in enumerate(self.inputs)}
        return itemgetter(*(places.get(name, -1) for name in self.feature_names))

    def stored_features(self, instance: Sequence[Any]) -> dict[str, Any]:
        """Encode a validated instance as it is stored with its prediction: JSON values by the columns' names."""
        features = dict(zip(self.feature_names, instance, strict=True))
        for column in self._encoded_columns:
            features[column.name] = column.as_json(features[column.name])
        return features

    def restore_instance(self, features: Mapping[str, Any]) -> Mapping[str, Any]:
        """Decode stored features to values as the tables hold them, by name."""
        decoded = {
            column.name: column.from_json(features.get(column.name)) for column in self._decoded_columns
        }
        return {**features, **decoded} if decoded else features

    def restore_row(self, features: Mapping[str, Any]) -> list[Any]:
        """Decode stored features to an instance in the columns' order; None for those that it does not have."""
        return list(map(self.restore_instance(features).get, self.feature_names))

    @cached_property
    def _encoded_columns(self) -> tuple[Feature, ...]:
        """The columns whose values are not JSON values."""
        return tuple(column for column in self.columns if not column.is_plain)

    @cached_property
    def _decoded_columns(self) -> tuple[TypedColumn, ...]:
        """The columns whose stored values must be decoded, with those of older predictions."""
        return self._encoded_columns + tuple(column for column in self.retired if not column.is_plain)

    def answer_of(self, label: Any, argument: Sequence[str | int] = ()) -> str:
        """Encode a label as stored text: the choice's value, or the number's shortest decimal.

        Raises: BadInput or NotFinite where it is no label of this product.
        """
        if self.problem.has_classes:
            if (text := normal_form(str(label))) not in self.label_by_text:
                labels = ", ".join(self.label_by_text)
                raise BadInput(f"{text!r} is no label of {self}: the labels are {labels}.", argument=argument)
            return text
        column = self.join.label_column
        assert column is not None
        number = column.clean(label, argument)
        if not isinstance(number, int | float | Decimal):
            raise NotFinite(f"{column.title} must be a number.", argument=argument)
        return repr(float(number))

    def label_of(self, answer: str | None) -> Any:
        """Decode a stored answer to the label column's value.

        None for None, for unknown labels, and for an answer that is no number although the product predicts one now.
        """
        if answer is None:
            return None
        if self.problem.has_classes:
            return self.label_by_text.get(answer)
        column = self.join.label_column
        assert column is not None
        try:
            return column.field_kind.from_float(float(answer), column)
        except (ValueError, ArithmeticError):
            return None

    def stored_answer(self, label: Any) -> str | None:
        """Encode a value of the label column, declared or not; None for null, NaN and infinity."""
        column = self.join.label_column
        label = column.canonical(label) if column else label
        if label is None or (self.problem.has_values and not isfinite(label)):
            return None
        return str(label) if self.problem.has_classes else repr(float(label))

    def restore_label(self, answer: str | None) -> Any:
        """Decode what `stored_answer` encoded, declared or not."""
        column = self.join.label_column
        assert column is not None
        label = self.label_of(answer)
        return column.field.to_python(answer) if label is None else label

    def key_of(self, key: str) -> Any:
        """Parse the text of a primary key of the base table. Raises ValueError."""
        if not key or "\0" in key:
            raise ValueError(key)
        key.encode()  # a lone surrogate cannot be stored; raises a ValueError
        field: Any = self.join.model._meta.pk
        try:
            value = field.get_prep_value(field.to_python(key))
            field.run_validators(value)
        except (ValueError, TypeError, ArithmeticError, ValidationError) as error:
            raise ValueError(key) from error
        return value

    def is_key(self, key: str) -> bool:
        """Return True where `key` is the canonical text of a possible primary key."""
        try:
            return str(self.key_of(key)) == key
        except ValueError:
            return False
