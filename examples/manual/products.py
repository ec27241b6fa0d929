"""The data product: the package that a docstring is from, by its words."""

from learning.problem import Classification
from store.products import DataProduct, Join

from .models import Docstring

manual = DataProduct(
    name="manual",
    title="Manual",
    description="Which package of Python's standard library is a docstring from?",
    join=Join(Docstring.objects.all(), features={"text": "text"}, label="package"),
    # From thousands of words, linear models and naive Bayes learn most, in the least time.
    problem=Classification(
        metric="accuracy", families=("baseline", "linear", "naive_bayes", "svm"), folds=3, candidates=6
    ),
)
