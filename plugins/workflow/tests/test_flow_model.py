"""Workflows at random, moved on by real workers, end as the model says, whatever happens to their jobs meanwhile."""

import asyncio
from contextlib import suppress

import model
import model_jobs
import pytest

from chancy import Chancy, Worker
from chancy_workflow import RunState

TIMEOUT = 300
LATE = {"expired", "cancelled"}


@pytest.fixture
async def meddling(chancy, new_chancy, query):
    """Somebody without the plugin cancels what waits to be cancelled, and everything that has finished is pruned."""
    async with Chancy(chancy.dsn, schema=chancy.settings.schema, discover=False) as stranger:

        async def meddle():
            while True:
                await asyncio.sleep(0.05)
                doomed = query(
                    "SELECT id::text FROM {s}.jobs WHERE kwargs ->> 'outcome' = 'cancelled' AND cancel_note IS NULL"
                )
                await stranger.cancel_jobs([id_ for (id_,) in doomed])
                told = query("SELECT count(*) FROM {s}.ended")
                query("DELETE FROM {s}.finished_jobs WHERE finished_at < now() - interval '0.1 s'") if told == [
                    (0,)
                ] else None

        task = asyncio.create_task(meddle())
        async with Worker(chancy), Worker(stranger, name="stranger"):
            yield stranger
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def check(flow, plan, status, *, stopped=False):
    """Every step ended as what goes before it says, and the run as its steps say."""
    states = {name: step.state for name, step in status.steps.items()}
    for node in flow.nodes.values():
        want = model.wanted(flow, node, states, plan)
        allowed = set(want) if isinstance(want, tuple) else {want}
        if stopped and want != "skipped":
            allowed |= {"skipped", "cancelled"}
        assert states[node.name] in allowed, f"{node.name} is to be {allowed}\n{flow.to_text()}\n{status}\n{plan}"
    return states


async def signals(run, flow, plan, when):
    """Send the signals that are to come."""
    for name, node in flow.nodes.items():
        if node.kind == "wait" and "succeeded" in plan[name] and hash(name) % 2 == when:
            with suppress(RunState):
                await run.signal(name, name)


def states_of(status):
    """How the steps of a run ended."""
    return [step.state for step in status.steps.values()]


async def ended(run, flow, plan):
    """The run, once it has ended."""
    try:
        return await run.wait(timeout=TIMEOUT)
    except TimeoutError as late:
        raise AssertionError(f"{flow.to_text()}\n{await run.status()}\n{plan}") from late


async def test_runs_end_as_the_model_says_and_so_do_their_retries(chancy, meddling):
    """Twenty workflows at once. Those that failed are retried, from where they broke, and what runs again does well."""
    made = [model.a_workflow(n) for n in range(20)]
    runs = [await chancy.push(flow) for flow, _ in made]
    for when in (0, 1):
        for run, (flow, plan) in zip(runs, made, strict=True):
            await signals(run, flow, plan, when)
    for run, (flow, plan) in zip(runs, made, strict=True):
        status = await ended(run, flow, plan)
        states = check(flow, plan, status)
        assert status.state == model.ends(flow, states), f"{flow.to_text()}\n{status}"
    assert (
        max(model_jobs.CALLS.values()) <= 2
    )  # of those that fail once; a step that is pushed twice is called more often
    model_jobs.WELL.update(f"{n} {name}".replace("/", " ") for n, (_, plan) in enumerate(made) for name in plan)
    broken = [one for one in zip(runs, made, strict=True) if set(states_of(await one[0].status())) & model.FAILED]
    for run, _ in broken:
        await run.retry("below")
    for run, (flow, plan) in broken:
        # What is too late is so again, unless its signal was faster; what somebody cancels may have been faster, too.
        later = {name: (outcome, "succeeded") if outcome in LATE else "succeeded" for name, outcome in plan.items()}
        for when in (0, 1):
            await signals(run, flow, later, when)
        status = await ended(run, flow, later)
        states = check(flow, later, status)
        assert status.state == model.ends(flow, states), f"{flow.to_text()}\n{status}"


async def test_runs_that_are_stopped_end_too(chancy, meddling):
    """By a failure, by somebody who cancels them at any moment, and in both ways; no step begins that should not."""
    made = [model.a_workflow(f"stop {n}", on_failure="cancel" if n % 2 else "finish") for n in range(20)]
    runs = [await chancy.push(flow) for flow, _ in made]
    for n, (run, (flow, plan)) in enumerate(zip(runs, made, strict=True)):
        await signals(run, flow, plan, n % 2)
        if n % 4 < 2:
            await run.cancel(handlers=n % 3 > 0)
    for run, (flow, plan) in zip(runs, made, strict=True):
        for when in (0, 1):
            await signals(run, flow, plan, when)
        status = await ended(run, flow, plan)
        states = check(flow, plan, status, stopped=status.stopping is not None)
        want = "cancelled" if status.stopping in ("cancel", "now") else model.ends(flow, states)
        assert status.state == want, f"{flow.to_text()}\n{status}"
