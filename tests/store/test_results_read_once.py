"""What is large is read once."""

from __future__ import annotations

from chancy import Job, Queue, Worker
from chancy_core.store import storedjobs


async def test_a_result_is_read_once(chancy, monkeypatch):
    """To read a megabyte holds the loop for some milliseconds, which whoever waits for a job had taken twice."""
    await chancy.declare(Queue("default"), upsert=True)
    reference = await chancy.push(Job("jobs.echo", kwargs={"value": "x" * 1000}))
    async with Worker(chancy):
        await reference.wait(timeout=60)
    read = []
    decode = storedjobs.decode
    monkeypatch.setattr(storedjobs, "decode", lambda text: read.append(text) or decode(text))
    assert (await reference.get()).result == "x" * 1000
    assert [len(text) for text in read if len(text) > 1000] == [1002]
