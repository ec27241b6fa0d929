"""Showing: a stored prediction as the JSON that a selection asks for."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from graphql import FieldNode, GraphQLSchema

from store.products.features import Feature
from store.products.product import DataProduct
from store.registry.versions import CHAMPION
from store.serving.dispatcher import Answered

from ..core import ids, names
from .collect_fields import NotCompiled, Scope

Show = Callable[[Answered], Any]


class SerializerFactory:
    """What the selections below a prediction of one product show."""

    def __init__(self, schema: GraphQLSchema, scope: Scope, product: DataProduct):
        self.schema, self.scope, self.product = schema, scope, product
        self.prefix = names.prefix(product.name)
        self.labels = {label.text: name for name, label in names.members(product.labels).items()}

    def prediction(self, nodes: Sequence[FieldNode]) -> Show:
        return self.object(f"{self.prefix}Prediction", nodes, self.field)

    def object(
        self, type_: str, nodes: Sequence[FieldNode], field: Callable[[str, Sequence[FieldNode]], Any]
    ) -> Callable[[Any], dict[str, Any]]:
        """What shows an object of this type; `field` gives what shows one of its fields."""
        shows = self.fields(type_, nodes, field)
        return lambda shown: {key: show(shown) for key, show in shows}

    def fields(
        self, type_: str, nodes: Sequence[FieldNode], field: Callable[[str, Sequence[FieldNode]], Any]
    ) -> list[tuple[str, Callable[[Any], Any]]]:
        collected = self.scope.collect(self.schema.type_map[type_], nodes)  # type: ignore[arg-type]
        return [
            (key, constant(type_) if name == "__typename" else field(name, same))
            for key, same in collected.items()
            for name in [same[0].name.value]
        ]

    def field(self, name: str, nodes: Sequence[FieldNode]) -> Show:
        """Raises NotCompiled where it takes more than the prediction to show it."""
        match name:
            case "id":
                kind = f"{self.prefix}Prediction"
                return lambda answered: ids.encode(kind, answered.row.id)
            case "label":
                labels = self.labels
                return lambda answered: labels[answered.row.answer]
            case "probabilities":
                return self.probabilities(nodes)
            case "distances":
                return self.distances(nodes)
            case "features":
                return self.features(nodes)
            case "model":
                return self.model(nodes)
        return leaf(PREDICTION, name)

    def probabilities(self, nodes: Sequence[FieldNode]) -> Show:
        show = self.object(f"{self.prefix}Probability", nodes, lambda name, _: leaf(PROBABILITY, name))
        labels = self.labels

        def shown(answered: Answered) -> list[Any]:
            told = orjson.loads(answered.row.output or "{}")
            return [show((labels[label], probability)) for label, probability in told.items()]

        return shown

    def distances(self, nodes: Sequence[FieldNode]) -> Show:
        show = self.object("ClusterDistance", nodes, lambda name, _: leaf(DISTANCE, name))
        return lambda answered: [show(pair) for pair in enumerate(orjson.loads(answered.row.output or "[]"))]

    def features(self, nodes: Sequence[FieldNode]) -> Show:
        places = {names.field(column.name): place for place, column in enumerate(self.product.columns)}

        def field(name: str, _: Sequence[FieldNode]) -> Callable[[Sequence[Any]], Any]:
            place = places[name]
            show = value_of(self.product.columns[place])
            return lambda instance: show(instance[place])

        show = self.object(f"{self.prefix}Instance", nodes, field)
        return lambda answered: show(answered.instance)

    def model(self, nodes: Sequence[FieldNode]) -> Show:
        """The version's row never changes while it serves, so it is shown once."""
        show = self.object("ModelVersion", nodes, lambda name, _: leaf(VERSION, name))
        # Not the champion, whose model would stay in memory until this document is asked again. One pair, read and
        # replaced whole: a thread and the event loop may show two versions at once.
        shown: tuple[Any, Any] = (None, None)

        def of(answered: Answered) -> Any:
            nonlocal shown
            version, model = shown
            if version is not answered.champion.version:
                version = answered.champion.version
                model = show(version)
                shown = version, model
            return model

        return of


def constant(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def leaf(table: Mapping[str, Callable[[Any], Any]], name: str) -> Callable[[Any], Any]:
    if name not in table:
        raise NotCompiled
    return table[name]


def moment(when: datetime) -> str:
    return when.astimezone(UTC).isoformat()


PREDICTION: dict[str, Show] = {
    "reference": lambda answered: answered.row.reference,
    "answer": lambda answered: answered.row.answer,
    "confidence": lambda answered: answered.row.confidence,
    "value": lambda answered: answered.row.value,
    "cluster": lambda answered: int(answered.row.answer),
    "createdAt": lambda answered: moment(answered.stamps[0]),
    "updatedAt": lambda answered: moment(answered.stamps[1]),
    "timesAsked": lambda answered: answered.stamps[2],
}
PROBABILITY: dict[str, Callable[[Any], Any]] = {
    "label": lambda pair: pair[0],
    "probability": lambda pair: pair[1],
}
DISTANCE: dict[str, Callable[[Any], Any]] = {
    "cluster": lambda pair: pair[0],
    "distance": lambda pair: pair[1],
}
#: What a version's row holds in memory.
VERSION: dict[str, Callable[[Any], Any]] = {
    "id": ids.node_id,
    "number": lambda version: version.number,
    "status": constant(CHAMPION),  # here; for a moment another may be it already, by the registry
    "family": lambda version: version.family,
    "builtAt": lambda version: moment(version.built_at),
    "metric": lambda version: version.metric,
    "score": lambda version: version.score,
    "size": lambda version: version.size,
    "digest": lambda version: version.digest,
    "runtime": lambda version: version.runtime,
    "microsecondsPerRow": lambda version: version.microseconds_per_row,
    "parity": lambda version: version.parity,
    "labels": lambda version: version.signature["classes"] or None,
}


def value_of(column: Feature) -> Callable[[Any], Any]:
    """A cleaned value as GraphQL shows it."""
    if column.choices:
        members = {choice.value: name for name, choice in names.members(column.choices).items()}
        return members.get
    assert column.kind is not None
    return column.kind.serialize
