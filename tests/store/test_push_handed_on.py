"""The function `push` of a schema that tests hand on."""

from __future__ import annotations

import psycopg

from chancy_core.store import run_sync
from chancy_core.store.migrate import kernel_migrations
from chancy_core.testing.spares import WORTH_A_MODEL, Spares, new_name


def test_a_schema_that_is_handed_on_has_the_function_of_its_name(dsn):
    """Its text has the schema's name in it."""
    spares = Spares(dsn)
    names = [new_name() for _ in range(WORTH_A_MODEL + 2)]
    with psycopg.connect(dsn, autocommit=True) as connection:
        oids = []
        for name in names:
            spares.expect(name)
            run_sync(connection, spares.migrate(name, kernel_migrations()))
            assert connection.execute(f"SELECT {name}.push('jobs.echo')".encode()).fetchone() != (None,)
            assert connection.execute(f"SELECT count(*) FROM {name}.jobs".encode()).fetchone() == (1,)
            oids.append(connection.execute("SELECT to_regnamespace(%s)::oid::int", [name]).fetchone())
            spares.end(name)
    spares.drop()
    assert len(set(oids)) < len(names)
