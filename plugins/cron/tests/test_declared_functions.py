"""What `@job` says of a function holds for the jobs of a schedule that only names it."""

from __future__ import annotations

import asyncio

import cron_declared
import pytest
from click.testing import CliRunner
from cron_declared import DECLARED, everything

from chancy import Chancy, Job, Queue, Worker
from chancy_cron import Cron, InvalidSchedule, Schedule
from chancy_cron.commands import cron

NAME = "cron_declared.everything"
FIELDS = [*DECLARED, "func"]
WHOLE = {**DECLARED, "func": NAME}


@pytest.fixture
def with_queues(new_chancy):
    """Makes a Chancy whose schema has the queues."""

    async def opened(*plugins):
        chancy = new_chancy(*plugins)
        await chancy.open()
        for queue in ("mail", "other"):
            await chancy.declare(Queue(queue))
        return chancy

    return opened


def fields_of(job):
    return {name: getattr(job, name) for name in FIELDS}


async def fired(chancy, name):
    """The job that a schedule pushes."""
    job = await (await Cron.run_now(chancy, name)).get()
    return fields_of(job) | {"meta": {key: value for key, value in job.meta.items() if key != "cron"}}


async def from_table(with_queues, **table):
    chancy = await with_queues(Cron(schedules=[{"name": "s", "cron": "@yearly", **table}]))
    try:
        async with Worker(chancy, tags=["none"]):
            (found,) = await Cron.get_schedules(chancy)
            assert (found.queue, fields_of(found.job)) == (found.job.queue, await fired(chancy, "s"))
            return fields_of(found.job)
    finally:
        await chancy.close()


@pytest.mark.parametrize("job", [NAME, {"func": NAME}])
async def test_a_table_takes_what_is_declared(with_queues, job):
    """`job = "module.function"`, and a table that says no more."""
    assert await from_table(with_queues, job=job) == WHOLE


@pytest.mark.parametrize(
    ("field", "value"),
    [("queue", "other"), ("queue", "default"), ("priority", 0), ("max_attempts", 1), ("kwargs", {"to": "me"})],
)
async def test_a_table_goes_before_what_is_declared(with_queues, field, value):
    """Also where it says what is the default anyway; and the other fields stay."""
    assert await from_table(with_queues, job={"func": NAME, field: value}) == {**WHOLE, field: value}


async def test_the_schedules_queue_goes_before_the_declared_one(with_queues):
    """`queue` beside `job`."""
    assert await from_table(with_queues, job=NAME, queue="default") == {**WHOLE, "queue": "default"}


async def test_a_schedule_in_code_takes_what_is_declared(with_queues):
    """By the function, its job, and its name."""
    chancy = await with_queues()
    try:
        for number, job in enumerate((everything, everything.job, Job(func=NAME))):
            made = await Cron.schedule(chancy, "@yearly", job, name=f"s{number}")
            assert (made.queue, fields_of(made.job), await fired(chancy, made.name)) == ("mail", WHOLE, WHOLE)
        less = await Cron.schedule(
            chancy, "@yearly", everything.job.with_queue("default").with_max_attempts(1), name="l"
        )
        assert fields_of(less.job) == await fired(chancy, "l") == {**WHOLE, "queue": "default", "max_attempts": 1}
    finally:
        await chancy.close()


async def test_a_schedule_that_is_declared_again_is_the_same(with_queues):
    """Without a name, by the function's name: nothing about it has changed."""
    chancy = await with_queues()
    try:
        first = await Cron.schedule(chancy, "@yearly", Job(func=NAME))
        assert await Cron.schedule(chancy, "@yearly", Job(func=NAME)) == first
        assert await Cron.schedule(chancy, "@yearly", everything) == first
    finally:
        await chancy.close()


async def test_arguments_that_the_function_does_not_take_are_refused(with_queues):
    """A job that was made from its function, like one that is pushed; nothing is stored."""
    chancy = await with_queues()
    try:
        with pytest.raises(InvalidSchedule, match=r"The schedule 's': .*it does not take too\. Did you mean 'to'\?"):
            await Cron.schedule(chancy, "@yearly", everything.job.with_kwargs(too="x"), name="s")
        assert await Cron.get_schedules(chancy) == []
    finally:
        await chancy.close()


async def test_a_schedule_whose_function_is_not_here_is_as_it_says(with_queues, query):
    """It is declared, with a warning, and its job's row says no more than it did."""
    chancy = await with_queues()
    try:
        made = await Cron.schedule(chancy, "@yearly", Job(func="cron_nowhere.f", kwargs={"a": 1}), name="s")
        assert (made.queue, made.job.max_attempts) == ("default", 1)
        await Cron.run_now(chancy, "s")
    finally:
        await chancy.close()
    assert query("SELECT options FROM {s}.jobs") == [(None,)]


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ([], {}),
        (["--queue", "default"], {"queue": "default"}),
        (["--priority", "0", "--max-attempts", "1"], {"priority": 0, "max_attempts": 1}),
        (["--kwargs", '{"to": "me"}'], {"kwargs": {"to": "me"}}),
    ],
)
async def test_the_command_takes_what_is_declared(with_queues, dsn, schema, options, changed):
    """`chancy cron add`; its options go before it."""
    chancy = await with_queues()
    try:
        done = await asyncio.to_thread(
            CliRunner().invoke,
            cron,
            ["add", "s", "@yearly", NAME, *options],
            obj=lambda: Chancy(dsn, schema=schema, discover=False, plugins=[Cron()]),
        )
        assert done.exit_code == 0, done.output
        (found,) = await Cron.get_schedules(chancy)
        assert fields_of(found.job) == await fired(chancy, "s") == {**WHOLE, **changed}
    finally:
        await chancy.close()


async def test_a_limit_that_is_declared_later_holds_too(with_queues, monkeypatch):
    """Nobody has to declare a schedule anew because its function says more than it did; what is meant stays."""
    chancy = await with_queues()
    try:
        await Cron.schedule(chancy, "@yearly", Job(func="cron_declared.more"), name="named")
        await Cron.schedule(chancy, "@yearly", cron_declared.more.job, name="own")
        monkeypatch.setattr(cron_declared.more, "job", cron_declared.more.job.with_limits(DECLARED["limits"]))
        named = await (await Cron.run_now(chancy, "named")).get()
        assert (named.limits, named.priority) == (DECLARED["limits"], 5)
        own = await (await Cron.run_now(chancy, "own")).get()
        assert (own.limits, own.exact) == ([], True)
    finally:
        await chancy.close()


def test_a_schedule_by_itself_imports_nothing():
    """`Schedule(job=Job(func=…))` is as it was written; what is declared is added where it is stored."""
    assert Schedule(name="s", cron="@yearly", job=Job(func=NAME)).queue == "default"
