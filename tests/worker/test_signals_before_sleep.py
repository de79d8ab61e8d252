"""Signals that come when the loop has just fallen asleep."""

from __future__ import annotations

import asyncio
import signal
import threading

from chancy_core.worker.signals import WAKES, heeded_to_the_end


async def test_a_signal_that_came_as_a_supervisor_fell_asleep_was_heard_when_something_else_woke_it(signals):
    """Nothing may wake it for hours. What a thread is sent does not wake the main one, as if it came just before."""
    loop, heard, woken = asyncio.get_running_loop(), asyncio.Event(), []
    heeded_to_the_end(lambda: loop.call_soon_threadsafe(heard.set))
    try:
        sender = threading.Timer(0.05, signal.raise_signal, [signal.SIGTERM])
        alarm = loop.call_later(60, woken.append, "by the alarm")
        sender.start()
        await heard.wait()
        alarm.cancel()
        sender.join()
    finally:
        loop.remove_signal_handler(WAKES)
    assert woken == []
