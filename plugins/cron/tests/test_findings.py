"""What is wrong with schedules is found: each for real."""

from __future__ import annotations

import sys

import pytest

from chancy import Job, Worker
from chancy.plugin import find_problems
from chancy_cron import Cron

MODULE = "cron_jobs"


@pytest.fixture
def only(chancy):
    """What is found, which must be one thing."""

    async def found():
        (one,) = await find_problems(chancy)
        return one

    return found


async def test_a_schedule_that_works_is_no_finding(chancy, schema):
    """Its function is there, and its time lies ahead; one that is paused is nobody's trouble."""
    await Cron.schedule(chancy, "0 3 1 1 *", Job(func=f"{MODULE}.nothing_of_that_name"), name="paused")
    await Cron.pause(chancy, "paused")
    await Cron.schedule(chancy, "0 3 1 1 *", Job(func="os.getcwd"), name="good")
    assert await find_problems(chancy) == []


async def test_a_schedule_that_nobody_fires_is_found(chancy, make_due, only):
    """No worker with cron runs: since when it is late, and that it is an error."""
    await Cron.schedule(chancy, "0 3 1 1 *", Job(func="os.getcwd"), name="nightly")
    make_due("nightly", 600)
    found = await only()
    assert (found.id, found.severity, found.subject.name) == ("schedule-late", "error", "nightly")
    assert found.evidence["late_s"] >= 600


async def test_a_schedule_that_cannot_be_read_is_found(chancy, query, only):
    """Somebody wrote it by hand; the command removes it."""
    await Cron.schedule(chancy, "0 3 1 1 *", Job(func="os.getcwd"), name="by hand")
    query("UPDATE {s}.cron_schedules SET job = '[]'")
    found = await only()
    assert found.id == "schedule-unreadable"
    assert found.fix.endswith("cron remove 'by hand'")


async def test_a_schedule_that_cannot_fire_is_found(chancy, query, only):
    """What it said when it was last tried."""
    await Cron.schedule(chancy, "0 3 1 1 *", Job(func="os.getcwd"), name="nightly")
    query("UPDATE {s}.cron_schedules SET last_error = 'There is no queue ''mail''.'")
    found = await only()
    assert found.id == "schedule-failing"
    assert "There is no queue 'mail'" in found.what


async def test_a_function_that_is_not_there_is_found_until_a_job_has_run(chancy, query, only, tmp_path, monkeypatch):
    """What does not import here may do so where the jobs run: once one has succeeded, nothing is said."""
    name = f"elsewhere_{tmp_path.name.replace('-', '_')}"
    await Cron.schedule(chancy, "0 3 1 1 *", Job(func=f"{name}.work"), name="nightly")
    found = await only()
    assert (found.id, found.severity) == ("schedule-cannot-run", "warning")
    assert f"no module '{name}'" in found.what
    (tmp_path / f"{name}.py").write_text("def work(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    reference = await Cron.run_now(chancy, "nightly")
    async with Worker(chancy):
        await reference.wait(timeout=60)
    query("UPDATE {s}.cron_schedules SET last_job = %s", str(reference))
    sys.path.remove(str(tmp_path))
    sys.modules.pop(name, None)
    assert await find_problems(chancy) == []


async def test_an_import_that_takes_long_is_not_waited_for(chancy, tmp_path, monkeypatch):
    """Nothing is said of it."""
    name = f"sleepy_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text("import time\ntime.sleep(30)\n")
    monkeypatch.setattr("chancy_cron.runnable.CHECKED_WITHIN_S", 0.1)
    monkeypatch.syspath_prepend(tmp_path)
    await Cron.schedule(chancy, "0 3 1 1 *", Job(func=f"{name}.work"), name="nightly")
    assert await find_problems(chancy) == []
