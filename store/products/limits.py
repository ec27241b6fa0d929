"""Limits of one request."""

from collections.abc import Sized

from ..exceptions import OutOfRange

#: Rows of one request, at most.
MAX_ROWS = 10_000


def check_size(rows: Sized, *argument: str, most: int = MAX_ROWS) -> None:
    """Refuse a list that is longer than one request may bring.

    Args:
        argument: the path of the list in the request's input, for the error.

    Raises: OutOfRange.
    """
    if len(rows) > most:
        raise OutOfRange(
            f"At most {most} at once, not {len(rows)}: send them in parts.", argument=argument, maximum=most
        )
