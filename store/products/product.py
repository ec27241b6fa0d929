"""What users declare: a question, the tables to answer it from, and how to learn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from math import isfinite
from typing import Any

import orjson
from django.core.exceptions import ValidationError

from learning.model import Signature
from learning.problem import Problem
from learning.retrain import Rule

from ..exceptions import BadInput, NotFinite
from .columns import Choice
from .features import Feature, Join


@dataclass(frozen=True, kw_only=True, eq=False)
class DataProduct:
    """A live data product over the declaring app's tables.

    The compiled parts (`columns`, `labels`, …) raise InvalidJoin where the declaration cannot be compiled;
    `manage.py check` says so before anything runs.
    """

    #: A Python identifier in lower case; it names the GraphQL fields and types. A product that is renamed is a new one.
    name: str
    #: Which rows are instances, and where their features and label come from.
    join: Join
    #: What is learned, and how: `Classification`, `Regression` or `Clustering`.
    problem: Problem
    #: What people call it; the name otherwise.
    title: str = ""
    #: The question that it answers, as a sentence.
    description: str = ""
    #: Labels that stored rows still hold and that the label's `choices` no longer have.
    retired_labels: Sequence[str] = ()
    #: When to learn again; nothing: when somebody requests it.
    retrain: Sequence[Rule] = ()

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
        return self.join.writable

    @property
    def columns(self) -> tuple[Feature, ...]:
        return self.join.columns

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def labels(self) -> tuple[Choice, ...]:
        """The values the label can take, in declared order, retired ones last; empty unless it is a classification."""
        column = self.join.label_column
        if not self.problem.has_classes or column is None:
            return ()
        choices = column.choices
        if not choices:
            choices = tuple(
                Choice(value=value, title=title) for value, title in column.field_kind.own_choices
            )
        return choices + tuple(Choice(value=label, title=str(label)) for label in self.retired_labels)

    @cached_property
    def label_by_text(self) -> Mapping[str, Any]:
        return {label.text: label.value for label in self.labels}

    @cached_property
    def metric(self) -> str:
        return self.problem.metric_for(len(self.labels) or None)

    @cached_property
    def signature(self) -> Signature:
        """What a model must expect to serve this declaration; a model's own classes may be fewer."""
        return Signature(
            task=self.task,
            columns=tuple(column.learning_column() for column in self.columns),
            classes=tuple(label.text for label in self.labels),
        )

    def fits(self, signature: Signature) -> bool:
        """Whether a model with this signature answers what is declared today."""
        declared = self.signature
        known = set(signature.classes) <= set(declared.classes)
        return signature.task == declared.task and signature.columns == declared.columns and known

    def clean(self, features: Mapping[str, Any], argument: Sequence[str | int] = ()) -> list[Any]:
        """The instance in the columns' order, canonical; absent is null.

        Raises BadInput, NotFinite or OutOfRange with the path `argument` plus the feature's name.
        """
        return [column.clean(features.get(column.name), (*argument, column.name)) for column in self.columns]

    def instance_json(self, instance: Sequence[Any]) -> str:
        """A cleaned instance as it is stored with its prediction: one canonical JSON object."""
        found = dict(zip(self.feature_names, instance, strict=True))
        for column in self._written_otherwise:
            found[column.name] = column.as_json(found[column.name])
        return orjson.dumps(found).decode()

    def instance_restored(self, features: Mapping[str, Any]) -> Mapping[str, Any]:
        """Stored features by the columns' names, their values as the tables have them."""
        otherwise = {
            column.name: column.from_json(features.get(column.name)) for column in self._written_otherwise
        }
        return {**features, **otherwise} if otherwise else features

    @cached_property
    def _written_otherwise(self) -> tuple[Feature, ...]:
        """The columns whose values are not JSON's."""
        return tuple(column for column in self.columns if not column.is_plain)

    def answer_of(self, label: Any, argument: Sequence[str | int] = ()) -> str:
        """The stored text of a label: the choice's value, or the number's shortest decimal.

        Raises BadInput or NotFinite where it is no label of this product.
        """
        if self.problem.has_classes:
            if str(label) not in self.label_by_text:
                known = ", ".join(self.label_by_text)
                raise BadInput(
                    f"{str(label)!r} is no label of {self.name}: it takes {known}.", argument=argument
                )
            return str(label)
        column = self.join.label_column
        assert column is not None
        cleaned = column.clean(label, argument)
        if not isinstance(cleaned, int | float | Decimal):
            raise NotFinite(f"The label of {self.name} is a number.", argument=argument)
        return repr(float(cleaned))

    def label_of(self, answer: str | None) -> Any:
        """The label's value (as the column holds it) of a stored answer; None where there is none."""
        if answer is None:
            return None
        if self.problem.has_classes:
            return self.label_by_text.get(answer)
        column = self.join.label_column
        assert column is not None
        whole = column.kind is not None and column.kind.is_integer
        return int(float(answer)) if whole else column.field.to_python(float(answer))

    def stored_answer(self, label: Any) -> str | None:
        """The text of what the label column holds, declared or not; None for null and for what is no number."""
        if label is None or (self.problem.has_values and not isfinite(label)):
            return None
        return str(label) if self.problem.has_classes else repr(float(label))

    def restored(self, answer: str | None) -> Any:
        """What the label column held when `stored_answer` wrote this, declared or not."""
        column = self.join.label_column
        assert column is not None
        declared = self.label_of(answer)
        return column.field.to_python(answer) if declared is None else declared

    def key_of(self, key: str) -> Any:
        """The base row's primary key for its text. Raises ValueError where it cannot be one."""
        if not key or "\0" in key:
            raise ValueError(key)
        key.encode()  # half a pair cannot be stored, and raises a ValueError
        field: Any = self.join.model._meta.pk
        try:
            value = field.get_prep_value(field.to_python(key))
            field.run_validators(value)
        except (ValueError, TypeError, ArithmeticError, ValidationError) as error:
            raise ValueError(key) from error
        return value

    def is_key(self, key: str) -> bool:
        """Whether `key` is written just as the base row's primary keys are."""
        try:
            return str(self.key_of(key)) == key
        except ValueError:
            return False
