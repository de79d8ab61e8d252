"""Jobs on a real Dask cluster of several processes, and what becomes of them when parts of it go."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from chancy import Backoff, Job, Limit, Plugin, Queue, Worker, hookimpl
from chancy_dask import Dask, messages, troubles

MIB = 1024 * 1024


class Round(Plugin):
    """Leaves a trace where each run is."""

    name = "round"
    folder: str

    @hookimpl
    def around_job(self, job):
        @contextmanager
        def entered():
            Path(self.folder, f"{job.id}").write_text(str(os.getpid()))
            yield

        return entered()


def _lines(path):
    return path.read_text().splitlines() if path.exists() else []


def _limit(kind, value):
    return [Limit(kind, value)]


async def test_a_job_there_is_as_anywhere(cluster, new_chancy, tmp_path):
    """Arguments, results, errors, progress, meta, and what plugins put round a run, in the process of a Dask worker."""
    around = Round(folder=str(tmp_path))
    async with new_chancy(around, dask=Dask(address=cluster.address)) as chancy:
        await chancy.declare(Queue("heavy", concurrency=5, executor="dask", executor_options={"match_threads": True}))
        async with Worker(chancy) as worker:
            pushed = {
                name: await chancy.push("heavy", Job(f"dask_jobs.{name}", kwargs=kwargs))
                for name, kwargs in (
                    ("add", {"a": 1, "b": 2}),
                    ("add_later", {"a": 3, "b": 4}),
                    ("fail", {}),
                    ("tell", {}),
                    ("push", {}),
                    ("exits", {}),
                )
            }
            # Longer than its slots: the others wait their turn.
            done = {name: await reference.wait(timeout=120) for name, reference in pushed.items()}
            assert worker.chancy is chancy
    assert (done["add"].result, done["add_later"].result) == (3, 7)
    (error,) = done["fail"].errors
    assert (error.type, error.message) == ("ValueError", "no good")
    assert "dask_jobs.py" in error.traceback
    tell = done["tell"]
    assert (tell.meta, tell.progress.note) == ({"seen": 1}, "half")
    assert tell.result == int((tmp_path / str(tell.id)).read_text()) != os.getpid()
    assert tell.peak_bytes > 10 * MIB
    assert "jobs_may_push" in done["push"].errors[0].message
    assert done["exits"].errors[0].type == "SystemExit"


async def test_a_limit_ends_the_run_there_or_is_refused(cluster, new_chancy):
    """No run goes on over its limit, whether its function heeds anything or not."""
    restarts = {"restart_workers": True, "grace_s": 0.2}
    async with new_chancy(dask=Dask(address=cluster.address)) as chancy:
        await chancy.declare(Queue("hard", concurrency=2, executor="dask", executor_options=restarts))
        await chancy.declare(Queue("soft", concurrency=2, executor="dask"))
        async with Worker(chancy):
            pushed = [
                await chancy.push(queue, Job(f"dask_jobs.{func}", limits=limits))
                for queue, func, limits in (
                    ("soft", "doze", _limit("time", 0.2)),
                    ("soft", "spin", _limit("time", 0.2)),
                    ("soft", "spin", _limit("memory", 600 * MIB)),
                    ("hard", "spin", _limit("time", 0.2)),
                    ("hard", "hoard", _limit("memory", 400 * MIB)),
                    ("hard", "declares", []),
                )
            ]
            doze, refused, unbounded, spin, hoard, declared = [await one.wait(timeout=120) for one in pushed]
    assert doze.errors[0].type == "TimeLimitExceeded"
    assert [one.errors[0].type for one in (refused, unbounded)] == ["LimitNotEnforced"] * 2
    assert "restart_workers" in unbounded.errors[0].message
    for job in (spin, declared):
        assert job.errors[0].type == "TimeLimitExceeded"
        assert "in spin" in job.errors[0].traceback
        assert "127.0.0.1" in job.errors[0].message
    assert hoard.errors[0].type == "MemoryLimitExceeded"
    assert hoard.peak_bytes > 400 * MIB


async def test_a_cancelled_run_is_stopped_there(cluster, new_chancy, until, tmp_path):
    """A coroutine function is cancelled; what heeds nothing ends with its process; one that waits never runs."""
    restarts = {"restart_workers": True, "grace_s": 0.2}
    async with new_chancy(dask=Dask(address=cluster.address)) as chancy:
        await chancy.declare(Queue("heavy", concurrency=3, executor="dask", executor_options=restarts))
        paths = {name: tmp_path / name for name in ("once_later", "once", "waiting")}
        async with Worker(chancy):
            running = [
                await chancy.push("heavy", Job(f"dask_jobs.{name}", kwargs={"path": str(paths[name])}))
                for name in ("once_later", "once")
            ]
            await until(lambda: all(_lines(paths[name]) for name in ("once_later", "once")))
            waiting = await chancy.push("heavy", Job("dask_jobs.once", kwargs={"path": str(paths["waiting"])}))
            await until(lambda: _is_running(chancy, waiting))
            pids = [int(_lines(paths[name])[0]) for name in ("once_later", "once")]
            for one in (waiting, *running):
                await chancy.cancel_job(one)
                assert (await one.wait(timeout=120)).state == "cancelled"
            # That one's process is the other's no more.
            await until(lambda: not _alive(pids[1]))
            assert _alive(pids[0])
    assert not _lines(paths["waiting"])


async def test_a_killed_dask_worker_costs_one_attempt_of_the_job_that_was_there(cluster, new_chancy, until, tmp_path):
    """Dask would run its task again by itself: the job's own policy says whether it is."""
    here, there = tmp_path / "here", tmp_path / "there"
    async with new_chancy(dask=Dask(address=cluster.address)) as chancy:
        await chancy.declare(Queue("heavy", concurrency=4, executor="dask"))
        async with Worker(chancy):
            jobs = [
                Job("dask_jobs.once", kwargs={"path": str(path)}, max_attempts=most, backoff=Backoff.fixed(0))
                for path, most in ((here, 1), (there, 3))
            ]
            first, second = [await chancy.push("heavy", one) for one in jobs]
            await until(lambda: _lines(here) and _lines(there))
            third = await chancy.push("heavy", Job("dask_jobs.add", kwargs={"a": 1, "b": 1}))
            await until(lambda: _is_running(chancy, third))
            os.kill(int(_lines(there)[0]), signal.SIGKILL)
            await until(lambda: len(_lines(there)) > 1)
            Path(f"{here}.go").touch()
            Path(f"{there}.go").touch()
            first, second, third = [await one.wait(timeout=120) for one in (first, second, third)]
    assert [one.state for one in (first, second, third)] == ["succeeded"] * 3
    assert (first.attempts, len(_lines(here)), first.errors) == (1, 1, [])
    assert (second.attempts, len(_lines(there))) == (2, 2)
    (error,) = second.errors
    assert error.type == "DaskWorkerDied"
    assert (third.attempts, third.errors) == (1, [])


