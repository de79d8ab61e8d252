"""Limits across all workers, the kernel's side: kept with the queue, asked for at each claim, never ignored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar

import psycopg
import pytest
from click.testing import CliRunner
from support import WITHIN_S, captured_events, until

from chancy import Budget, Chancy, Job, Plugin, Queue, State, Worker, hookimpl
from chancy_core.cli.group import chancy as command
from chancy_core.errors import ConfigError, InvalidQueue, PluginError
from chancy_core.store.session import WorkerConnection
from chancy_core.worker import heartbeat

ECHO = Job(func="jobs.echo")
SLEEP = Job(func="jobs.sleep", kwargs={"seconds": 3600})
# A polling interval that no test waits for.
NEVER_S = 3600
RAISED = [ValueError("no"), asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()]


class Keeper(Plugin):
    """Enforces both limits by whatever answer it is given."""

    name = "keeper"
    enforces: ClassVar[frozenset[str]] = frozenset({"rate_limit", "global_concurrency"})

    def __post_init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.answer: Callable[[int, Any], Any] = lambda wanted, _: wanted

    @hookimpl
    async def claim_budget(self, queue, wanted, connection):
        self.asked.append((queue.name, wanted))
        answer = self.answer(wanted, connection)
        return await answer if asyncio.iscoroutine(answer) else answer


class Opinion(Plugin):
    """Enforces nothing, and has an opinion, or none."""

    name = "opinion"

    def __post_init__(self) -> None:
        self.answer: int | None = None
        self.calls = 0

    @hookimpl
    async def claim_budget(self):
        self.calls += 1
        return self.answer


def keeper(answer: Callable[[int, Any], Any] | None = None) -> Keeper:
    made = Keeper()
    if answer is not None:
        made.answer = answer
    return made


async def in_state(chancy: Chancy, queue: str, state: str) -> int:
    return (await chancy.count_jobs()).get(queue, {}).get(state, 0)


# -- declaring ---------------------------------------------------------------------------------


async def test_limits_are_kept_with_the_queue(new_chancy):
    """What is declared is found; upsert changes limits and takes them away; a plain declaration leaves them."""
    api = Queue("api", rate_limit=50, rate_limit_window=0.5, global_concurrency=4)
    assert api.limited_by == ("rate_limit", "global_concurrency")
    async with new_chancy(plugins=[keeper()]) as chancy:
        assert await chancy.declare(api) == api == await chancy.get_queue("api")
        assert await chancy.declare(Queue("api")) == api
        assert await chancy.declare(Queue("api"), upsert=True) == Queue("api")
        assert Queue("api").limited_by == ()


@pytest.mark.parametrize("limit", [{"rate_limit": 50}, {"global_concurrency": 4}], ids=str)
async def test_a_limit_that_nobody_enforces_is_refused(new_chancy, limit, tmp_path, dsn, schema):
    """In code, with and without asyncio, in TOML and on the command line: refused, with what to install."""
    (name, value), *_ = limit.items()
    message = (
        f"{name} is {value}, and no plugin that is on here enforces it. To install one: pip install chancy-limits."
    )
    async with new_chancy() as chancy:
        with pytest.raises(InvalidQueue) as caught:
            await chancy.declare(Queue("api", **limit))
        assert str(caught.value) == f"Queue 'api': {message}"
        assert [queue.name for queue in await chancy.get_all_queues()] == ["default"]
    with new_chancy() as chancy, pytest.raises(InvalidQueue, match="chancy-limits"):
        chancy.sync_declare(Queue("api", **limit))
    file = tmp_path / "chancy.toml"
    file.write_text(f"[queues.api]\n{name} = {value}\n[queues.b]\n{name} = 7\n")
    with pytest.raises(ConfigError) as caught:
        Chancy(dsn, schema=schema, config=file, discover=False)
    assert str(caught.value).splitlines()[0].endswith(f"chancy.toml: queues.api.{message}")
    assert f"queues.b.{name} is 7" in str(caught.value)
    with pytest.raises(InvalidQueue, match="chancy-limits"):
        command_line(new_chancy, "queue", "declare", "api", f"--{name.replace('_', '-')}", str(value))


def command_line(new_chancy: Callable[..., Chancy], *arguments: str, **settings: Any) -> str:
    done = CliRunner().invoke(
        command.commands[arguments[0]], arguments[1:], obj=lambda: new_chancy(**settings), catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_line_declares_and_shows_limits(new_chancy):
    """`chancy queue declare` takes limits, and `chancy queue list` shows them."""
    limits = ("--rate-limit", "50", "--rate-limit-window", "0.5", "--global-concurrency", "4")
    declared = command_line(new_chancy, "queue", "declare", "api", *limits, plugins=[keeper()])
    assert declared == "queue api declared\n"
    with new_chancy() as chancy:
        assert chancy.sync_get_queue("api") == Queue("api", rate_limit=50, rate_limit_window=0.5, global_concurrency=4)
    shown = " ".join(command_line(new_chancy, "queue", "list").split())
    assert "50 in 0.5 s" in shown
    again = command_line(new_chancy, "queue", "declare", "api", "--rate-limit", "9", plugins=[keeper()])
    assert "exists otherwise" in again


def test_limits_in_toml_are_declared_by_a_worker(new_chancy, tmp_path, dsn, schema):
    """Where a plugin enforces them, limits in a file are accepted, and typed like the other fields."""
    file = tmp_path / "chancy.toml"
    file.write_text("[queues.api]\nrate_limit = 50\nrate_limit_window = 2\nglobal_concurrency = 4\n")
    chancy = Chancy(dsn, schema=schema, config=file, discover=False, plugins=[keeper()])

    async def main() -> Queue:
        async with chancy, Worker(chancy):
            return await chancy.get_queue("api")

    assert asyncio.run(main()) == Queue("api", rate_limit=50, rate_limit_window=2.0, global_concurrency=4)
    file.write_text("[queues.api]\nrate_limit = 0\nrate_limit_window = 'x'\n")
    with pytest.raises(ConfigError) as caught:
        Chancy(dsn, schema=schema, config=file, discover=False)
    assert "rate_limit is 0; give a whole number from 1 to 1,000,000" in str(caught.value)
    assert "give seconds from 0.1 to 86,400" in str(caught.value)


def test_what_a_plugin_says_it_enforces_is_checked(new_chancy):
    """A limit that does not exist, or a promise without the hook that keeps it, is refused when it is loaded."""
    empty = type("Empty", (Plugin,), {"name": "empty", "enforces": frozenset({"rate_limits"})})
    with pytest.raises(PluginError) as caught:
        new_chancy(plugins=[empty()])
    assert "enforces names 'rate_limits', which is no limit of a queue. Did you mean 'rate_limit'?" in str(caught.value)
    assert "no claim_budget(queue, wanted, connection) keeps the promise" in str(caught.value)


# -- a worker without the plugin ---------------------------------------------------------------


async def test_a_worker_that_cannot_enforce_a_limit_does_not_claim(new_chancy, monkeypatch):
    """It says so once, serves the other queues, stops when a limit is set, and serves when the limit is gone."""
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.05)
    async with new_chancy(plugins=[keeper()]) as able, new_chancy() as chancy:
        await able.declare(Queue("api", rate_limit=50))
        await able.declare(Queue("free"))
        waiting = await chancy.push("api", ECHO)
        with captured_events() as events:
            async with Worker(chancy):
                await (await chancy.push("free", ECHO)).wait(timeout=WITHIN_S)
                await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
                await asyncio.sleep(0.3)
                assert (await waiting.get()).state is State.PENDING
                said = [e for e in events if e["event"] == "queue_not_served"]
                assert len(said) == 1
                assert "rate_limit is 50, and no plugin" in said[0]["error"]
                await able.declare(Queue("api"), upsert=True)
                await waiting.wait(timeout=WITHIN_S)
                await able.declare(Queue("api", global_concurrency=1), upsert=True)
                await until(lambda: any(e["event"] == "queue_left" for e in events))
                stays = await chancy.push("api", ECHO)
                await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
                assert (await stays.get()).state is State.PENDING


# -- asking --------------------------------------------------------------------------------------


async def test_the_smallest_answer_wins(new_chancy):
    """Each claim takes what the most careful plugin allows; None is no opinion; after a 0 nobody else is asked."""
    careful, opinion = keeper(lambda wanted, _: Budget(min(wanted, 5), again_in_s=0.01)), Opinion()
    async with new_chancy(plugins=[careful, opinion], plugin_order=["opinion"]) as chancy:
        await chancy.declare(Queue("api", concurrency=10, global_concurrency=9))
        references = await chancy.push_many("api", [ECHO] * 20)
        with captured_events() as events:
            async with Worker(chancy):
                await chancy.wait_for_jobs(references, timeout=WITHIN_S)
                counts = [e["count"] for e in events if e["event"] == "jobs_claimed"]
                assert (max(counts), sum(counts)) == (5, 20)
                assert careful.asked[0] == ("api", 10)
                opinion.answer = 0
                asked = len(careful.asked)
                calls = opinion.calls
                waiting = await chancy.push("api", ECHO)
                await until(lambda: opinion.calls > calls)
                await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
                assert len(careful.asked) == asked
                assert (await waiting.get()).state is State.PENDING


async def test_queues_without_limits_pay_nothing(new_chancy, monkeypatch):
    """Although a plugin is there, nobody asks it, no claim has a transaction, and no connection more is opened."""
    keeps = keeper()

    def no_transaction(self: Any) -> Any:
        raise AssertionError("a transaction was begun")

    opened = set()
    open_ = WorkerConnection._open

    async def noting(self: Any) -> Any:
        opened.add(self._name)
        return await open_(self)

    monkeypatch.setattr(WorkerConnection, "_open", noting)
    monkeypatch.setattr(WorkerConnection, "transaction", no_transaction)
    async with new_chancy(plugins=[keeps]) as chancy, Worker(chancy):
        await chancy.wait_for_jobs(await chancy.push_many([ECHO] * 50), timeout=WITHIN_S)
    assert opened == {"chancy claim", "chancy finish"}
    assert keeps.asked == []


def _raising(error: BaseException) -> Callable[[int, Any], Any]:
    def answer(wanted: int, connection: Any) -> Any:
        raise error

    return answer


async def _hang(wanted: int, connection: Any) -> int:
    await asyncio.sleep(3600)
    return wanted


async def _hang_in_sql(wanted: int, connection: Any) -> int:
    await connection.execute("SELECT pg_sleep(60)")
    return wanted


async def _bad_sql(wanted: int, connection: Any) -> int:
    await connection.execute("SELECT nonsense")
    return wanted


async def _swallowed_sql(wanted: int, connection: Any) -> int:
    try:
        await connection.execute("SELECT nonsense")
    except psycopg.Error:
        return wanted
    raise AssertionError


async def _commit(wanted: int, connection: Any) -> int:
    await connection.execute("COMMIT")
    return wanted


async def _roll_back(wanted: int, connection: Any) -> int:
    await connection.execute("ROLLBACK")
    return wanted


async def _close(wanted: int, connection: Any) -> int:
    await connection.close()
    return wanted


async def _refuse_taken(count: int) -> None:
    raise ValueError("not written down")


WRONG = [
    *(pytest.param(_raising(error), id=type(error).__name__) for error in RAISED),
    *(
        pytest.param(lambda wanted, _, answer=answer: answer, id=repr(answer))
        for answer in (None, -1, True, 2.0, "3", [1], Budget(-1), Budget(1, again_in_s=-1), Budget(1, taken=3))
    ),
    _hang,
    _hang_in_sql,
    _bad_sql,
    _swallowed_sql,
    _commit,
    _roll_back,
    _close,
    pytest.param(lambda wanted, _: Budget(wanted, taken=_refuse_taken), id="taken"),
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_limit_that_cannot_be_checked_is_not_exceeded(new_chancy, wrong, monkeypatch):
    """Whatever goes wrong in the hook, nothing is claimed, it is told and counted, and other queues do not notice."""
    monkeypatch.setattr("chancy_core.plugins.budgets.CLAIM_BUDGET_S", 0.1)
    keeps = keeper(wrong)
    with captured_events() as events:
        async with new_chancy(plugins=[keeps]) as chancy:
            await chancy.declare(Queue("api", rate_limit=5, polling_interval=0.02))
            reference = await chancy.push("api", ECHO)
            async with Worker(chancy, grace_s=1):
                for _ in range(3):
                    assert (await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)).state is State.SUCCEEDED
                await until(lambda: chancy.plugins.failures["keeper", "claim_budget"] >= 2)
                job = await reference.get()
                assert (job.state, job.attempts, job.claims) == (State.PENDING, 0, 0)
                keeps.answer = lambda wanted, _: wanted
                assert (await reference.wait(timeout=WITHIN_S)).attempts == 1
    told = [e for e in events if e["event"] == "hook_failed"]
    assert [(e["plugin"], e["hook"]) for e in told] == [("keeper", "claim_budget")]
    assert not [e for e in events if e["event"] in {"database_lost", "duty_failed"}]


async def test_an_answer_of_0_may_leave_the_transaction_failed(new_chancy):
    """A lock that could not be had is no failure: the worker asks again as soon as it was told."""

    async def no_lock(wanted: int, connection: Any) -> Budget:
        try:
            await connection.execute("SELECT 1 / 0")
        except psycopg.Error:
            return Budget(0, again_in_s=0.01)
        raise AssertionError

    keeps = keeper(no_lock)
    async with new_chancy(plugins=[keeps]) as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=5, polling_interval=NEVER_S))
        reference = await chancy.push("api", ECHO)
        await until(lambda: len(keeps.asked) > 3)
        assert (await reference.get()).state is State.PENDING
        keeps.answer = lambda wanted, _: wanted
        await reference.wait(timeout=WITHIN_S)
        assert not chancy.plugins.failures


async def test_what_taken_writes_commits_with_the_claim(new_chancy, query, schema):
    """It is told the number that was claimed, not the one that was allowed; without jobs it is told nothing."""

    def answer(wanted: int, connection: Any) -> Budget:
        async def taken(count: int) -> None:
            await connection.execute(f'INSERT INTO "{schema}".notes VALUES (%s)'.encode(), [count])

        return Budget(min(wanted, 7), taken=taken)

    keeps = keeper(answer)
    async with new_chancy(plugins=[keeps]) as chancy:
        await chancy.declare(Queue("api", global_concurrency=50, polling_interval=0.05))
        query("CREATE TABLE {s}.notes (count integer)")
        await chancy.push_many("api", [SLEEP] * 3)
        async with Worker(chancy, grace_s=0):
            await until(lambda: query("SELECT id FROM {s}.jobs WHERE state = 'running'"))
            asked = len(keeps.asked)
            await until(lambda: len(keeps.asked) > asked + 2)
            assert query("SELECT count FROM {s}.notes") == [(3,)]
            assert query("SELECT DISTINCT jobs.xmin::text = notes.xmin::text FROM {s}.jobs, {s}.notes") == [(True,)]


# -- coming back -----------------------------------------------------------------------------------


async def test_a_worker_comes_back_when_the_budget_does(new_chancy):
    """It asks again when the plugin said, although neither a notification nor the polling interval would wake it."""
    asked_at: list[float] = []

    def answer(wanted: int, connection: Any) -> Any:
        asked_at.append(time.monotonic())
        return wanted if len(asked_at) > 5 else Budget(0, again_in_s=0.1)

    async with new_chancy(plugins=[keeper(answer)]) as chancy:
        await chancy.declare(Queue("api", rate_limit=5, polling_interval=NEVER_S))
        reference = await chancy.push("api", ECHO)
        async with Worker(chancy):
            await reference.wait(timeout=WITHIN_S)
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(asked_at[:6])), asked_at


async def test_pushes_do_not_wake_who_waits_for_a_budget(new_chancy):
    """While a queue's budget is used up, a hundred pushes are no reason to ask for it again."""
    keeps = keeper(lambda wanted, _: Budget(0, again_in_s=NEVER_S))
    async with new_chancy(plugins=[keeps]) as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=5, polling_interval=NEVER_S))
        await until(lambda: keeps.asked)
        for _ in range(100):
            await chancy.push("api", ECHO)
        await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
        assert len(keeps.asked) <= 3


