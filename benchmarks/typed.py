"""What `json="typed"` costs, beside plain JSON: `python -m benchmarks.typed`. In microseconds a job; no database."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec

from chancy_core.executors.arguments import arguments_of
from chancy_core.store.jobrows import job_row
from chancy_core.values.job import Job
from chancy_core.values.queuedjob import QueuedJob, State

LIMIT_BYTES = 1 << 24
# The fastest of so many rounds counts: whatever else the machine does makes one slower, never faster.
ROUNDS = 7
SECONDS = 0.2
ID = uuid4()


@dataclass
class Item:
    """A line of an order."""

    id: UUID
    price: Decimal
    tags: list[str]


def small(*, order: UUID, at: datetime, name: str) -> None:
    """Three arguments."""


def large(*, items: list[Item]) -> None:
    """A hundred dataclasses."""


def microseconds(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    best = float("inf")
    for _ in range(ROUNDS):
        count, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < SECONDS / ROUNDS or not count:
            call()
            count += 1
        best = min(best, passed / count)
    return best * 1e6


def line(what: str, plain: float, typed: float) -> None:
    """One line of the table."""
    print(f"{what:<42}{plain:>9.1f}{typed:>9.1f}{typed - plain:>+9.1f}")


def measured(what: str, call: Callable[..., Any], given: dict[str, Any], by_hand: dict[str, Any]) -> None:
    """Measure one function: `given` as typed arguments, `by_hand` as the JSON that one would write oneself."""
    plain = Job(func="benchmarks.typed", kwargs=by_hand)
    typed = Job(func="benchmarks.typed", kwargs=given, json="typed")
    line(
        f"push: {what}",
        microseconds(lambda: job_row(plain, "default", str(ID), LIMIT_BYTES)),
        microseconds(lambda: job_row(typed, "default", str(ID), LIMIT_BYTES)),
    )
    stored = job_row(typed, "default", str(ID), LIMIT_BYTES).kwargs or ""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    run = QueuedJob(func="benchmarks.typed", kwargs=decode(stored), json="typed", id=ID, state=State.RUNNING)
    reading = microseconds(lambda: decode(stored))
    line(f"run:  {what}", reading, reading + microseconds(lambda: arguments_of(run, call)))


def main() -> None:
    """Print the table."""
    now = datetime.now(UTC)
    print(f"{'microseconds a job':<42}{'plain':>9}{'typed':>9}{'more':>9}")
    measured(
        "three arguments",
        small,
        {"order": ID, "at": now, "name": "Alice"},
        {"order": str(ID), "at": now.isoformat(), "name": "Alice"},
    )
    items = [Item(ID, Decimal("19.99"), ["a", "b"]) for _ in range(100)]
    measured(
        "a hundred dataclasses",
        large,
        {"items": items},
        {"items": [{**asdict(item), "id": str(item.id), "price": str(item.price)} for item in items]},
    )


if __name__ == "__main__":
    main()
