"""The users of people and programs that an identity provider vouches for, made when they first come."""

import hashlib
import re

from django.conf import settings
from django.db import IntegrityError, transaction

from ..exceptions import Unauthenticated
from . import audit
from .audit import Act
from .models import Identity, User, UserKind
from .oidc import REFUSED, Claims

#: What the names of these users begin with. Django's forms refuse a slash, so no local user has such a name.
PREFIX = "oidc/"
#: The key of a session under which the groups of its login are.
SESSION_GROUPS = "oidc_groups"
#: Characters of a name without prefix and suffix, at most.
LONGEST_NAME = 100


def find_user(claims: Claims) -> User:
    """Find the user of verified claims, or make one. Raises Unauthenticated if it was deactivated."""
    key = {"issuer": claims.issuer, "subject": claims.subject}
    identity = Identity.objects.select_related("user").filter(**key).first() or _create(claims)
    if not identity.user.is_active:
        raise Unauthenticated(REFUSED)
    return identity.user


def _create(claims: Claims) -> Identity:
    """Create a user for claims that come for the first time; of two requests at once, one makes it."""
    key = {"issuer": claims.issuer, "subject": claims.subject}
    for username in list_names(claims):
        try:
            with transaction.atomic():
                user = User.objects.create_user(username, claims.email, kind=kind_of(claims))
                identity = Identity.objects.create(user=user, **key)
                audit.record(
                    Act.CHANGE_ACCOUNT, ids=[user, identity], details={"change": "added", "names": [username]}
                )
                return identity
        except IntegrityError:  # the name is another's, or another request was faster
            if other := Identity.objects.select_related("user").filter(**key).first():
                return other
    raise Unauthenticated(REFUSED)


def list_names(claims: Claims) -> list[str]:
    """List the names to try: the provider's name of the caller, then one that no other subject gets."""
    name = PREFIX + re.sub(r"[^\w.@+-]+", "-", claims.name.strip())[:LONGEST_NAME]
    digest = hashlib.sha256(f"{claims.issuer} {claims.subject}".encode()).hexdigest()
    return [name, f"{name}~{digest[:8]}", f"{name}~{digest[:32]}"]


def kind_of(claims: Claims) -> UserKind:
    """Get the kind of the caller's user."""
    return UserKind.PROGRAM if claims.is_program else UserKind.PERSON


def is_superuser(user: User, claims: Claims) -> bool:
    """Return True if the caller is a superuser: by the claim where a setting names its group, else by the row."""
    return claims.is_administrator if settings.EXEMPLAR_OIDC_ADMINISTRATORS else user.is_superuser


def record_login(user: User, claims: Claims) -> None:
    """Write to the row, which the admin goes by, whether the claims make the user a superuser."""
    superuser = is_superuser(user, claims)
    if user.is_superuser != superuser:
        user.is_superuser = user.is_staff = superuser
        user.save(update_fields=["is_superuser", "is_staff"])
