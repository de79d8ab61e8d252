"""A real server whose clock is set back by an hour, with the plugins that go by it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import psycopg
import pytest

from chancy import Chancy, Job, Queue, Worker
from chancy.plugins.leadership import Leadership
from chancy.plugins.limits import Limits
from chancy.testing import new_folder, own_server
from chancy_cron import Cron

HOUR = 3600
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
SCHEDULES = [{"name": "s", "cron": "* * * * * *", "job": "cron_jobs.note"}]
FIRED = (
    "SELECT (meta->'cron'->>'fire_at')::timestamptz FROM wrong.finished_jobs WHERE meta->'cron' IS NOT NULL UNION ALL "
    "SELECT (meta->'cron'->>'fire_at')::timestamptz FROM wrong.jobs WHERE meta->'cron' IS NOT NULL"
)


class Clock:
    """The clock of a server."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        """Let it be so many seconds ahead of the machine's."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.chmod(0o644)
        new.rename(self._file)


@pytest.fixture
def clock_and_dsn():
    """A server of the test's own, and its clock."""
    if not LIBRARIES:
        pytest.skip("libfaketime is not installed; on Debian: apt-get install faketime")
    folder = new_folder("chancy-clock-")
    clock = Clock(folder / "offset")
    faked = {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "offset"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
    with own_server(folder, faked) as dsn:
        yield clock, dsn


async def test_everything_goes_on_when_the_clock_of_the_database_is_set_back(clock_and_dsn, until):
    """Cron fires, no time twice; a limited queue is claimed from; a leader that was lost is followed by another."""
    clock, dsn = clock_and_dsn

    async def ask(text):
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            cursor = await connection.execute(text)
            return await cursor.fetchall() if cursor.description else []

    async def has_fired(count):
        return len(await ask(FIRED)) >= count

    def new():
        plugins = [Cron(schedules=SCHEDULES), Leadership(lease_s=1.5), Limits()]
        return Chancy(dsn, schema="wrong", discover=False, plugins=plugins)

    def leads():
        return [one for one in (first, second) if Leadership.of(one).term]

    async with new() as first, new() as second, Worker(first), Worker(second):
        await first.declare(Queue("api", rate_limit=5, rate_limit_window=1, polling_interval=0.1))
        await first.wait_for_jobs(await first.push_many("api", [Job(func="cron_jobs.note")] * 5), timeout=60)
        await until(lambda: has_fired(3), within_s=60)
        await until(leads, within_s=60)
        ((before,),) = await ask("UPDATE wrong.leadership SET holder = 'lost' RETURNING clock_timestamp()")
        clock.set(-HOUR)
        ((after,),) = await ask("SELECT clock_timestamp()")
        assert (before - after).total_seconds() > HOUR - 60
        fired = len(await ask(FIRED))
        await until(lambda: has_fired(fired + 3), within_s=120)
        await first.wait_for_jobs(await first.push_many("api", [Job(func="cron_jobs.note")] * 5), timeout=60)
        await until(leads, within_s=60)
        ((holder,),) = await ask("SELECT holder FROM wrong.leadership")
        assert holder != "lost"
        assert not first.plugins.failures
        assert not second.plugins.failures
    assert max(Counter(await ask(FIRED)).values()) == 1
