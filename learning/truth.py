"""Truth policies: whose word counts where several people gave feedback about one subject."""

from dataclasses import dataclass
from typing import ClassVar

from .exceptions import InvalidPolicy

#: The largest quorum.
MOST_WORDS = 1_000_000
#: Characters of a group's name, at most, as Django has it.
LONGEST_GROUP = 150


def _check_quorum(policy: object, quorum: object) -> None:
    if not isinstance(quorum, int) or isinstance(quorum, bool) or not 1 <= quorum <= MOST_WORDS:
        raise InvalidPolicy(f"{policy}: a quorum is a number of people, from 1 to {MOST_WORDS}.")


def _quorum(quorum: int) -> str:
    return f"quorum={quorum}" if quorum != 1 else ""


def _describe_quorum(quorum: int) -> str:
    return f" There is no truth before {quorum:,} people have spoken." if quorum != 1 else ""


@dataclass(frozen=True, kw_only=True)
class Majority:
    """The label that most people say, each by the latest word that was not taken back; a tie is no truth."""

    kind: ClassVar[str] = "MAJORITY"
    groups: ClassVar[tuple[str, ...]] = ()

    #: Fewer people who have spoken are no truth yet.
    quorum: int = 1

    def __post_init__(self) -> None:
        _check_quorum(self, self.quorum)

    def __str__(self) -> str:
        return f"Majority({_quorum(self.quorum)})"

    def describe(self) -> str:
        """Describe in a sentence whose word counts."""
        return f"The label that most people say counts; a tie is no truth.{_describe_quorum(self.quorum)}"


@dataclass(frozen=True, kw_only=True)
class Latest:
    """The newest word of anybody that was not taken back."""

    kind: ClassVar[str] = "LATEST"
    groups: ClassVar[tuple[str, ...]] = ()

    #: Fewer people who have spoken are no truth yet.
    quorum: int = 1

    def __post_init__(self) -> None:
        _check_quorum(self, self.quorum)

    def __str__(self) -> str:
        return f"Latest({_quorum(self.quorum)})"

    def describe(self) -> str:
        """Describe in a sentence whose word counts."""
        return f"The newest word of anybody counts.{_describe_quorum(self.quorum)}"


@dataclass(frozen=True, init=False)
class Priority:
    """The majority in the first of these groups of users in which anybody spoke; who is in none of them comes last.

    A word has the groups that its author was in when it was given.
    """

    kind: ClassVar[str] = "PRIORITY"

    #: Names of groups of Django's users, the one that decides first in front.
    groups: tuple[str, ...]
    #: Fewer people of the group that decides are no truth yet.
    quorum: int

    def __init__(self, *groups: str, quorum: int = 1):
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "quorum", quorum)
        if not groups:
            raise InvalidPolicy('Priority() names no group: write Priority("experts"), or Majority().')
        for name in groups:
            if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_GROUP or "\0" in name:
                raise InvalidPolicy(
                    f"{self} names {name!r}: a group's name has 1 to {LONGEST_GROUP} characters."
                )
        if len(set(groups)) < len(groups):
            raise InvalidPolicy(f"{self} names a group twice: remove one.")
        _check_quorum(self, quorum)

    def __str__(self) -> str:
        more = [f"quorum={self.quorum}"] if self.quorum != 1 else []
        return f"Priority({', '.join([*map(repr, self.groups), *more])})"

    def describe(self) -> str:
        """Describe in a sentence whose word counts."""
        groups = ", ".join(self.groups)
        return (
            f"The majority in the first of these groups in which anybody spoke counts: {groups}; everybody else comes "
            f"last.{_describe_quorum(self.quorum)}"
        )


Policy = Majority | Latest | Priority
POLICIES: tuple[type[Policy], ...] = (Majority, Latest, Priority)
#: The policy of a product that declares none.
DEFAULT = Majority()


def restore(kind: str, groups: list[str], quorum: int) -> Policy:
    """Make the policy of these values, as a row stores them."""
    if kind == Priority.kind:
        return Priority(*groups, quorum=quorum)
    return (Latest if kind == Latest.kind else Majority)(quorum=quorum)
