"""The short forms of some faults; `make chaos` plays all of them in full."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from chancy_core.testing.server import new_folder
from chaos.__main__ import load_families
from chaos.cluster import Skipped
from chaos.harness import Arena, play
from chaos.scenario import SCENARIOS, Scenario

load_families()
# Workers start, a lease runs out, jobs end: a minute on an idle machine at most.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the account of a server may enter, which those of pytest are closed to."""
    made = new_folder("chancy-chaos-")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize("name", [each.name for each in SCENARIOS.values() if each.short])
async def test_no_job_is_lost_none_is_recorded_twice_and_no_good_run_counts_as_lost(name, dsn, folder):
    """Under this fault, every job that was stored comes to one end, and what ran well is recorded so."""
    try:
        result = await play(SCENARIOS[name], dsn, folder, short=True)
    except Skipped as reason:
        pytest.skip(str(reason))
    assert not result.complaints(timed=False), result.said[-20_000:]
    assert result.jobs


async def test_the_suite_sees_what_it_looks_for(dsn, folder):
    """A job that vanished, one with two outcomes and a good run that is recorded as lost are each counted."""

    async def act(arena: Arena) -> None:
        await arena.database()
        await arena.worker()
        await arena.push(number=10)
        await arena.under_way(10)
        schema = f'"{arena.schema}"'
        with psycopg.connect(dsn, autocommit=True) as connection:
            ids = [row[0] for row in connection.execute(f"SELECT id FROM {schema}.finished_jobs".encode())]
            connection.execute(f"DELETE FROM {schema}.finished_jobs WHERE id = %s".encode(), (ids[0],))
            connection.execute(
                f"INSERT INTO {schema}.finished_jobs SELECT * FROM {schema}.finished_jobs WHERE id = %s".encode(),
                (ids[1],),
            )
            connection.execute(
                f"""UPDATE {schema}.finished_jobs SET errors = jsonb_build_array(jsonb_build_object(
                    'attempt', 1, 'type', 'WorkerLost', 'worker', worker)) WHERE id = %s""".encode(),
                (ids[2],),
            )

    result = await play(Scenario("made-up", "", "", act, None, 5.0, short=True), dsn, folder, short=True)
    assert (result.jobs, result.lost, result.twice, result.good_lost, result.failed) == (10, 1, 1, 1, 0)
