"""What the documentation of Chancy 0 shows of queues, workers, executors and logging runs here."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta, timezone

import original_jobs
import pytest
from original_jobs import ping, waits_a_moment, where_it_runs
from support import IMPORT_PATH, WITHIN_S

from chancy import Chancy, Queue, Worker
from chancy.errors import ConfigError

# -- queues --------------------------------------------------------------------------------


async def test_a_queue_is_declared_and_stays(chancy):
    """`declare(Queue(name="default", concurrency=4))` is stored; declared anew it changes with `upsert=True` only."""
    await chancy.declare(Queue("mail", concurrency=10))
    await chancy.declare(Queue(name="mail", concurrency=4))
    assert (await chancy.get_queue("mail")).concurrency == 10
    await chancy.declare(Queue(name="mail", tags={"has=gpu"}, concurrency=4), upsert=True)
    found = {queue.name: queue for queue in await chancy.get_all_queues()}
    assert (found["mail"].concurrency, list(found["mail"].tags)) == (4, ["has=gpu"])


async def test_tags_say_which_workers_serve_a_queue(chancy):
    """`Queue(tags={"reporting"})` is served by `Worker(chancy, tags={"reporting"})`, and not by others."""
    await chancy.declare(Queue(name="reports", concurrency=4, tags={"reporting"}))
    reference = await chancy.push(ping.job.with_queue("reports"))
    async with Worker(chancy):
        await chancy.wait_for_job(await chancy.push(ping), timeout=WITHIN_S)
        assert (await chancy.get_job(reference)).attempts == 0
        async with Worker(chancy, tags={"reporting", "has=large-disk"}):
            assert (await chancy.wait_for_job(reference, timeout=WITHIN_S)).state == "succeeded"


async def test_tags_are_regular_expressions_for_those_that_every_worker_has(chancy):
    r"""`Queue(tags={r"python=3\.11\.[0-9]+"})`, for the version that runs here."""
    here = rf"python={sys.version_info.major}\.{sys.version_info.minor}\.[0-9]+"
    await chancy.declare(Queue(name="here", tags={here}, concurrency=10))
    await chancy.declare(Queue(name="elsewhere", tags={r"python=2\.7\.[0-9]+"}))
    async with Worker(chancy) as worker:
        reference = await chancy.push(ping.job.with_queue("here"))
        assert (await chancy.wait_for_job(reference, timeout=WITHIN_S)).state == "succeeded"
        assert "elsewhere" not in worker.slots()


async def test_a_queue_is_paused_resumed_and_deleted(chancy):
    """`pause_queue(name, resume_at=…)`, `resume_queue(name)`, `delete_queue(name, purge_jobs=True)`."""
    await chancy.declare(Queue("mail"))
    later = datetime.now(timezone.utc) + timedelta(hours=1)  # noqa: UP017 -- as documented
    await chancy.pause_queue("mail", resume_at=later)
    paused = await chancy.get_queue("mail")
    assert (paused.state, paused.resume_at) == (Queue.State.PAUSED, later)
    await chancy.resume_queue("mail")
    assert (await chancy.get_queue("mail")).state == Queue.State.ACTIVE
    await chancy.push(ping.job.with_queue("mail"))
    await chancy.delete_queue("mail", purge_jobs=True)
    assert [queue.name for queue in await chancy.get_all_queues()] == ["default"]


# -- executors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("executor", "options", "own_process"),
    [
        (Chancy.Executor.Process, {}, True),
        ("chancy.executors.process.ProcessExecutor", {"maximum_jobs_per_worker": 1000}, True),
        (Chancy.Executor.Threaded, {}, False),
        ("chancy.executors.thread.ThreadedExecutor", {}, False),
    ],
    ids=str,
)
async def test_an_executor_of_plain_functions(chancy, executor, options, own_process):
    """By the shortcut or by the import path that Chancy 0 has; processes are others, threads are not the main one."""
    await chancy.declare(Queue(name="work", concurrency=2, executor=executor, executor_options=options))
    async with Worker(chancy):
        reference = await chancy.push(where_it_runs.job.with_queue("work"))
        finished = await chancy.wait_for_job(reference, timeout=WITHIN_S)
    pid, main_thread = finished.result
    assert (pid != os.getpid()) is own_process
    assert own_process or not main_thread


@pytest.mark.parametrize("executor", [Chancy.Executor.Async, "chancy.executors.asyncex.AsyncExecutor"], ids=str)
async def test_an_executor_of_coroutine_functions(chancy, executor):
    """They run on the worker's event loop."""
    await chancy.declare(Queue(name="work", executor=executor))
    async with Worker(chancy):
        reference = await chancy.push(waits_a_moment.job.with_queue("work"))
        assert (await chancy.wait_for_job(reference, timeout=WITHIN_S)).result == "awaited"


