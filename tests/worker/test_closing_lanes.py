"""A queue that is taken away while its worker stops: its executor is closed before the worker has stopped."""

from __future__ import annotations

import asyncio

import row_executors
from support import captured_events

from chancy import Queue, Worker


async def test_a_worker_that_stops_waits_for_the_executor_of_a_queue_that_is_gone(chancy, until):
    """It closes while nobody serves the queue any more: what it has is not cut off, and no failure is told."""
    row_executors.Gated.reset()
    await chancy.declare(Queue("odd", executor="row_executors.Gated"))
    with captured_events() as events:
        async with Worker(chancy):
            await until(lambda: any(e["event"] == "queue_served" and e["queue"] == "odd" for e in events))
            await chancy.pause_queue("odd")
            await until(row_executors.Gated.closing.is_set)
            asyncio.get_running_loop().call_later(0.2, row_executors.Gated.gate.set)
    assert row_executors.Gated.closed == 1
    assert "executor_close_failed" not in [event["event"] for event in events]
