"""The docstring, and the packages that it may be from."""

from django.core.validators import MaxLengthValidator
from django.db import models


class Docstring(models.Model):
    """What a module, a class or a function of Python's standard library says about itself."""

    class Package(models.TextChoices):
        # The largest ones that every Python from 3.11 to 3.13 has, however it was installed.
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
        validators=[MaxLengthValidator(10_000)], help_text="What it says, without the packages' names"
    )
    package = models.CharField(
        max_length=15, choices=Package.choices, null=True, blank=True, help_text="Where it is from"
    )

    def __str__(self) -> str:
        return self.name
