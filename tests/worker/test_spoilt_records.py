"""A plugin that ends the transaction which records runs: what is written after that is in none, so nothing is."""

from __future__ import annotations

from hearing_apps import HEARD, writer
from making import ECHO
from support import WITHIN_S, until

from chancy import Worker


async def test_a_plugin_that_rolls_back_is_told_of_each_end_once(new_chancy, query, schema):
    """The batch is recorded again and told again; no rows are left beside of what was never recorded."""
    spoiled = []

    async def roll_back_once(connection):
        if not spoiled:
            spoiled.append(True)
            await connection.execute("ROLLBACK")

    async with new_chancy(plugins=[writer(schema, then=roll_back_once)]) as chancy:
        query(HEARD)
        references = await chancy.push_many([ECHO] * 10)
        async with Worker(chancy):
            await chancy.wait_for_jobs(references, timeout=WITHIN_S)
            await until(lambda: not query("SELECT 1 FROM {s}.ended"))
    assert spoiled
    assert sorted(query("SELECT id FROM {s}.heard")) == sorted((reference.identifier,) for reference in references)
