"""The audit log: who did what, from where and why. An entry is written in the transaction of the act."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models.functions import Now
from django.db.transaction import TransactionManagementError

from ..db.base import BaseModel
from ..db.fields import JSONField
from ..db.writes import Writes
from ..telemetry import requests
from . import acting, performers
from .permissions import Permission

#: Ids of one row, at most; `details` has the number of all.
MOST_IDS = 1_000
#: Rows that one transaction of the retention deletes, at most.
BATCH = 10_000


class Act(StrEnum):
    """An act that has an entry. Members are only added."""

    PROMOTE = "PROMOTE"
    ROLL_BACK = "ROLL_BACK"
    REQUEST_BUILD = "REQUEST_BUILD"
    CANCEL_BUILD = "CANCEL_BUILD"
    CANCEL_SCORING = "CANCEL_SCORING"
    DELETE = "DELETE"
    ERASE = "ERASE"
    GRANT = "GRANT"
    REVOKE = "REVOKE"
    CHANGE_ACCOUNT = "CHANGE_ACCOUNT"
    CREATE_TOKEN = "CREATE_TOKEN"
    ROTATE_TOKEN = "ROTATE_TOKEN"
    REVOKE_TOKEN = "REVOKE_TOKEN"
    LOG_IN = "LOG_IN"
    FAIL_TO_LOG_IN = "FAIL_TO_LOG_IN"
    LOG_OUT = "LOG_OUT"
    START = "START"
    ACCEPT_SCHEMA = "ACCEPT_SCHEMA"
    RESIGN = "RESIGN"
    EXPORT = "EXPORT"
    DOWNLOAD_MODEL = "DOWNLOAD_MODEL"
    CREATE_RECEIVER = "CREATE_RECEIVER"
    CHANGE_RECEIVER = "CHANGE_RECEIVER"
    DELETE_RECEIVER = "DELETE_RECEIVER"
    IMPORT = "IMPORT"
    CANCEL_IMPORT = "CANCEL_IMPORT"
    REQUEST_COMPARISON = "REQUEST_COMPARISON"
    CANCEL_COMPARISON = "CANCEL_COMPARISON"
    START_TRIAL = "START_TRIAL"
    END_TRIAL = "END_TRIAL"


#: For each act, the sentence that describes it.
DESCRIPTIONS: Mapping[Act, str] = {
    Act.PROMOTE: "A model version began to serve.",
    Act.ROLL_BACK: "The version that served before serves again.",
    Act.REQUEST_BUILD: "A build was requested.",
    Act.CANCEL_BUILD: "A build was cancelled.",
    Act.CANCEL_SCORING: "A batch scoring was cancelled.",
    Act.DELETE: "Rows were deleted: predictions, a row of the feature tables, or the tables of a product.",
    Act.ERASE: "All that was stored about an entity or a reference was erased.",
    Act.GRANT: "A permission was granted.",
    Act.REVOKE: "A permission was revoked.",
    Act.CHANGE_ACCOUNT: "A user or a group was made, changed or deleted.",
    Act.CREATE_TOKEN: "A token was made.",
    Act.ROTATE_TOKEN: "A token was replaced by a new one.",
    Act.REVOKE_TOKEN: "A token was revoked.",
    Act.LOG_IN: "A person logged in.",
    Act.FAIL_TO_LOG_IN: "Somebody tried to log in and failed.",
    Act.LOG_OUT: "A person logged out.",
    Act.START: "A process started with other settings than the one before it.",
    Act.ACCEPT_SCHEMA: "A change of the schema that breaks clients was accepted.",
    Act.RESIGN: "Artifacts were signed again, with the first signing key.",
    Act.EXPORT: "Rows were exported to a file.",
    Act.DOWNLOAD_MODEL: "The artifact of a model version was downloaded.",
    Act.CREATE_RECEIVER: "A receiver of events was made: a webhook or an e-mail address.",
    Act.CHANGE_RECEIVER: "A receiver of events was changed, or its secret rotated.",
    Act.DELETE_RECEIVER: "A receiver of events was deleted.",
    Act.IMPORT: "A file was sent, to be loaded into the feature tables.",
    Act.CANCEL_IMPORT: "An import of a file was cancelled; nothing of it is stored.",
    Act.REQUEST_COMPARISON: "A comparison of two model versions was requested.",
    Act.CANCEL_COMPARISON: "A comparison of two model versions was cancelled; nothing of it is stored.",
    Act.START_TRIAL: "A shadow or a split began.",
    Act.END_TRIAL: "A shadow or a split has ended.",
}


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Conditions on entries, all of which must hold; None leaves one out."""

    acts: Sequence[Act] | None = None
    authors: Sequence[str] | None = None
    product: str | None = None
    #: The first moment.
    since: datetime | None = None
    #: The moment after the last one.
    until: datetime | None = None


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Selects and deletes entries."""

    def matching(self, conditions: Conditions) -> "AuditQuerySet":
        """Select entries for who may administer them. Raises Forbidden, Unauthenticated."""
        acting.require(Permission.ADMINISTER, conditions.product)
        lookups = {
            "act__in": conditions.acts,
            "author__in": conditions.authors,
            "product": conditions.product,
            "at__gte": conditions.since,
            "at__lt": conditions.until,
        }
        return self.filter(**{name: value for name, value in lookups.items() if value is not None})

    @transaction.atomic
    def delete_old(self, days: int) -> int:
        """Delete entries older than so many days, `BATCH` at most, as the trigger allows; return how many."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('exemplar.audit_retention', 'on', true)")
        old = self.filter(at__lt=Now() - timedelta(days=days)).order_by("pk").values("pk")[:BATCH]
        deleted, _ = self.filter(pk__in=old).delete()
        return deleted


