"""Groups of authors, by which a product may weigh whose word counts."""

from collections.abc import Collection, Iterable

from django.contrib.auth.models import Group
from django.db.models import Q

from . import acting
from .actors import author_of
from .models import User

#: Begins the author's name of a user whose own is reserved.
RESERVED = "user "


def names_of(author: str) -> list[str]:
    """List the groups of an author, by name and in order; none for a name that is no user's.

    Of the actor of this thread, also those that the identity provider has named.
    """
    vouched: Collection[str] = ()
    if (actor := acting.current()) and actor.author == author:
        vouched = actor.groups
    is_own = Q(exemplar_user__username__in=_usernames(author))
    rows = Group.objects.filter(is_own | Q(name__in=vouched)) if vouched else Group.objects.filter(is_own)
    return sorted(set(rows.values_list("name", flat=True)))


def by_author(authors: Iterable[str]) -> dict[str, list[str]]:
    """List the groups of many authors as `names_of` does; authors in none are absent."""
    names = {username: author for author in authors for username in _usernames(author)}
    members = User.objects.filter(username__in=names, groups__isnull=False)
    groups: dict[str, set[str]] = {}
    for username, group in members.values_list("username", "groups__name"):
        groups.setdefault(names[username], set()).add(group)
    return {author: sorted(own) for author, own in groups.items()}


def _usernames(author: str) -> list[str]:
    """List the names of users whose author's name is this; one at most is a user's."""
    return [name for name in (author, author.removeprefix(RESERVED)) if author_of(name) == author]
