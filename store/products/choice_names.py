"""Names of choices: the members of the classes in `models.py` and of GraphQL's enums.

A name follows from its value, never from its place among others, so that a client which knows a name means the same
value after choices were added, removed or reordered. Names that were given before are passed in and stay.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b

#: Characters of a name that is made of a value, and of one that a choices class has.
MAX_LENGTH, MAX_MEMBER_LENGTH = 60, 200
#: Hexadecimal digits by which values are told apart; the first are enough unless a value was made to collide.
DIGITS = (6, 32)
#: GraphQL reserves the first three; linters take the last two for digits.
RESERVED = frozenset({"TRUE", "FALSE", "NULL", "I", "O"})
#: Names of members that GraphQL and Python's enums accept. Python reserves `mro`.
MEMBER = re.compile(r"(?!mro\Z)[A-Za-z]\w*", re.ASCII)
#: Words for signs, in this order. A sign that has no words separates words.
SIGNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), f" {words} ")
    for pattern, words in (
        (r"<>|!=|≠", "NE"),
        (r"<=|=<|≤|⩽", "LE"),
        (r">=|=>|≥|⩾", "GE"),
        # Angle brackets around a word, as <unk>.
        (r"<([^\W\d][^<>]*)>", r"\1"),
        (r"<", "LT"),
        (r">", "GT"),
        (r"==?", "EQ"),
        (r"±", "PLUS MINUS"),
        (r"\+", "PLUS"),
        # Before a number, and behind a word, as in the blood type 0-. Between words it is a hyphen.
        (r"(?<!\w)[-−–](?=[.,]?\d)", "MINUS"),
        (r"(?<=\w)[-−–]\s*\Z", "MINUS"),
        (r"(?<=[^\W\d_])[#♯]", "SHARP"),
        (r"#", "NUMBER"),
        (r"%", "PERCENT"),
        (r"&", "AND"),
        (r"@", "AT"),
        (r"\*", "STAR"),
        (r"\$", "DOLLAR"),
        (r"€", "EURO"),
        (r"£", "POUND"),
        (r"¥", "YEN"),
        (r"°", "DEGREE"),
        (r"×", "TIMES"),
    )
)
APOSTROPHE = re.compile(r"(?<=[^\W\d_])['’](?=[^\W\d_])")
#: Where a word begins in `fullTime` and in `HTTPStatus`.
WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
WORD = re.compile(r"[A-Za-z0-9]+")
#: Characters that are named one by one where a value has no letter, digit or sign.
MAX_NAMED = 4


def name_values(
    values: Iterable[str], members: Mapping[str, str] | None = None, recorded: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Name each value. All names differ, and none is given to another value than before.

    Args:
        members: the members of the choices class, by their values.
        recorded: the names that were given before, by their values, which may be others than `values`.
    """
    members, recorded = members or {}, _without_invalid(recorded or {})
    values = list(dict.fromkeys(values))
    names = {value: recorded[value] for value in values if value in recorded}
    taken = set(recorded.values())
    for value in values:
        member = members.get(value, "")
        if value not in names and is_member(member) and member not in taken:
            names[value] = member
            taken.add(member)
    wanted = {value: spell(members.get(value) or value) for value in values if value not in names}
    names |= _tell_apart(wanted, taken)
    return {value: names[value] for value in values}


def _without_invalid(recorded: Mapping[str, str]) -> dict[str, str]:
    """Leave out names that no enum can serve, as an earlier release may have recorded them, and repeated ones."""
    by_name: dict[str, str] = {}
    for value, name in recorded.items():
        if MEMBER.fullmatch(name) and name not in ("true", "false", "null"):
            by_name.setdefault(name, value)
    return {value: name for name, value in by_name.items()}


def is_member(name: str) -> bool:
    """Return True where GraphQL and Python's enums accept the name."""
    return bool(MEMBER.fullmatch(name)) and name.upper() not in RESERVED - {"I", "O"} and _is_short(name)


def _is_short(name: str) -> bool:
    return len(name) <= MAX_MEMBER_LENGTH


def _tell_apart(wanted: Mapping[str, str], taken: set[str]) -> dict[str, str]:
    """Append a hash of the value to every name that two values want, or that is taken."""
    names, count = dict(wanted), Counter(wanted.values())
    for digits in DIGITS:
        clashing = [value for value, name in names.items() if count[name] > 1 or name in taken]
        names |= {value: f"{wanted[value]}_{_hash(value, digits)}" for value in clashing}
        count = Counter(names.values())
    return names


def spell(text: str) -> str:
    """Spell a text as a name in upper case: `<=50K` becomes LE_50K, an empty text BLANK."""
    name = "_".join(_words(text) or _character_names(text)).upper() or "BLANK"
    if name[0].isdigit() or name in RESERVED:
        name = f"VALUE_{name}"
    if len(name) > MAX_LENGTH:
        name = f"{name[: MAX_LENGTH - DIGITS[0] - 1].rstrip('_')}_{_hash(text, DIGITS[0])}"
    return name


def _words(text: str) -> list[str]:
    text = text.strip()[: 4 * MAX_LENGTH]
    for sign, words in SIGNS:
        text = sign.sub(words, text)
    return WORD.findall(WORD_START.sub(" ", transliterate(APOSTROPHE.sub("", text))))


def transliterate(text: str) -> str:
    """Write letters of any script, and emoji, in ASCII."""
    if text.isascii():
        return text
    from anyascii import anyascii  # only some choices need it

    return anyascii(text)


def _character_names(text: str) -> list[str]:
    """List the words of the characters' names in Unicode: a question mark is QUESTION and MARK."""
    names = [unicodedata.name(character, f"U{ord(character):04X}") for character in text[:MAX_NAMED]]
    rest = [_hash(text, DIGITS[0])] if len(text) > MAX_NAMED else []
    return WORD.findall(" ".join([*names, *rest]))


def _hash(text: str, digits: int) -> str:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=digits // 2).hexdigest().upper()
