"""Which orders will be returned?"""

from django.contrib.auth import get_user_model
from django.db.models import Count, Exists, OuterRef

from learning.problem import Classification
from store.products import DataProduct, Join

from .models import Order

ACTIVE = get_user_model().objects.filter(is_active=True, pk=OuterRef("owner"))

returns = DataProduct(
    name="returns",
    join=Join(
        Order.objects.filter(Exists(ACTIVE)),
        features={
            "amount": "amount",
            "owner": "owner__username",
            "city": "owner__profile__city",
            "watched_by": Count("watchers__username"),
        },
        label="returned",
    ),
    problem=Classification(),
)
