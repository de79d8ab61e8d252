"""The schema of a test process: each test finds it clean, whatever the one before has left, and open."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from chancy import Queue
from chancy_core.testing.home import Home


@pytest.fixture
def home(dsn):
    made = Home(dsn)
    yield made
    made.end()


def changes_a_queue(chancy):
    chancy.sync_declare(Queue("default", concurrency=7), upsert=True)


def leaves_a_row_of_a_plugin(chancy):
    with psycopg.connect(chancy.dsn) as connection:
        connection.execute(SQL("INSERT INTO {}.of_a_plugin VALUES (2)").format(Identifier(chancy.settings.schema)))


def changes_a_row_of_a_plugin(chancy):
    with psycopg.connect(chancy.dsn) as connection:
        connection.execute(SQL("UPDATE {}.of_a_plugin SET x = 3").format(Identifier(chancy.settings.schema)))


def leaves_a_table(chancy):
    with psycopg.connect(chancy.dsn) as connection:
        connection.execute(SQL('CREATE TABLE {}."100% {{""odd}}" ()').format(Identifier(chancy.settings.schema)))


def closes(chancy):
    chancy.sync_close()


def closes_with_asyncio(chancy):
    async def close():
        async with chancy:
            chancy.sync_close()

    asyncio.run(close())


@pytest.mark.parametrize(
    "leave",
    [changes_a_queue, leaves_a_row_of_a_plugin, changes_a_row_of_a_plugin, leaves_a_table, closes, closes_with_asyncio],
)
def test_a_test_found_what_another_had_left_elsewhere_than_in_the_jobs(home, leave, monkeypatch):
    """Settings of queues, what plugins keep, tables, and a Chancy that was closed; but not what was rolled back."""
    made = Home._look

    def with_a_plugin(self, schema):
        with psycopg.connect(self._dsn) as connection:
            table = SQL("{}.of_a_plugin").format(Identifier(schema))
            if connection.execute("SELECT to_regclass(%s) IS NULL", [table.as_string(connection)]).fetchone()[0]:
                connection.execute(SQL("CREATE TABLE {} AS SELECT 1 AS x").format(table))
        return made(self, schema)

    monkeypatch.setattr(Home, "_look", with_a_plugin)
    first = home.chancy()
    home.tidy()
    assert home.chancy() is first
    leave(first)
    home.tidy()
    second = home.chancy()
    assert second is not first
    assert second.sync_get_queue("default").concurrency != 7
    home.tidy()
    assert home.chancy() is second


def test_a_chancy_that_was_closed_was_given_to_the_next_test(home):
    """Also if nobody tidied up after the one that closed it."""
    first = home.chancy()
    first.sync_close()
    assert home.chancy() is not first
    home.chancy().sync_count_jobs()
