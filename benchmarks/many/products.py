"""The data products, which differ in nothing but their names."""

from benchmarks.mixed.models import Customer
from benchmarks.mixed.products import FEATURES
from learning.problem import Classification
from store.products import DataProduct, Join

#: With the five that are there anyway, fifty.
NUMBER = 45

for number in range(1, NUMBER + 1):
    globals()[f"many_{number:02}"] = DataProduct(
        name=f"many_{number:02}",
        title=f"Customers of region {number}",
        description="Does a customer leave?",
        join=Join(
            Customer._default_manager.all(), features={name: name for name in FEATURES}, label="outcome"
        ),
        problem=Classification(candidates=8, pictures=0.0),
        writes="none",
    )
