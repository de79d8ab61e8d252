"""How `chancy push --wait` exits: a script that pushes has to know how the job ended."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest
from click.testing import CliRunner
from support import WITHIN_S, until

from chancy import Job, Queue, Worker
from chancy_core.cli.group import chancy as command


@pytest.fixture
def push(dsn, schema, monkeypatch):
    """Runs `chancy push` in a thread, for the loop of the test to be the worker's; signals are for main threads."""
    monkeypatch.setattr("chancy_core.cli.group.heed", lambda: None)
    monkeypatch.setattr("chancy_core.cli.group.ending_at_once", nullcontext)

    async def call(*arguments: str):
        invoked = asyncio.to_thread(CliRunner().invoke, command, ["--dsn", dsn, "--schema", schema, "push", *arguments])
        return await asyncio.wait_for(invoked, WITHIN_S)

    return call


@pytest.mark.parametrize(
    ("func", "code", "told"),
    [("jobs.noop", 0, '"succeeded"'), ("jobs.fail", 7, '"failed"')],
)
async def test_a_job_that_failed_is_no_success(chancy, push, func, code, told):
    """The record is shown either way; the code tells them apart."""
    async with Worker(chancy):
        done = await push(func, "--wait")
    assert (done.exit_code, told in done.output) == (code, True), done.output


async def test_a_job_that_was_cancelled_is_no_success(chancy, push, query):
    """Whoever waits for a job that somebody else cancels learns that it never came to its end."""
    waiting = asyncio.create_task(push("jobs.noop", "--wait"))
    ((found,),) = await until(lambda: query("SELECT id FROM {s}.jobs"))
    await chancy.cancel_job(chancy.reference(str(found)))
    done = await waiting
    assert (done.exit_code, '"cancelled"' in done.output) == (8, True), done.output


async def test_a_job_that_nobody_runs_times_out(chancy, push, query):
    """It says what the job waits for, in one line, and leaves the job where it is."""
    await chancy.declare(Queue("gpu", tags=["gpu"]))
    done = await push("jobs.noop", "--queue", "gpu", "--wait", "--timeout", "0.2")
    assert done.exit_code == 9, done.output
    assert "has not finished within 0.2 s, and goes on. It is pending: no worker that lives serves" in done.output
    assert "chancy job " in done.output
    assert "Traceback" not in done.output
    assert query("SELECT count(*) FROM {s}.jobs") == [(1,)]


async def test_a_job_that_has_finished_does_not_time_out(chancy, push):
    """One that ended before anybody waited for it, however short the timeout."""
    async with Worker(chancy):
        await (await chancy.push(Job(func="jobs.noop"))).wait(timeout=WITHIN_S)
        done = await push("jobs.noop", "--wait", "--timeout", "600")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--timeout", "5"], "--timeout is given, but not --wait."),
        (["--wait", "--timeout", "-1"], "'-1': give seconds from 0 to"),
        (["--wait", "--timeout", "nan"], "'nan': give seconds from 0 to"),
        (["--wait", "--timeout", "soon"], "'soon': give seconds from 0 to"),
    ],
)
async def test_a_wrong_timeout_is_refused_before_anything_is_pushed(chancy, push, query, arguments, told):
    """As a wrong option."""
    done = await push("jobs.noop", *arguments)
    assert (done.exit_code, told in done.output) == (2, True), done.output
    assert query("SELECT count(*) FROM {s}.jobs") == [(0,)]


async def test_the_codes_are_in_the_help(push):
    """Where whoever writes the script looks first."""
    done = await push("--help")
    words = " ".join(done.output.split())
    assert "0 it is pushed; with --wait: it succeeded; " in words
    assert "7 with --wait: it failed; 8 with --wait: it was cancelled; 9 with --wait: it had not finished" in words
