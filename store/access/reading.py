"""Readers of permissions and durations, as people write them on the command line and in forms."""

import re
from datetime import timedelta

from ..exceptions import BadInput
from .permissions import Permission
from .tokens import MOST_DAYS

#: By the letter after a number.
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
#: Of a token, at most.
LONGEST = timedelta(days=MOST_DAYS)


def read_permissions(text: str) -> list[Permission]:
    """Read names of permissions, separated by commas, in any case. Raises BadInput."""
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in Permission.__members__]:
        raise BadInput(
            f"{', '.join(unknown)} is no permission: there are {', '.join(Permission)}.", argument=("may",)
        )
    if not names:
        raise BadInput(f"Name permissions: {', '.join(Permission)}.", argument=("may",))
    return [Permission(name) for name in names]


def read_duration(text: str) -> timedelta:
    """Read a duration such as 30m, 12h, 90d or 4w. Raises BadInput."""
    match = re.fullmatch(r"(\d{1,5})([mhdw])", text.strip().lower(), re.ASCII)
    duration = int(match[1]) * UNITS[match[2]] if match else timedelta(0)
    if not timedelta(0) < duration <= LONGEST:
        raise BadInput(
            f"{text!r} is no duration: write a number with its unit, as 30m, 12h, 90d or 4w, ten years at most.",
            argument=("expires",),
        )
    return duration
