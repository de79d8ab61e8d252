"""A row that says nothing of limits, attempts and the like has those that its function declares with `@job`.

Such rows are written by SQL, and by processes that name a function without having it.
"""

from __future__ import annotations

import os
import uuid

import declared_jobs
import pytest
from processing import linux_only
from support import WITHIN_S

from chancy import Chancy, Job, Limit, Queue, Reference, Worker, hookimpl
from chancy.executors import Report, run_job
from chancy.plugin import Plugin
from chancy_core.executors import Executor, ExecutorSettings
from chancy_core.executors.functions import Functions
from chancy_core.values.declared import Declared
from chancy_core.values.queue import Executor as Executors
from chancy_core.values.queuedjob import QueuedJob, State

MIB = 1 << 20


@pytest.fixture
def insert(chancy: Chancy, query):
    """Inserts a row by hand; returns its reference."""

    def by_sql(func: str, *, kwargs: str = "{}", queue: str = "default", **more: str) -> Reference:
        columns = "".join(f", {name}" for name in more)
        values = "".join(", %s" for _ in more)
        ((id_,),) = query(
            f"INSERT INTO {{s}}.jobs (id, queue, func, kwargs{columns}) VALUES (%s, %s, %s, %s{values}) RETURNING id",
            uuid.uuid4(), queue, f"declared_jobs.{func}", kwargs, *more.values(),
        )  # fmt: skip
        return chancy.reference(str(id_))

    return by_sql


@linux_only
@pytest.mark.parametrize("executor", [Executors.Auto, Executors.Process])
@pytest.mark.parametrize("func", ["holds", "holds_async"])
async def test_a_declared_memory_limit_holds_for_a_row_without(chancy, insert, executor, func):
    """A job whose function declares 100 MiB and that holds 400 fails; one that holds less runs, in a child process."""
    await chancy.declare(Queue("q", executor=executor))
    over, within = insert(func, kwargs='{"mib": 400}', queue="q"), insert(func, kwargs='{"mib": 1}', queue="q")
    async with Worker(chancy):
        over, within = await over.wait(timeout=WITHIN_S), await within.wait(timeout=WITHIN_S)
    assert (over.state, over.errors[0].type) == (State.FAILED, "MemoryLimitExceeded")
    assert "its memory limit is 100.0 MiB" in over.errors[0].message
    assert within.state == State.SUCCEEDED
    assert within.result != os.getpid()


@linux_only
@pytest.mark.parametrize(
    ("executor", "func"),
    [
        (Executors.Auto, "sleeps"), (Executors.Auto, "hangs"), (Executors.Async, "sleeps"),
        (Executors.Threaded, "sleeps"), (Executors.Process, "sleeps"), (Executors.Process, "hangs"),
    ],
)  # fmt: skip
async def test_a_declared_time_limit_holds_for_a_row_without(chancy, insert, executor, func):
    """On each executor that can enforce it."""
    await chancy.declare(Queue("q", executor=executor))
    # Twice: a child says it the first time, and its worker knows it from then on.
    for _ in range(2):
        reference = insert(func, queue="q")
        async with Worker(chancy):
            job = await reference.wait(timeout=WITHIN_S)
        assert (job.state, job.errors[0].type) == (State.FAILED, "TimeLimitExceeded")
        assert "its time limit is 0.5 s" in job.errors[0].message


class Inline(Executor):
    """An executor of somebody's own, which enforces nothing."""

    async def run(self, job: QueuedJob) -> Report:
        try:
            function = self.find(job)
        except BaseException as error:
            return Report.not_begun(error)
        return self.runner.run_sync(job, function, self.control(job))


@pytest.mark.parametrize(
    ("executor", "func"),
    [
        (Executors.Threaded, "holds"), (Executors.Threaded, "hangs"), (Executors.Async, "holds_async"),
        ("test_declared_in_rows.Inline", "holds"),
    ],
)  # fmt: skip
async def test_a_declared_limit_that_cannot_be_enforced_is_not_ignored(chancy, insert, executor, func):
    """The job fails at once, as one whose row has the limit."""
    await chancy.declare(Queue("q", executor=executor))
    reference = insert(func, kwargs='{"mib": 1}' if "holds" in func else "{}", queue="q")
    async with Worker(chancy):
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.errors[0].type) == (State.FAILED, "LimitNotEnforced")


@linux_only
async def test_a_rows_own_limit_goes_before_a_declared_one(chancy, insert):
    """Of each kind by itself."""
    own = '[{"type_": "memory", "value": 700000000}]'
    reference = insert("holds", kwargs='{"mib": 300}', limits=own)
    async with Worker(chancy):
        assert (await reference.wait(timeout=WITHIN_S)).state == State.SUCCEEDED


@pytest.mark.parametrize("executor", [Executors.Auto, Executors.Process])
async def test_declared_attempts_and_backoff_hold_for_a_row_without(chancy, insert, executor):
    """It is tried as often as its function says, with the pause that it says."""
    await chancy.declare(Queue("q", executor=executor))
    reference = insert("fails", queue="q")
    async with Worker(chancy):
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.attempts, job.max_attempts, len(job.errors)) == (State.FAILED, 3, 3, 3)


