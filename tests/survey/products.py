"""A product with signs among its labels, and a category that may be blank."""

from learning.problem import Classification
from store.products import DataProduct, Join

from .models import Answer

survey = DataProduct(
    name="survey",
    join=Join(
        Answer.objects.all(), features={"mood": "mood", "rating": "rating", "size": "size"}, label="plan"
    ),
    problem=Classification(families=("baseline", "linear"), candidates=2, folds=3, repeats=1, pictures=0.0),
)
