"""The data product: does a customer leave, from numbers, a boolean and categories, with missing values."""

from learning.problem import Classification
from store.products import DataProduct, Join

from .models import Customer

FEATURES = ("age", "calls", "minutes", "bill", "megabytes", "score", "overdue", "roams", "plan", "city")

mixed = DataProduct(
    name="mixed",
    title="Ten mixed columns",
    description="Does a customer leave?",
    join=Join(Customer._default_manager.all(), features={name: name for name in FEATURES}, label="outcome"),
    problem=Classification(candidates=8, pictures=0.0),
)
