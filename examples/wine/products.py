"""The data product: groups of wines that are chemically alike."""

from learning.problem import Clustering
from store.products import DataProduct, Join

from .models import Wine

NO_FEATURES = {"number", "cultivar"}

wine = DataProduct(
    name="wine",
    title="Wine",
    description="Which wines are chemically alike?",
    join=Join(
        Wine.objects.all(),
        features={
            field.name: field.name for field in Wine._meta.get_fields() if field.name not in NO_FEATURES
        },
    ),
    problem=Clustering(candidates=8),
)
