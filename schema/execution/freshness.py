"""Freshness of answers: how long a client may use one again, by what was selected.

Only what this table names is ever kept by a client: a type that is new, or that shows rows of people, is not.
"""

from collections.abc import Iterator, Mapping
from enum import Enum

from graphql import DocumentNode, FieldNode, GraphQLSchema, TypeInfo, TypeInfoVisitor, Visitor, visit
from graphql.type import get_named_type, is_composite_type

#: Seconds for which what never changes may be used without asking.
UNCHANGING_SECONDS = 86_400


class Freshness(Enum):
    """Rule for caches that keep an answer; the value is its `Cache-Control`."""

    #: Never: it has predictions, rows or feedback, or something was written.
    NOT_STORED = "no-store, no-transform"
    #: By the client alone, which asks each time whether it is still the newest.
    REVALIDATED = "private, no-cache, no-transform"
    #: By the client alone, for a day: its rows never change.
    UNCHANGING = f"private, max-age={UNCHANGING_SECONDS}, immutable, no-transform"


#: Types of the registry, without the product's prefix. Of those with fields, these never change, nor does any of `*`.
REGISTRY: Mapping[str, str] = {
    "Query": "modelVersion",
    "Product": "",
    # Its charts are drawn after it was registered.
    "ModelVersion": "id number family builtAt metric score size digest runtime hyperparameters",
    **dict.fromkeys(("ModelVersionConnection", "ModelVersionEdge", "PageInfo"), ""),
    **dict.fromkeys(("Build", "BuildConnection", "BuildEdge", "Problem"), ""),
    **dict.fromkeys(("Promotion", "PromotionConnection", "PromotionEdge"), ""),
    **dict.fromkeys(("Candidate", "CandidateConnection", "CandidateEdge"), ""),
    **dict.fromkeys(
        ("Retraining", "RetrainDecision", "RetrainDecisionConnection", "RetrainDecisionEdge"), ""
    ),
    **dict.fromkeys(("Feature", "Choice", "TypicalRange", "UndeclaredValues"), ""),
    **dict.fromkeys(("Snapshot", "FeatureAnalysis", "FeatureCorrelation", "LabelShare"), ""),
    **dict.fromkeys(("Calibration", "CalibrationChange", "Intervals", "LevelCoverage", "PartCoverage"), ""),
    **dict.fromkeys(("Hyperparameter", "Score", "Diagnostic", "Curve"), "*"),
    **dict.fromkeys(("BarsDiagnostic", "CurveDiagnostic", "MatrixDiagnostic", "PointsDiagnostic"), "*"),
}
NEVER_CHANGING = {type_: frozenset(fields.split()) for type_, fields in REGISTRY.items()}


def freshness_of(schema: GraphQLSchema, document: DocumentNode) -> Freshness:
    """Find how the answer to a valid document may be kept."""
    types, fields = TypeInfo(schema), set[Freshness]()

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            fields.update(_judge(types, node.name.value))

    visit(document, TypeInfoVisitor(types, Fields()))
    return next((each for each in Freshness if each in fields), Freshness.REVALIDATED)


def _judge(types: TypeInfo, field: str) -> Iterator[Freshness]:
    parent, returned = types.get_parent_type(), get_named_type(types.get_type())
    if parent is None or returned is None or field == "__typename":
        return
    unchanging = NEVER_CHANGING.get(_kind(parent.name))
    if parent.name.startswith("__") or returned.name.startswith("__"):
        yield Freshness.REVALIDATED
    elif unchanging is None or (is_composite_type(returned) and _kind(returned.name) not in REGISTRY):
        yield Freshness.NOT_STORED
    else:
        yield Freshness.UNCHANGING if unchanging & {field, "*"} else Freshness.REVALIDATED


def _kind(type_: str) -> str:
    """The type without its product's prefix, where it is a product."""
    return "Product" if type_.endswith("Product") else type_
