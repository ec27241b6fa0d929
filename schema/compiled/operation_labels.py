"""Labels of operations in metrics and logs: the field that is selected, since clients may invent any other name."""

from collections.abc import Iterator, Mapping

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from .collect_fields import fragments_of

#: The label of an operation that selects several fields.
SEVERAL = "several"
#: The label of what is not valid, so that no operation is known.
INVALID = "invalid"
#: Nested fragments that are followed.
MAX_LEVELS = 10


def label(document: DocumentNode, operation: OperationDefinitionNode, products: Mapping[str, object]) -> str:
    """The label of an operation of a valid document, as products or tumor.predict.

    Args:
        products: the fields of the query that have the fields of a product.
    """
    fragments = fragments_of(document)
    roots = list(root_fields(operation.selection_set, fragments))
    names = {node.name.value for node in roots}
    if len(names) != 1:
        return SEVERAL
    [root] = names
    if root not in products:
        return root
    inner = {field.name.value for node in roots for field in root_fields(node.selection_set, fragments)}
    return f"{root}.{inner.pop() if len(inner) == 1 else SEVERAL}"


def labels(document: DocumentNode, products: Mapping[str, object]) -> dict[str | None, str]:
    """The labels of all operations of a valid document, by their names."""
    return {
        definition.name.value if definition.name else None: label(document, definition, products)
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    }


def root_fields(
    selections: SelectionSetNode | None,
    fragments: Mapping[str, FragmentDefinitionNode],
    levels: int = MAX_LEVELS,
) -> Iterator[FieldNode]:
    """The fields of an operation's selection set, with its fragments spread."""
    for node in selections.selections if selections and levels else ():
        if isinstance(node, FieldNode):
            yield node
        else:
            fragment = fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            assert isinstance(fragment, InlineFragmentNode | FragmentDefinitionNode)
            yield from root_fields(fragment.selection_set, fragments, levels - 1)