@pytest.mark.parametrize("func", ["gives_up", "retries_other"])
@pytest.mark.parametrize("executor", [Executors.Auto, Executors.Process])
async def test_what_is_not_to_be_retried_is_not(chancy, insert, executor, func):
    """`give_up_on` and `retry_on` of the function hold."""
    await chancy.declare(Queue("q", executor=executor))
    reference = insert(func, queue="q")
    async with Worker(chancy):
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.attempts, len(job.errors)) == (State.FAILED, 1, 1)
    assert "the job gives up on" in job.note


@pytest.mark.parametrize("executor", [Executors.Auto, Executors.Process])
async def test_a_result_that_is_not_to_be_kept_is_not(chancy, insert, executor):
    """`keep_result=False` of the function holds."""
    await chancy.declare(Queue("q", executor=executor))
    reference = insert("keeps_nothing", queue="q")
    async with Worker(chancy):
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.result) == (State.SUCCEEDED, None)


async def test_attempts_of_its_own_are_its_own(chancy, insert):
    """A row that says two has two."""
    reference = insert("fails", max_attempts="2")
    async with Worker(chancy):
        assert (await reference.wait(timeout=WITHIN_S)).attempts == 2


async def test_a_job_that_says_less_and_means_it_has_less(chancy):
    """One attempt, of a function that declares three; no limit, of one that declares 100 MiB."""
    async with Worker(chancy):
        once = await chancy.push(declared_jobs.fails.job.with_max_attempts(1))
        large = await chancy.push(declared_jobs.holds.job.with_limits([]).with_kwargs(mib=200))
        assert (await once.wait(timeout=WITHIN_S)).attempts == 1
        assert (await large.wait(timeout=WITHIN_S)).result == os.getpid()


class Seen(Plugin):
    """Notes what it is told of jobs that ended."""

    name = "seen"

    def __post_init__(self) -> None:
        self.outcomes: list = []

    @hookimpl
    async def on_complete(self, outcomes, connection):
        self.outcomes.extend(outcomes)


async def test_plugins_hear_of_the_job_as_it_was_run(new_chancy, query):
    """With the attempts that its function declares, and with what was added."""
    plugin = Seen()
    async with new_chancy(plugins=[plugin]) as chancy:
        query(
            "INSERT INTO {s}.jobs (id, queue, func) VALUES (%s, 'default', 'declared_jobs.fails')",
            id_ := uuid.uuid4(),
        )
        async with Worker(chancy):
            await chancy.reference(str(id_)).wait(timeout=WITHIN_S)
    assert [(outcome.state, outcome.job.max_attempts) for outcome in plugin.outcomes] == [
        ("retrying", 3), ("retrying", 3), ("failed", 3),
    ]  # fmt: skip
    assert plugin.outcomes[0].declared.max_attempts == 3
    assert plugin.outcomes[-1].declared is None or plugin.outcomes[-1].declared.max_attempts == 3


def claimed(func: str, *limits: Limit, **kwargs) -> QueuedJob:
    return QueuedJob(
        func=f"declared_jobs.{func}", kwargs=kwargs, limits=list(limits), id=uuid.uuid4(), state=State.RUNNING, claims=1
    )


def test_elsewhere_a_declared_limit_is_not_ignored():
    """`run_job` enforces what it can; what somebody else would have to enforce who does not know of it, is refused."""
    settings = ExecutorSettings("test", 1, 1000, Functions())
    late = run_job(claimed("sleeps"), settings.for_elsewhere())
    assert late.error.type == "TimeLimitExceeded"
    for enforced in ((), (Limit.Type.MEMORY,)):
        refused = run_job(claimed("holds", mib=1), settings.for_elsewhere(*enforced))
        assert (refused.begun, refused.error.type) == (False, "LimitNotEnforced")
        assert refused.declared.limits == (Limit(Limit.Type.MEMORY, 100 * MIB),)
    told = run_job(claimed("holds", *refused.declared.limits, mib=1), settings.for_elsewhere(Limit.Type.MEMORY))
    assert told.error is None


class Liar(Executor):
    """Says of a function what no function can declare."""

    async def run(self, job: QueuedJob) -> Report:
        return Report(declared=Declared(max_attempts=10**12))


async def test_an_executor_may_not_say_just_anything_of_a_function(chancy):
    """What cannot be stored would spoil the batch of its neighbours: the run fails, and names the executor."""
    await chancy.declare(Queue("q", executor="test_declared_in_rows.Liar"))
    async with Worker(chancy):
        job = await (await chancy.push("q", Job(func="jobs.noop"))).wait(timeout=WITHIN_S)
    assert (job.state, job.errors[0].type) == (State.FAILED, "InvalidReport")
    assert "max_attempts is 1000000000000" in job.errors[0].message
