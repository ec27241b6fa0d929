"""The users of Exemplar, which are not those of a team's project."""

from django.contrib.auth.models import AbstractUser, Group, Permission
from django.db import models


class User(AbstractUser):
    """A person who may log in to Exemplar."""

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
