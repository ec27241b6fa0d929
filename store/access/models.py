"""The users of Exemplar, which are not those of a team's project, their tokens, and the changes of who may do what."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser, Group, Permission, UserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from ..db.base import BaseModel
from ..db.writes import APPENDED
from . import rates

#: Characters of a rate, at most.
LONGEST_RATE = 40
#: Characters of what a token is for, at most.
LONGEST_NOTE = 200


class UserKind(models.TextChoices):
    """Kind of a grantee."""

    PERSON = "PERSON", "person"
    PROGRAM = "PROGRAM", "program"
    STRANGERS = "STRANGERS", "strangers"


class User(AbstractUser):
    """A person who may log in, a program that brings tokens, or all strangers."""

    #: A program has no password and logs in nowhere; strangers are one row, `anonymous`.
    kind = models.CharField(max_length=10, choices=UserKind.choices, default=UserKind.PERSON)
    #: What it may send, as `100/second` and `1000000/day`; empty: what the settings say.
    rate = models.CharField(
        max_length=LONGEST_RATE,
        blank=True,
        validators=[rates.validate],
        help_text="Operations in a short time, as 100/second, or unlimited. Empty: EXEMPLAR_RATE.",
    )
    quota = models.CharField(
        max_length=LONGEST_RATE,
        blank=True,
        validators=[rates.validate],
        help_text="Operations in a long time, as 1000000/day, or unlimited. Empty: EXEMPLAR_QUOTA.",
    )
    # A team's user model may have Django's own names of these relations.
    groups = models.ManyToManyField(  # type: ignore[assignment]  # the manager's type has this class in its name
        Group,
        verbose_name="groups",
        blank=True,
        related_name="exemplar_users",
        related_query_name="exemplar_user",
    )
    user_permissions = models.ManyToManyField(  # type: ignore[assignment]
        Permission,
        verbose_name="user permissions",
        blank=True,
        related_name="exemplar_users",
        related_query_name="exemplar_user",
    )

    objects: ClassVar[UserManager["User"]] = UserManager()  # type: ignore[assignment]


class Token(BaseModel):
    """A secret by which a program, or a person's script, identifies itself; only its hash is stored."""

    user = models.ForeignKey(User, models.CASCADE, related_name="tokens")
    #: The beginning of the secret, by which people tell tokens apart.
    prefix = models.CharField(max_length=20, unique=True)
    #: SHA-256 of the secret: 256 random bits need no slow hash.
    digest = models.BinaryField(max_length=32, unique=True)
    #: What it is for, in its owner's words.
    note = models.CharField(max_length=LONGEST_NOTE, blank=True)
    #: Permissions and products that it is limited to; null: all that its user has.
    permissions = ArrayField(models.CharField(max_length=20), null=True)
    products = ArrayField(models.CharField(max_length=40), null=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    #: Written at most once a minute.
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.prefix


class Identity(BaseModel):
    """A subject of an identity provider, and the user that it is here."""

    user = models.ForeignKey(User, models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=254)
    subject = models.CharField(max_length=254)
    created_at = models.DateTimeField(db_default=Now())

    class Meta(BaseModel.Meta):
        verbose_name_plural = "identities"
        constraints = (
            models.UniqueConstraint(fields=["issuer", "subject"], name="one_user_per_issuer_and_subject"),
        )

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class AccessChange(BaseModel):
    """One change of who may do what, inserted by triggers, so that every process forgets what it has cached."""

    web_writes = APPENDED

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now())
