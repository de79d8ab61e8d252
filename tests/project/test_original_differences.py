"""The page "coming from Chancy 0" is true: what it calls the same is there, and what it calls different is so."""

from __future__ import annotations

import importlib
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

import chancy as package
from chancy import Chancy, Job, Queue, QueuedJob, Worker
from chancy.errors import ConfigError, InvalidJob, InvalidQueue, UnknownQueue, WaitTimeout

PAGE = (Path(__file__).parents[2] / "docs/how-to/coming-from/chancy-0.md").read_text()
SAME = PAGE.partition("## What is the same")[2].partition("## What differs")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("## What differs")[2].splitlines()
    if line.startswith("| ") and not line.startswith("| |")
]


@pytest.mark.parametrize("name", re.findall(r"`(?!with_…)([A-Za-z_]+)`", SAME))
def test_what_it_calls_the_same_is_there(name):
    """Each name on its own is one of `chancy`, of an application, or of a job."""
    assert name in package.__all__ or hasattr(Chancy, name) or name in {*QueuedJob.__struct_fields__, "UUID"}, name


@pytest.mark.parametrize("name", ["recovery", "retry", "reprioritize", "sentry", "trigger", "api", "web"])
def test_a_plugin_that_is_not_there_says_what_there_is_instead(name):
    """As the table of plugins does."""
    with pytest.raises(ModuleNotFoundError, match=r"built in|There is no plugin \w+ for this Chancy"):
        importlib.import_module(f"chancy.plugins.{name}")


def test_every_plugin_of_chancy_0_has_a_row():
    """So that nobody looks for one in vain."""
    told = PAGE.partition("## Plugins")[2]
    for name in (
        "Cron", "Leadership", "ImmediateLeadership", "Pruner", "Recovery", "RetryPlugin", "Metrics", "Reprioritize",
        "Workflow", "Trigger", "Api", "SentryPlugin", "chancy.contrib.django", "SubInterpreter",
    ):  # fmt: skip
        assert f"`{name}" in told, name


@pytest.mark.parametrize("argument", ["prefix", "validators", "no_default_plugins"])
def test_an_argument_that_is_gone_is_refused_by_name(dsn, argument):
    """And not taken for something else."""
    with pytest.raises(ConfigError, match=f"argument {argument} is unknown"):
        Chancy(dsn, **{argument: []})


def test_a_worker_has_other_arguments(dsn):
    """`name` and `grace_s`, for `worker_id` and `shutdown_timeout`."""
    chancy = Chancy(dsn)
    for argument in ("worker_id", "shutdown_timeout"):
        with pytest.raises(TypeError, match=argument):
            Worker(chancy, **{argument: 1})
    assert Worker(chancy, name="w", grace_s=1).name.startswith("w.")


def test_a_queue_has_other_defaults():
    """No concurrency of its own, five seconds of polling, `Auto`; and `to_dict` for `pack`."""
    queue = Queue("default")
    assert (queue.concurrency, queue.polling_interval, queue.executor) == (None, 5.0, Chancy.Executor.Auto)
    assert queue.to_dict()["name"] == "default"
    assert not hasattr(queue, "pack")
    with pytest.raises(InvalidQueue, match="eager_polling"):
        Queue("default", eager_polling=True)


def test_a_job_has_other_defaults():
    """No moment, where Chancy 0 has the present one; and a moment needs a time zone."""
    assert Job("a.b").scheduled_at is None
    with pytest.raises(InvalidJob, match="time zone"):
        Job("a.b", scheduled_at=datetime(2030, 1, 1))  # noqa: DTZ001 -- which is what is refused


async def test_what_is_pushed_is_looked_at(chancy):
    """The queue has to be declared, and the arguments have to be JSON."""
    with pytest.raises(UnknownQueue):
        await chancy.push(Job("a.b", queue="nobody_declared_it"))
    with pytest.raises(InvalidJob, match="not JSON"):
        await chancy.push(Job("a.b", kwargs={"at": datetime.now(timezone.utc)}))  # noqa: UP017
    assert (await chancy.push("default", Job("a.b"))).created


async def test_states_are_their_texts_and_waiting_has_a_timeout(chancy):
    """`scheduled` until its time, `cancelled` for `failed`; `WaitTimeout` is a `TimeoutError`."""
    later = await chancy.push(Job("a.b", scheduled_at=datetime(2100, 1, 1, tzinfo=timezone.utc)))  # noqa: UP017
    job = await chancy.get_job(later)
    assert job.state == "scheduled" == job.State.SCHEDULED
    with pytest.raises(TimeoutError) as caught:
        await chancy.wait_for_job(later, timeout=0.01)
    assert isinstance(caught.value, WaitTimeout)
    await chancy.cancel_job(later)
    assert (await chancy.get_job(later)).state == "cancelled"


async def test_what_is_called_otherwise_is_there(chancy):
    """`get_workers`, `schema_fits`, `wait_for_shutdown`, `expires_at`."""
    assert chancy.schema_fits
    async with Worker(chancy) as worker:
        (found,) = await chancy.get_workers()
        assert found.to_dict()["name"] == worker.name
    assert callable(worker.wait_for_shutdown)
    assert "expires_at" in Job.__struct_fields__


def test_the_table_is_there():
    """Its rows are read above and by people."""
    assert len(ROWS) > 30
    assert all(len(row) >= 2 for row in ROWS)
