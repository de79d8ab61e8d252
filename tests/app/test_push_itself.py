"""What knows how to push itself is pushed like a job."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from chancy import Chancy, Job
from chancy.errors import InvalidJob
from chancy.plugin import savepoint, savepoint_sync


class Pair:
    """Two jobs, as a plugin might have them."""

    jobs = (Job("a.b"), Job("a.c"))

    async def push_with(self, chancy: Chancy, **how: Any) -> list[str]:
        """Push both."""
        if "connection" not in how:
            return [str(one) for one in await chancy.push_many(self.jobs)]
        async with savepoint(chancy, how["connection"]) as own:
            assert isinstance(own, psycopg.AsyncConnection | psycopg.Connection)
            return [str(one) for one in await chancy.push_many(self.jobs, connection=own)]

    def sync_push_with(self, chancy: Chancy, **how: Any) -> list[str]:
        """Push both."""
        if "connection" not in how:
            return [str(one) for one in chancy.sync_push_many(self.jobs)]
        with savepoint_sync(chancy, how["connection"]) as own:
            return [str(one) for one in chancy.sync_push_many(self.jobs, connection=own)]


async def test_a_value_pushes_itself_and_in_the_transaction_of_whoever_calls(chancy, query):
    """With asyncio and without; what is rolled back is not there, whichever library the transaction is of."""
    ids = await chancy.push(Pair())
    async with await psycopg.AsyncConnection.connect(chancy.dsn) as connection:
        await chancy.push(Pair(), connection=connection)
        await connection.rollback()
    assert sorted(ids) == sorted(id_ for (id_,) in query("SELECT id::text FROM {s}.jobs"))


def test_a_value_pushes_itself_without_asyncio(dsn, schema, query):
    """In a session of SQLAlchemy, and in a transaction of its own."""
    with Chancy(dsn, schema=schema, discover=False) as chancy:
        ids = chancy.sync_push(Pair())
        engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))
        with Session(engine) as session:
            ids += chancy.sync_push(Pair(), connection=session)
            session.commit()
        engine.dispose()
    assert sorted(ids) == sorted(id_ for (id_,) in query("SELECT id::text FROM {s}.jobs"))


async def test_what_only_a_job_takes_is_refused_of_what_pushes_itself(chancy):
    """A second job, and a word about its unique key."""
    for wrong in ({"job": Job("a.b")}, {"on_conflict": "raise"}):
        with pytest.raises(InvalidJob, match="pushes more than one job"):
            await chancy.push(Pair(), **wrong)
