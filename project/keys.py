"""Keys from the environment: several at once while they are rotated, none that could be guessed."""

import math
import re
from collections import Counter

#: Characters of a key, at least.
MIN_LENGTH = 32
#: Bits of a key, at least, as the frequencies of its characters tell: 32 random hexadecimal digits have about 115, and
#: one of 10,000 such keys less than 96.
MIN_BITS = 80
#: What stands in keys of templates and manuals.
KNOWN = re.compile(
    "django-insecure|change[-_]?(me|this|it)|your[-_]|super[-_]?secret|secret[-_]?key|signing[-_]?key|placeholder"
)
ADVICE = 'Generate one: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'


def split(text: str) -> list[str]:
    """Split keys that commas or blanks separate."""
    return [part for part in re.split(r"[\s,]+", text) if part]


def describe_weakness(key: str) -> str | None:
    """Say why a key could be guessed; None if nothing speaks against it. The key itself is not quoted."""
    if KNOWN.search(key.lower()):
        return "is one that stands in templates or manuals"
    if len(key) < MIN_LENGTH:
        return f"has {len(key)} characters, and needs {MIN_LENGTH}"
    if key in (key + key)[1:-1] or estimate_bits(key) < MIN_BITS:  # a shorter text, several times
        return "repeats few characters, so that it could be guessed"
    return None


def estimate_bits(key: str) -> float:
    """Estimate the entropy of a key in bits: its length times the entropy of a character (Shannon)."""
    shares = [count / len(key) for count in Counter(key).values()]
    return -len(key) * sum(share * math.log2(share) for share in shares)
