"""The schema that is served: of all products that are declared when it is first imported."""

from store.products import catalogue

from .composition import compose

schema = compose(catalogue.products())
