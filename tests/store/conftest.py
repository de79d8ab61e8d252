"""What the tests of this room share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fencing import Database

from chancy_core.app import Chancy


@pytest.fixture
def database(dsn: str, schema: str) -> Iterator[Database]:
    with Chancy(dsn, schema=schema, discover=False) as chancy:
        chancy.sync_migrate()
    found = Database(dsn, schema)
    found.sql("INSERT INTO {schema}.queues (name, executor) VALUES ('other', 'x')")
    yield found
    found.close()
