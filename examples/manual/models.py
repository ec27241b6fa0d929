"""Docstrings, and the packages that they may be from."""

from django.core.validators import MaxLengthValidator
from django.db import models


class Docstring(models.Model):
    """The docstring of a module, class or function of Python's standard library."""

    class Package(models.TextChoices):
        # The largest packages that every installation of Python 3.11 to 3.13 has.
        ASYNCIO = "asyncio", "asyncio"
        COLLECTIONS = "collections", "collections"
        EMAIL = "email", "email"
        ENCODINGS = "encodings", "encodings"
        HTTP = "http", "http"
        IMPORTLIB = "importlib", "importlib"
        LOGGING = "logging", "logging"
        MULTIPROCESSING = "multiprocessing", "multiprocessing"
        UNITTEST = "unittest", "unittest"
        URLLIB = "urllib", "urllib"
        WSGIREF = "wsgiref", "wsgiref"
        XML = "xml", "xml"

    name = models.CharField(max_length=200, primary_key=True)
    text = models.TextField(
        validators=[MaxLengthValidator(10_000)],
        help_text="Text of the docstring, without the packages' names",
    )
    package = models.CharField(
        max_length=15, choices=Package.choices, null=True, blank=True, help_text="Package of the docstring"
    )

    def __str__(self) -> str:
        return self.name
