"""Events of child processes are written by their worker."""

from __future__ import annotations

import logging

from support import WITHIN_S, captured_events, until

from chancy import Chancy, Job, Queue, Worker
from chancy_core.executors.processes.events import FIELDS_MAX, write_event
from chancy_core.executors.processes.frames import Wrote

PROCESS = Chancy.Executor.Process


async def test_an_event_of_a_child_is_an_event_of_its_worker(chancy, capfd):
    """With its level, fields and traceback, and with who wrote it; nothing comes out of standard error."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("chancy").addHandler(handler)
    try:
        with captured_events() as events:
            async with Worker(chancy):
                await chancy.declare(Queue("q", executor=PROCESS))
                job = await (await chancy.push(Job(func="event_jobs.writes", queue="q"))).wait(timeout=WITHIN_S)
    finally:
        logging.getLogger("chancy").removeHandler(handler)
    assert job.result == "written"
    told = [one for one in events if one["event"].startswith("thing_")]
    assert [(one["event"], one["log_level"]) for one in told] == [
        ("thing_happened", "warning"),
        ("thing_unshown", "error"),
        ("thing_failed", "error"),
    ]
    assert told[1]["value"] == "(a Unshowable that cannot be shown: RuntimeError)"
    assert (told[0]["number"], told[0]["text"]) == ("3", "x\ny")
    assert told[0]["written_at"].startswith("event_jobs.py:")
    assert int(told[0]["child"])
    (record,) = (record for record in records if record.event == "thing_happened")
    assert "ValueError: why" in logging.Formatter("%(message)s").format(record)
    assert "thing_" not in capfd.readouterr().err


async def test_a_child_that_cannot_be_set_up_is_told_by_its_worker(chancy):
    """With the traceback of the initializer."""
    with captured_events() as events:
        async with Worker(chancy):
            await chancy.declare(
                Queue("q", executor=PROCESS, executor_options={"initializer": "event_jobs.initialize"})
            )
            await chancy.push(Job(func="event_jobs.writes", queue="q"))
            await until(lambda: any(one["event"] == "child_not_set_up" for one in events))
    told = next(one for one in events if one["event"] == "child_not_set_up")
    assert told["problem"] == "the initializer event_jobs.initialize"


async def test_a_module_that_cannot_be_preloaded_is_told_and_jobs_run(chancy, capfd):
    """By the worker; it is no more than slower without."""
    with captured_events() as events:
        async with Worker(chancy):
            await chancy.declare(Queue("q", executor=PROCESS, executor_options={"preload": ["is_not_there", "jobs"]}))
            job = await (await chancy.push(Job(func="hostile_jobs.pid", queue="q"))).wait(timeout=WITHIN_S)
            await until(lambda: any(one["event"] == "module_not_preloaded" for one in events))
    assert job.state == "succeeded"
    (told,) = (one for one in events if one["event"] == "module_not_preloaded")
    assert (told["module"], "No module named 'is_not_there'" in told["error"]) == ("is_not_there", True)
    assert "Traceback" not in capfd.readouterr().err


def test_what_a_child_says_of_its_events_is_bounded():
    """A job may make them up."""
    fields = {f"field{number}": "x" * 10_000 for number in range(100)}
    made_up = Wrote(
        40, "e\x00" * 5000, {"exc_info": "1", "stacklevel": "9", "a b": "c", **fields}, "t" * 50_000, "c" * 9000
    )
    with captured_events() as events:
        write_event(7, made_up)
    (event,) = events
    assert len(event) <= FIELDS_MAX + 4
    assert all(len(value) <= 2000 for value in event.values())
    assert not {"exc_info", "stacklevel", "a b"} & event.keys()