def _one_at_a_time(chancy: Chancy) -> Callable[[int, Any], Any]:
    async def answer(wanted: int, connection: Any) -> int:
        cursor = await connection.execute(
            f"""SELECT count(*) FROM "{chancy.settings.schema}".jobs WHERE state = 'running'""".encode()
        )
        ((running,),) = await cursor.fetchall()
        return max(1 - running, 0)

    return answer


@pytest.mark.parametrize(("notifications", "polling_interval"), [(True, NEVER_S), (False, 0.3)])
async def test_room_is_heard_of_on_other_workers(new_chancy, notifications, polling_interval):
    """A job that ends on one worker lets the other claim: by a notification, or else at its polling interval."""
    keeps = [keeper(), keeper()]
    settings = {"notifications": notifications}
    async with new_chancy(plugins=keeps[:1], **settings) as one, new_chancy(plugins=keeps[1:], **settings) as two:
        keeps[0].answer, keeps[1].answer = _one_at_a_time(one), _one_at_a_time(two)
        await one.declare(Queue("api", global_concurrency=1, polling_interval=polling_interval))
        first = Worker(one, grace_s=WITHIN_S)
        await first.start()
        holder = await one.push("api", Job(func="jobs.sleep", kwargs={"seconds": 1.0}))
        await until(lambda: first.running == 1)
        async with Worker(two):
            waiting = await one.push("api", ECHO)
            await until(lambda: keeps[1].asked)
            # It stops claiming, so that it does not take the room that it leaves.
            await first.stop()
            assert (await holder.get()).state is State.SUCCEEDED
            assert (await waiting.wait(timeout=WITHIN_S)).state is State.SUCCEEDED


