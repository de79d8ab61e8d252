"""Each end of each job is heard once, whoever is killed meanwhile: a model of what happens, beside what was heard."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from children import Child, nursery
from ears import Ears
from support import WITHIN_S, until

from chancy import Backoff, Chancy, ChancyError, Job, Queue, Reference

# For how long things happen, in seconds; what is left then is cancelled, and told.
HAPPENS_S = 15.0
LEASE_S = 1.5
EARS = "ears.Ears"

# What happened, as the database itself saw it: in the very transaction in which a job ended, or came back.
TRUTH = """
CREATE TABLE {s}.heard (id uuid, claims integer, how text, state text, pid integer);
CREATE TABLE {s}.truth (id uuid, claims integer, state text);
CREATE FUNCTION {s}.witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO {s}.truth VALUES (NEW.id, NEW.claims, NEW.state);
    ELSE
        INSERT INTO {s}.truth VALUES (OLD.id, OLD.claims + 1, 'back');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER witness AFTER INSERT OR DELETE ON {s}.finished_jobs FOR EACH ROW EXECUTE FUNCTION {s}.witness();
"""
TRUE = "SELECT id, claims, state FROM {s}.truth"
HEARD = "SELECT id, claims, CASE WHEN how = 'retry' THEN 'back' ELSE state END FROM {s}.heard"


class Chaos:
    """What happens at random: two applications at work, one of which has the plugin, and whoever kills."""

    def __init__(
        self, chancy: Chancy, listening: Chancy, admin: psycopg.AsyncConnection[Any], dice: random.Random
    ) -> None:
        self.chancy = chancy
        self.listening = listening
        self.admin = admin
        self.dice = dice
        self.pushed: list[Reference] = []
        self.did: Counter[str] = Counter()

    async def rows(self, text: str) -> list[tuple[Any, ...]]:
        cursor = await self.admin.execute(text.replace("{s}", self.chancy.settings.schema).encode())
        return await cursor.fetchall() if cursor.description else []

    @property
    def any(self) -> Chancy:
        """One of the applications."""
        return self.dice.choice([self.chancy, self.listening])

    def some(self) -> list[Reference]:
        """Some of the jobs, the latest more often."""
        latest = self.pushed[-60:]
        return self.dice.sample(latest, min(len(latest), self.dice.randint(1, 8)))

    def job(self) -> Job:
        now = datetime.now(UTC)
        return self.dice.choice(
            [
                Job("jobs.noop"),
                Job("jobs.noop", meta={"a": 1}),
                Job("jobs.fail"),
                Job("jobs.fail", max_attempts=2, backoff=Backoff.fixed(0)),
                Job("jobs.fail", max_attempts=2, backoff=Backoff.fixed(3600)),
                Job("jobs.sleep", kwargs={"seconds": self.dice.uniform(0, 0.5)}),
                Job("jobs.sleep", kwargs={"seconds": self.dice.uniform(0, 0.5)}, max_attempts=2),
                Job("jobs.noop", scheduled_at=now + timedelta(hours=1)),
                Job("jobs.noop", queue="closed"),
                Job("jobs.noop", queue="closed", expires_at=now + timedelta(seconds=self.dice.uniform(0, 1))),
            ]
        )

    async def push(self) -> None:
        self.pushed += await self.chancy.push_many([self.job() for _ in range(self.dice.randint(1, 30))])

    async def cancel(self) -> None:
        await self.any.cancel_jobs(self.some())

    async def retry(self) -> None:
        await self.any.retry_jobs(self.some())

    async def purge(self) -> None:
        await self.any.delete_queue("closed")
        await self.chancy.declare(Queue("closed", tags=["nobody"]))

    async def cut(self) -> None:
        """End some sessions of workers and of the application."""
        await self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            f" AND application_name LIKE 'chancy%' AND random() < {self.dice.uniform(0.1, 0.6)}"
        )

    async def go_on(self, until_s: float) -> None:
        """Let things happen until that moment of the monotonic clock."""
        await self.purge_first()
        acts = [self.push] * 8 + [self.cancel] * 3 + [self.retry] * 3 + [self.purge] + [self.cut]
        while time.monotonic() < until_s:
            act = self.dice.choice(acts)
            # A bulk push says that it does not know; the jobs that it stored end all the same.
            with suppress(ChancyError, psycopg.Error):
                await act()
                self.did[act.__name__] += 1
            await asyncio.sleep(self.dice.uniform(0, 0.05))

    async def purge_first(self) -> None:
        await self.chancy.declare(Queue("closed", tags=["nobody"]))


async def kill_and_start(new: Callable[[bool], Child], dice: random.Random, until_s: float) -> int:
    """Keep three workers going, two of them with the plugin; kill one of them now and then. How many were killed."""
    children = [(new(listens), listens) for listens in (True, True, False)]
    killed = 0
    while time.monotonic() < until_s:
        await asyncio.sleep(dice.uniform(0.2, 2))
        number = dice.randrange(3)
        child, listens = children[number]
        # Also one that is just starting.
        child.send(signal.SIGKILL)
        killed += 1
        children[number] = new(listens), listens
    return killed


@asynccontextmanager
async def chaos_in(database: str, schema: str, dice: random.Random) -> AsyncIterator[Chaos]:
    chancy, listening = (Chancy(database, schema=schema, discover=False, plugins=p) for p in ([], [Ears()]))
    async with chancy, listening, await psycopg.AsyncConnection.connect(database, autocommit=True) as admin:
        await admin.execute("SET application_name = 'test'")
        chaos = Chaos(chancy, listening, admin, dice)
        await chaos.rows(TRUTH)
        yield chaos


@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(1 << 32)], ids=["seed"])
async def test_each_end_is_heard_once_whoever_is_killed(database, schema, tmp_path, seed):
    """Jobs end by every way there is, on workers and in applications, with the plugin and without, killed at random.

    Each end is heard once.
    """
    dice = random.Random(seed)
    async with chaos_in(database, schema, dice) as chaos:
        with nursery(tmp_path, database, schema) as made:

            def new(listens: bool) -> Child:
                return made(worker={"lease_s": LEASE_S, "grace_s": 1}, plugins=[EARS] if listens else [])

            # Before anything ends, the plugin has been heard of.
            first = new(True)
            await asyncio.to_thread(first.ready)
            until_s = time.monotonic() + HAPPENS_S
            killed, _ = await asyncio.gather(kill_and_start(new, dice, until_s), chaos.go_on(until_s))

            async def over() -> bool:
                # What waits for ever, for a retry in an hour or in a closed queue, is ended as well.
                waiting = [id_ for (id_,) in await chaos.rows("SELECT id FROM {s}.jobs WHERE state <> 'running'")]
                if waiting:
                    await chaos.chancy.cancel_jobs(waiting)
                await asyncio.sleep(0.2)
                return not await chaos.rows("SELECT 1 FROM {s}.jobs UNION ALL SELECT 1 FROM {s}.ended LIMIT 1")

            await until(over, WITHIN_S)
            first.send(signal.SIGKILL)
        true = Counter(await chaos.rows(TRUE))
        heard = Counter(await chaos.rows(HEARD))
        how = Counter(kind for (kind,) in await chaos.rows("SELECT how FROM {s}.heard"))
        here = Counter(kind for (kind,) in await chaos.rows(f"SELECT how FROM {{s}}.heard WHERE pid = {os.getpid()}"))
    told = f"seed {seed}; {chaos.did}, {killed} killed; heard {how}, of which in an application {here}"
    missed, doubled = true - heard, heard - true
    assert not missed, f"{missed.total()} ends were not heard, such as {list(missed)[:3]}; {told}"
    assert not doubled, f"{doubled.total()} were heard too often, such as {list(doubled)[:3]}; {told}"
    ends = Counter((id_, claims) for id_, claims, state in true.elements() if state != "back")
    assert max(ends.values()) == 1, f"two ends of a job have the same number; {told}"
    assert {"run", "cancel", "retry"} <= set(how), told
    assert {"cancel", "retry"} <= set(here) <= {"cancel", "retry", "purge"}, told
