"""The job that is measured: it takes its arguments, and does nothing with them."""

from __future__ import annotations

import random
from typing import Any, Final

import msgspec

from chancy_core.values.job import Job

QUEUE: Final = "bench"
FUNC: Final = f"{__name__}.take"
# Records of different payloads are the same each time, so that two runs compare.
_SEED: Final = 1


async def take(**data: object) -> None:
    """Take the arguments."""


def job_of(payload_bytes: int) -> Job:
    """A job whose arguments are so many bytes of JSON, or a few less."""
    return Job(func=FUNC, queue=QUEUE, kwargs=payload(payload_bytes))


def payload(size_bytes: int) -> dict[str, Any]:
    """Arguments as applications have them: records, which a server can compress as far as it can compress those."""
    dice = random.Random(_SEED)  # noqa: S311 -- nobody keeps a secret with it
    records: list[dict[str, Any]] = []
    found: dict[str, Any] = {"data": records}
    left = size_bytes - len(msgspec.json.encode(found))
    while left > 0:
        record = {"id": dice.getrandbits(31), "name": f"{dice.getrandbits(64):016x}", "ok": True}
        left -= len(msgspec.json.encode(record)) + 1
        if left >= 0:
            records.append(record)
    return found if size_bytes > len(msgspec.json.encode({"data": []})) else {}