async def test_room_left_here_is_taken_at_once(new_chancy):
    """One slot for all, and a long polling interval: a worker goes from job to job by itself."""
    keeps = keeper()
    async with new_chancy(plugins=[keeps], notifications=False) as chancy, Worker(chancy):
        keeps.answer = _one_at_a_time(chancy)
        await chancy.declare(Queue("api", global_concurrency=1, polling_interval=NEVER_S), upsert=True)
        references = await chancy.push_many("api", [ECHO] * 30)
        await chancy.wait_for_jobs(references, timeout=WITHIN_S)


async def test_changed_limits_wake_who_waits(new_chancy):
    """A worker that waits for a budget asks again when the queue is declared otherwise, and knows the new limit."""
    seen: list[int | None] = []

    class Seeing(Keeper):
        @hookimpl
        async def claim_budget(self, queue, wanted):
            seen.append(queue.rate_limit)
            return 0 if queue.rate_limit == 1 else wanted

    async with new_chancy(plugins=[Seeing()]) as chancy, Worker(chancy):
        await chancy.declare(Queue("api", rate_limit=1, polling_interval=NEVER_S))
        reference = await chancy.push("api", ECHO)
        await until(lambda: seen)
        await chancy.declare(Queue("api", rate_limit=2, polling_interval=NEVER_S), upsert=True)
        await reference.wait(timeout=WITHIN_S)
        await chancy.declare(Queue("api", rate_limit=1, polling_interval=NEVER_S), upsert=True)
        await until(lambda: seen[-1] == 1)
        blocked = await chancy.push("api", ECHO)
        await chancy.declare(Queue("api", polling_interval=NEVER_S), upsert=True)
        await blocked.wait(timeout=WITHIN_S)
    assert set(seen) == {1, 2}


async def test_a_limited_queue_is_not_claimed_ahead(new_chancy):
    """However short its jobs, a worker asks for no more of a limited queue than it has free slots for."""
    keeps = keeper()
    async with new_chancy(plugins=[keeps]) as chancy:
        await chancy.declare(Queue("api", concurrency=2, rate_limit=1_000_000))
        references = await chancy.push_many("api", [ECHO] * 500)
        async with Worker(chancy):
            await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert max(wanted for _, wanted in keeps.asked) == 2


async def test_a_row_that_cannot_be_read_fails_after_its_claim(new_chancy, query):
    """In a limited queue, too, a row that somebody wrote by hand fails, and holds nobody up."""
    async with new_chancy(plugins=[keeper()]) as chancy:
        await chancy.declare(Queue("api", global_concurrency=5))
        odd = await chancy.push("api", ECHO)
        fine = await chancy.push("api", ECHO)
        query("UPDATE {s}.jobs SET limits = '[3]' WHERE id = %s", odd.identifier)
        async with Worker(chancy):
            assert (await fine.wait(timeout=WITHIN_S)).state is State.SUCCEEDED
            assert (await odd.wait(timeout=WITHIN_S)).state is State.FAILED
