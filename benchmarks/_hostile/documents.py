"""Documents that are large, deep, or costly to validate."""

from collections.abc import Callable

from .case import Case


def document(name: str, text: Callable[[], str], *answers: str, growth: float = Case.growth) -> Case:
    """Build the case of a document."""
    return Case(
        name,
        lambda target: target.ask(target.document(text())),
        answers or ("400 TOO_COMPLEX", "200 TOO_COMPLEX"),
        growth=growth,
    )


def chain(length: int) -> str:
    """Render fragments of which each spreads the next."""
    fragments = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(length))
    return f"{{ ...F0 }} {fragments} fragment F{length} on Query {{ __typename }}"


def doubling(length: int) -> str:
    """Render fragments of which each spreads the next twice."""
    fragments = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(length))
    return f"{{ ...F0 }} {fragments} fragment F{length} on Query {{ __typename }}"


def many_fragments(number: int) -> str:
    """Render fragments that are all spread beside each other."""
    spreads = " ".join(f"...F{n}" for n in range(number))
    fragments = " ".join(f"fragment F{n} on Query {{ a{n}: __typename }}" for n in range(number))
    return f"{{ {spreads} }} {fragments}"


def same_fields(number: int) -> str:
    """Render one field often, with arguments that have to be compared."""
    return "{ " + " ".join(f'products(names: ["a{n}"]) {{ name }}' for n in range(number)) + " }"


def nested_pairs(depth: int) -> str:
    """Render a field twice in each of its copies."""
    inner = "name"
    for _ in range(depth):
        inner = f"ofType {{ {inner} }} ofType {{ {inner} }}"
    return f"{{ __schema {{ types {{ {inner} }} }} }}"


REFUSED = ("200 BAD_REQUEST", "400 BAD_REQUEST")

CASES = (
    document("13 kB of one field", lambda: "{" + "a " * 6_500 + "}"),
    # The body and the text of 30 MB each are there at once, until the text is refused.
    document("a comment of 30 MB", lambda: "#" + "a" * 30_000_000 + "\n{ __typename }", growth=80.0),
    document("a name of 190 kB", lambda: "{ " + "a" * 190_000 + " }", *REFUSED),
    document("20,001 tokens", lambda: "{" + "a " * 20_000 + "}"),
    document("10,000 comments", lambda: "#\n" * 25_000 + "{ __typename }"),
    document("5,000 braces", lambda: "{" * 5_000, *REFUSED),
    document("a depth of 5,000", lambda: "{ a " * 5_000 + "}" * 5_000),
    document("a list of a depth of 5,000", lambda: "{ a(b: " + "[" * 5_000 + "]" * 5_000 + ") }"),
    document("a depth of 150", lambda: "{ a " * 150 + "}" * 150),
    document("2,000 aliases", lambda: "{" + " ".join(f"a{n}: __typename" for n in range(2_000)) + "}"),
    document("1,900 times one field", lambda: "{" + "__typename " * 1_900 + "}"),
    document("1,000 fields to compare", lambda: same_fields(900)),
    document("a field twice in its copies", lambda: nested_pairs(9)),
    document("a chain of 1,000 fragments", lambda: chain(1_000)),
    document("fragments that double", lambda: doubling(30)),
    document(
        "1,000 fragments side by side",
        lambda: many_fragments(190),
        "200",
        "200 TOO_COMPLEX",
        "400 TOO_COMPLEX",
    ),
    document("fragments that spread themselves", lambda: "{ ...A } fragment A on Query { ...A }", *REFUSED),
    document("1,000 operations", lambda: " ".join(f"query A{n} {{ __typename }}" for n in range(1_000))),
    document("3,000 directives", lambda: "{ __typename " + "@include(if: true) " * 3_000 + "}"),
    document("3,000 unknown directives", lambda: "{ __typename " + "@a " * 6_000 + "}", *REFUSED),
    document(
        "5,000 variables",
        lambda: "query(" + " ".join(f"$a{n}: Int" for n in range(4_900)) + ") { __typename }",
        *REFUSED,
    ),
    document(
        "19,000 values", lambda: "{ products(names: [" + '"a" ' * 19_000 + "]) { name } }", *REFUSED, "200"
    ),
    document(
        "introspection in itself",
        lambda: "{ __schema { types " + "{ fields { type " * 20 + "{ name }" + "} }" * 20 + " } }",
    ),
    document(
        "a syntax error after 190 kB",
        lambda: "{ " + "abcdefghijklmno " * 11_000 + "(",
        *REFUSED,
        "200 TOO_COMPLEX",
        "400 TOO_COMPLEX",
    ),
)
