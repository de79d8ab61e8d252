"""What these tests share, beyond `chancy.testing`: a real PostgreSQL, and a schema of its own for each test."""

import pytest
from chancy import Chancy


@pytest.fixture
def new_chancy(dsn, schema):
    """Makes a Chancy with these plugins and no others; its schema does not exist yet, so opening it makes it."""

    def new(*plugins):
        return Chancy(dsn, schema=schema, discover=False, plugins=plugins)

    return new