class AuditEntry(BaseModel):
    """One act. A trigger refuses changes, and deletions but those of the retention."""

    web_writes = worker_writes = Writes(insert=True, delete=True)

    at = models.DateTimeField(db_default=Now(), editable=False)
    act = models.CharField(max_length=20)
    #: The user, the program, the rule or the command.
    author = models.CharField(max_length=200)
    #: PERSON, PROGRAM, ANONYMOUS, COMMAND, WORKER, RULE or SERVER.
    kind = models.CharField(max_length=10)
    #: What identified the caller, as "session" or the beginning of a token; empty where nobody called.
    credential = models.CharField(max_length=100, blank=True)
    #: The caller's address; empty where it did not come over the network.
    address = models.CharField(max_length=45, blank=True)
    #: The request's id, under which the log has its lines.
    request_id = models.CharField(max_length=100, blank=True)
    #: The name of the operation, or the path of the page.
    operation = models.CharField(max_length=200, blank=True)
    #: Empty where it is about no product, or about all.
    product = models.CharField(max_length=40, blank=True)
    #: What it is about, as `Build:12`.
    ids = JSONField(default=list)
    reason = models.TextField(blank=True)
    #: More about it, by name.
    details = JSONField(default=dict)

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["product", "-id"], name="audit_by_product"),
            models.Index(fields=["author", "-id"], name="audit_by_author"),
        ]

    def __str__(self) -> str:
        return f"{self.author}: {self.act}"


def record(
    act: Act,
    *,
    product: str | None = None,
    ids: Iterable[object] = (),
    reason: str = "",
    details: Mapping[str, Any] | None = None,
    operation: str | None = None,
) -> AuditEntry:
    """Append an entry for this thread's actor, in the transaction of the act.

    Args:
        product: the product's name; None: it is about no product, or about all.
        ids: what it is about: rows, or texts such as "tumor:4".
        details: more about it, by name, as JSON has it. Nothing of a secret.
        operation: its name; None: that of the request.

    Raises: TransactionManagementError outside of a transaction, in which act and entry could come apart.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("An act and its entry in the audit log belong into one transaction.")
    names = [name_of(each) for each in ids]
    more = {"count": len(names)} if len(names) > MOST_IDS else {}
    performer, origin = performers.find(), acting.origin()
    return AuditEntry.objects.create(
        act=act,
        author=_shorten(performer.author, 200),
        kind=performer.kind,
        credential=_shorten(performer.credential, 100),
        address=_shorten(origin.address, 45),
        request_id=_shorten(origin.request_id or _find_request_id(), 100),
        operation=_shorten(origin.operation if operation is None else operation, 200),
        product=product or "",
        ids=names[:MOST_IDS],
        reason=reason,
        details={**(details or {}), **more},
    )


def name_of(row: object) -> str:
    """Name a row by its model and its key."""
    return f"{type(row).__name__}:{row.pk}" if isinstance(row, models.Model) else str(row)


def _find_request_id() -> str:
    """Find the id under which the log has lines of the request that this thread works for."""
    request = requests.current.get()
    return request.id if request else ""


def _shorten(text: str, length: int) -> str:
    """Shorten a text, and leave out what PostgreSQL cannot store: clients write paths and ids."""
    return text.replace("\0", "")[:length]


def delete_old_entries() -> int:
    """Delete what is older than the setting says, a batch at a time; return how many entries."""
    days = settings.EXEMPLAR_KEEP_AUDIT
    return AuditEntry.objects.delete_old(days) if days else 0