@pytest.mark.parametrize("executor", [Chancy.Executor.Process, Chancy.Executor.Threaded], ids=str)
async def test_coroutine_functions_run_in_threads_and_processes_too(chancy, executor):
    """As they have since 0.19."""
    await chancy.declare(Queue(name="work", concurrency=2, executor=executor))
    async with Worker(chancy):
        reference = await chancy.push(waits_a_moment.job.with_queue("work"))
        assert (await chancy.wait_for_job(reference, timeout=WITHIN_S)).result == "awaited"


# -- workers -------------------------------------------------------------------------------

# A worker as a program of its own, and one started by hand.
BLOCK = """
    async with Worker(chancy, tags={"has=gpu"}) as worker:
        print("started", flush=True)
        await worker.wait_for_shutdown()
"""
BY_HAND = """
    worker = Worker(chancy)
    await worker.start()
    print("started", flush=True)
    await worker.wait_for_shutdown()
"""


@pytest.mark.parametrize("body", [BLOCK, BY_HAND], ids=["block", "by hand"])
async def test_a_worker_is_a_program_of_its_own(chancy, dsn, schema, tmp_path, body):
    """It migrates, declares, pushes and works until a signal tells it to stop; then it ends with code 0."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import asyncio\nfrom chancy import Chancy, Worker, Queue\nfrom original_jobs import ping\n\n"
        f"chancy = Chancy({dsn!r})\n\nasync def main():\n    async with chancy:\n"
        "        await chancy.migrate()\n        await chancy.declare(Queue('default', concurrency=10))\n"
        "        await chancy.push(ping)\n"
        + textwrap.indent(textwrap.dedent(body), " " * 8)
        + "\nif __name__ == '__main__':\n    asyncio.run(main())\n"
    )
    process = subprocess.Popen(  # noqa: ASYNC220 -- it is there at once
        [sys.executable, str(script)],
        env={**os.environ, "CHANCY_SCHEMA": schema, "PYTHONPATH": IMPORT_PATH},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout.readline() == "started\n"
            reference = await chancy.push(ping)
            assert (await chancy.wait_for_job(reference, timeout=WITHIN_S)).state == "succeeded"
            process.send_signal(signal.SIGTERM)
            assert process.wait(WITHIN_S) == 0
        finally:
            process.kill()


# -- logging -------------------------------------------------------------------------------


@pytest.fixture
def the_logger():
    """The logger `chancy`."""
    return logging.getLogger("chancy")


@pytest.fixture
def heard():
    """A handler, and what it was told."""
    return logging.StreamHandler(io.StringIO())


async def test_events_go_to_the_logger_of_the_application(dsn, schema, the_logger, heard):
    """`Chancy(dsn, log=logger)`: to its handlers, from its level on."""
    # As it is unless somebody has set one, as the command does: then it is the application's that counts.
    the_logger.setLevel(logging.NOTSET)
    logger = logging.getLogger("my_application")
    logger.addHandler(heard)
    try:
        async with Chancy(dsn, log=logger, schema=schema) as chancy:
            assert chancy.log is logger
            await chancy.migrate()
            logger.setLevel(logging.WARNING)
            async with Worker(chancy):
                pass
            assert "worker_started" not in heard.stream.getvalue()
            logger.setLevel(logging.INFO)
            async with Worker(chancy):
                pass
    finally:
        logger.removeHandler(heard)
        logger.setLevel(logging.NOTSET)
    assert heard.stream.getvalue().count("worker_started") == 1


def test_the_logger_is_found_at_the_application(dsn, schema, the_logger):
    """`chancy_app.log.setLevel(logging.DEBUG)`: the logger `chancy`."""
    chancy_app = Chancy(dsn, schema=schema)
    chancy_app.log.setLevel(logging.DEBUG)
    assert the_logger.level == logging.DEBUG


async def test_the_logger_is_found_by_its_name(chancy, the_logger, heard):
    """`logging.getLogger("chancy")`, with a level and a handler of one's own: failed jobs come with their traceback."""
    logger = logging.getLogger("chancy")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(heard)
    async with Worker(chancy):
        failed = await chancy.wait_for_job(await chancy.push(original_jobs.changes_itself), timeout=WITHIN_S)
    assert failed.state == "failed"
    assert "attempt_failed" in heard.stream.getvalue()
    assert "Traceback" in heard.stream.getvalue()


@pytest.mark.parametrize("wrong", ["app", 5, logging], ids=str)
def test_what_is_no_logger_is_refused(dsn, wrong):
    """In words to act on."""
    with pytest.raises(ConfigError, match=r"argument log is .*: give a logger, such as logging.getLogger\('app'\)"):
        Chancy(dsn, log=wrong)


def test_a_logger_below_that_of_chancy_changes_nothing(dsn, the_logger):
    """It would be its own parent."""
    above = the_logger.parent
    Chancy(dsn, log=logging.getLogger("chancy.app"))
    assert the_logger.parent is above
