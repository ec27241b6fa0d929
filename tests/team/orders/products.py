"""Which orders will be returned?"""

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Count, Exists, OuterRef, Subquery

from learning.problem import Classification
from store.products import DataProduct, Join

from .models import Order

ACTIVE = get_user_model().objects.filter(is_active=True, pk=OuterRef("owner"))


class Buyers(models.Model):
    """The groups of this project, beside those of Exemplar's."""

    name = models.TextField()

    class Meta:
        managed = False
        db_table = '"public"."auth_group"'


returns = DataProduct(
    name="returns",
    join=Join(
        Order.objects.filter(Exists(ACTIVE)),
        features={
            "amount": "amount",
            "owner": "owner__username",
            "city": "owner__profile__city",
            "watched_by": Count("watchers__username"),
            "buyers": Subquery(Buyers.objects.filter(pk=OuterRef("group_id")).values("name")[:1]),
        },
        label="returned",
    ),
    problem=Classification(),
)
