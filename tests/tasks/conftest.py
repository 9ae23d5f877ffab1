"""Documents of the village as texts, for the tasks that ask for them."""

import pytest

from groundup import village


@pytest.fixture(scope="session")
def stories() -> list[str]:
    """Documents that no test trains on."""
    return [village.sample(77, index) for index in range(40)]
