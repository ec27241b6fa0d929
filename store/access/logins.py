"""Logins in the log and in the audit log: Django says by signals who has logged in or out, and who has failed to."""

import logging
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction

from . import acting, audit, performers
from .actors import ANONYMOUS
from .audit import Act
from .performers import Performer

log = logging.getLogger(__name__)

#: Characters of a user's name, at most.
LONGEST_NAME = 150
NOBODY = Performer(ANONYMOUS, "ANONYMOUS")


def connect() -> None:
    """Record every login from now on."""
    user_logged_in.connect(_record_login, dispatch_uid="audit")
    user_logged_out.connect(_record_logout, dispatch_uid="audit")
    user_login_failed.connect(_record_failure, dispatch_uid="audit")


def _record_login(user: Any, **_: Any) -> None:
    with transaction.atomic(), performers.performing(_person(user)):
        audit.record(Act.LOG_IN, ids=[user], details=_describe_backend(user))


def _record_logout(user: Any, **_: Any) -> None:
    if user is None:  # the session had ended before
        return
    with transaction.atomic(), performers.performing(_person(user)):
        audit.record(Act.LOG_OUT, ids=[user])


def _record_failure(credentials: dict[str, Any], **_: Any) -> None:
    """Record a failed login, with the name if a user has it: what else was typed may be a password."""
    users = get_user_model()
    name = str(credentials.get(users.USERNAME_FIELD) or "").replace("\0", "")[:LONGEST_NAME]
    user = users._default_manager.filter(**{users.USERNAME_FIELD: name}).first()
    origin = acting.origin().address or "this machine"
    log.warning("Failed login as %s from %s.", name if user else "a user who does not exist", origin)
    with transaction.atomic(), performers.performing(NOBODY):
        audit.record(Act.FAIL_TO_LOG_IN, ids=[user] if user else [], details={"name": name} if user else {})


def _person(user: Any) -> Performer:
    return Performer(user.get_username(), "PERSON", "session")


def _describe_backend(user: Any) -> dict[str, str]:
    """Say by which backend the user was authenticated: a password, or an identity provider."""
    backend = str(getattr(user, "backend", ""))
    return {"backend": backend.rpartition(".")[2]} if backend else {}