async def test_a_host_that_cannot_run_a_job_is_named(cluster, new_chancy, until, monkeypatch):
    """And the job costs no attempt: another host, or another day, may have what this one lacks."""
    ours = messages.versions()
    async with new_chancy(dask=Dask(address=cluster.address)) as chancy:
        await chancy.declare(Queue("heavy", concurrency=1, executor="dask"))
        async with Worker(chancy):
            await (await chancy.push("heavy", Job("dask_jobs.add", kwargs={"a": 1, "b": 1}))).wait(timeout=120)
            absent = await chancy.push("heavy", Job("dask_not_there.add"))
            note = await until(lambda: _note(chancy, absent))
    assert "On the Dask worker tcp://127.0.0.1:" in note
    assert "dask_not_there" in note
    # Each Dask worker looks for itself: it may have come later than the others.
    monkeypatch.setattr(messages, "versions", lambda: {**ours, "chancy-core": "0.0.9"})
    async with new_chancy(dask=Dask(address=cluster.address)) as chancy, Worker(chancy):
        older = await chancy.push("heavy", Job("dask_jobs.add", kwargs={"a": 1, "b": 1}))
        note = await until(lambda: _note(chancy, older))
    assert "chancy-core" in note
    assert "0.0.9" in note
    assert "tcp://127.0.0.1:" in note
    # The scheduler is looked at first: nothing is claimed for a cluster of another version.
    monkeypatch.setattr(messages, "versions", lambda: {**ours, "python": "3.1"})
    async with new_chancy(dask=Dask(address=cluster.address)) as chancy, Worker(chancy):
        told = await until(troubles.first)
    assert f"scheduler at {cluster.address} has python" in told


