"""Rescue where the database refuses something: one job holds up no other, and is not lost itself."""

from __future__ import annotations

import asyncio

import pytest
from support import captured_events, until

from chancy import Worker
from chancy_core.worker import rescue
from chancy_core.worker.lease import Lease
from chancy_core.worker.rescue import Rescuer

# A user's own rule, which the kernel knows nothing of.
TRIGGER = """
CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.func = 'kept.back' THEN RAISE EXCEPTION 'not this one'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON {s}.finished_jobs FOR EACH ROW EXECUTE FUNCTION {s}.refuse()
"""
LOST = """
INSERT INTO {s}.jobs (id, queue, func, state, worker, attempts, claims, max_attempts, started_at)
SELECT gen_random_uuid(), 'nobodys', %s, 'running', %s, 1, 1, %s, now() FROM generate_series(1, %s)
"""


@pytest.fixture
def rounds(monkeypatch):
    """The rounds in which lost jobs were looked for one by one."""
    found = []
    real = Rescuer._rescue_one_by_one

    async def counted(self):
        await real(self)
        found.append(self)

    monkeypatch.setattr(Rescuer, "_rescue_one_by_one", counted)
    return found


async def test_a_job_that_cannot_be_rescued_holds_up_no_other(chancy, query, monkeypatch, rounds):
    """All jobs but the refused ones are rescued, those are told of once, and rescued as soon as that is possible."""
    monkeypatch.setattr(rescue, "BATCH", 3)
    query(TRIGGER)
    # The refused come first, more of them than a batch.
    for func, worker, max_attempts, count in [
        ("kept.back", "a", 1, 4),
        ("jobs.noop", "b", 1, 5),
        ("jobs.noop", "c", 2, 5),
    ]:
        query(LOST, func, worker, max_attempts, count)

    def left():
        return query("SELECT func, state, count(*) FROM {s}.jobs GROUP BY func, state ORDER BY func")

    with captured_events() as events:
        async with Worker(chancy, lease_s=2) as worker:
            await until(lambda: left() == [("jobs.noop", "pending", 5), ("kept.back", "running", 4)])
            await until(lambda: len(rounds) >= 3)
            refused = [event for event in events if event["event"] == "rescue_refused"]
            assert len({event["job"] for event in refused}) == len(refused) == 4
            assert all("not this one" in event["error"] for event in refused)
            await until(lambda: worker.rescued_by_queue == {"nobodys": 10})
            query("DROP TRIGGER refuse ON {s}.finished_jobs")
            await until(lambda: left() == [("jobs.noop", "pending", 5)])
            await until(lambda: worker.rescued == 14)
    assert not [event for event in events if event["event"] == "duty_failed"]
    assert query("SELECT func, count(*) FROM {s}.finished_jobs GROUP BY func ORDER BY func") == [
        ("jobs.noop", 5),
        ("kept.back", 4),
    ]


async def test_what_is_refused_is_reported_again_after_a_while(chancy, query, monkeypatch, rounds):
    """A job that stays refused is told of again, but not each time."""
    query(TRIGGER)
    query(LOST, "kept.back", "a", 1, 1)
    with captured_events() as events:

        def reports():
            return len([event for event in events if event["event"] == "rescue_refused"])

        async with Worker(chancy, lease_s=2):
            await until(lambda: len(rounds) >= 3)
            assert reports() == 1
            monkeypatch.setattr(rescue, "REPORT_EVERY_S", 0.0)
            await until(lambda: reports() >= 3)


async def test_a_worker_that_saw_nobody_does_not_look_without_a_pause(monkeypatch):
    """Between two looks there is a pause even if a heartbeat saw no living worker, its own row being gone."""
    lease = Lease(0.01, print)
    rescuer = Rescuer("w", None, None, lease, print, None)
    pauses = []

    async def slept(seconds):
        pauses.append(seconds)
        await asyncio.sleep(0)

    async def looked():
        return 0

    monkeypatch.setattr(rescuer._alarm, "sleep", slept)
    monkeypatch.setattr(rescuer, "_look_twice", looked)
    monkeypatch.setattr(Lease, "unsteady_s", 0.0)
    rescuer.leases_seen(living=0, expired=False, lost_in_s=0.0)
    running = asyncio.create_task(rescuer.run())
    await until(lambda: len(pauses) > 3)
    running.cancel()
    assert min(pauses) > 0
