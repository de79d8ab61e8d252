"""Places of a limit that nobody frees are found."""

from __future__ import annotations

from chancy import Job, Queue
from chancy.plugin import find_problems


async def test_places_of_lost_workers_are_found(new_chancy, query):
    """Full, and some of the runs are those of a worker whose lease ran out; not while it lives."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("calls", global_concurrency=1))
        await chancy.push(Job(func="os.getcwd", queue="calls"))
        query("INSERT INTO {s}.workers (worker, tags, lease_until) VALUES ('gone', '{}', now() + interval '1 hour')")
        query("UPDATE {s}.jobs SET state = 'running', worker = 'gone', attempts = 1, started_at = now()")
        assert await find_problems(chancy) == []
        query("UPDATE {s}.workers SET lease_until = now() - interval '1 s'")
        (found,) = await find_problems(chancy)
        assert (found.id, found.subject.name) == ("limit-stuck", "calls")
        assert "1 of its 1 runs" in found.what
