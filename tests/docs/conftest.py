"""Fixtures of the tests of the documentation: the reference, which takes seconds to generate."""

import pytest

from docs.generate import pages


@pytest.fixture(scope="session")
def reference() -> dict[str, str]:
    """Generate the pages of the reference, by their names."""
    return pages()
