"""Coroutines that run at the same time share one connection: the one that ends leaves it to the others."""

from __future__ import annotations

import asyncio

from asgiref.sync import sync_to_async


def backend() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def test_a_coroutine_that_ended_closed_the_connection_of_the_one_that_still_ran(site):
    """It was in the middle of a transaction, perhaps. When the last one ends, the connection is closed."""
    from chancy_django.connecting import Round

    async def run():
        asked = sync_to_async(backend)
        with Round():
            with Round():
                first = await asked()
            second = await asked()
            with Round():
                third = await asked()
        with Round():
            return first, second, third, await asked()

    first, second, third, last = asyncio.run(run())
    assert first == second == third != last


def test_a_coroutine_that_began_kept_an_old_connection_because_another_one_had_begun(site):
    """Alone, it begins with a new one; whoever comes while others run has theirs."""
    from chancy_django.connecting import Round

    async def run():
        asked = sync_to_async(backend)
        left = await asked()
        with Round():
            return left, await asked()

    left, own = asyncio.run(run())
    assert left != own