async def test_a_worker_that_stops_stops_its_runs_there(cluster, new_chancy, until, tmp_path):
    """They are handed back, no attempt spent, and do not go on beside the next one's."""
    restarts = {"restart_workers": True, "grace_s": 0.2}
    path = tmp_path / "path"
    async with new_chancy(dask=Dask(address=cluster.address)) as chancy:
        await chancy.declare(Queue("heavy", concurrency=1, executor="dask", executor_options=restarts))
        async with Worker(chancy, grace_s=0.0):
            reference = await chancy.push("heavy", Job("dask_jobs.once", kwargs={"path": str(path)}))
            await until(lambda: _lines(path))
        job = await chancy.get_job(reference)
        assert (job.state, job.attempts) == ("pending", 0)
        await until(lambda: not _alive(int(_lines(path)[0])))


async def test_a_lost_scheduler_loses_no_job(cluster, new_chancy, until, tmp_path):
    """What ran has spent an attempt, what had not begun none; nothing is claimed while it is away, then all is."""
    running, waiting = [tmp_path / f"running-{number}" for number in range(2)], tmp_path / "waiting"
    async with new_chancy(dask=Dask(address=cluster.address, connect_within_s=0.1)) as chancy:
        await chancy.declare(Queue("heavy", concurrency=3, executor="dask"))
        async with Worker(chancy):
            references = [
                await chancy.push(
                    "heavy", Job("dask_jobs.once", kwargs={"path": str(path)}, max_attempts=2, backoff=Backoff.fixed(0))
                )
                for path in running
            ]
            await until(lambda: all(map(_lines, running)))
            behind = await chancy.push("heavy", Job("dask_jobs.once", kwargs={"path": str(waiting)}, max_attempts=2))
            await until(lambda: _is_running(chancy, behind))
            cluster.kill_scheduler()
            assert "cannot be reached" in await until(troubles.first)
            later = await chancy.push("heavy", Job("dask_jobs.add", kwargs={"a": 2, "b": 2}))
            await until(lambda: _has_state(chancy, [*references, behind], "pending"))
            assert (await chancy.get_job(behind)).attempts == 0
            assert [error.type for error in (await chancy.get_job(references[0])).errors] == ["DaskConnectionLost"]
            # Dask workers end with their scheduler, and whoever keeps them starts them again.
            cluster.kill_workers()
            for path in (*running, waiting):
                Path(f"{path}.go").touch()
            cluster.start_scheduler()
            cluster.start_workers()
            done = [await one.wait(timeout=120) for one in (*references, behind, later)]
            assert troubles.first() is None
    assert [(one.state, one.attempts) for one in done] == [("succeeded", 2)] * 2 + [("succeeded", 1)] * 2
    assert len(_lines(waiting)) == 1


async def _is_running(chancy, reference):
    return (await chancy.get_job(reference)).state == "running"


async def _has_state(chancy, references, state):
    return all([(await chancy.get_job(one)).state in (state, "retrying") for one in references])


async def _note(chancy, reference):
    return (await chancy.get_job(reference)).note


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(autouse=True)
def _no_trouble_left():
    yield
    assert troubles.first() is None
