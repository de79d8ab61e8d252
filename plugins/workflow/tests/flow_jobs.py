"""Jobs that the tests run."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from chancy import JobContext, job
from chancy_workflow import Kept, Run, Workflow

# What tests let fail, and how often; the tests and their workers share the process.
FAILING: dict[str, int] = {}


@job
async def give(*, value: Any = None) -> Any:
    """Returns what it is given."""
    return value


@job
async def double(*, item: int) -> int:
    """Twice the item, or an error if that was asked for."""
    if FAILING.get(f"double {item}", 0) > 0:
        FAILING[f"double {item}"] -= 1
        raise ValueError(f"no {item}")
    return 2 * item


@job
async def total(*, numbers: list[int], more: int = 0) -> int:
    """Their sum."""
    return sum(numbers) + more


@job
async def fail(*, name: str = "", times: int = 1_000_000) -> str:
    """Fails, a number of times if it has a name."""
    if name and FAILING.setdefault(name, times) <= 0:
        return "well"
    FAILING[name] = FAILING.get(name, times) - 1
    raise ValueError("no")


@job
async def forget(*, context: JobContext) -> int:
    """Throws its meta away."""
    context.meta.clear()
    return 1


@job
async def sleep() -> None:
    """Until it is cancelled."""
    await asyncio.sleep(3600)


CALLED: list[str] = []


async def charge(order: int) -> tuple[int, str]:
    """Called once for each order."""
    CALLED.append(f"charge {order}")
    return order, "paid"


def ship(order: int, *, fails: bool) -> str:
    """Fails if it is told to."""
    CALLED.append(f"ship {order}")
    if fails:
        raise ValueError("no van")
    return "shipped"


@job
async def checkout(*, order: int, context: JobContext) -> list[Any]:
    """Two steps and a loop that is broken off, in an attempt that fails before the last, and one that goes on."""
    kept = Kept(context)
    paid = await kept.step("charge", charge, order)
    for n in range(await kept.load("loop", 0), 4):
        CALLED.append(f"loop {n}")
        await kept.save("loop", n + 1)
        if n == 1 and context.attempt == 1:
            break
    shipped = await kept.step("ship", ship, order, fails=context.attempt == 1)
    return [paid, shipped]


@job
def checkout_in_a_thread(*, order: int, context: JobContext) -> list[Any]:
    """The same without asyncio; what was kept in a transaction that is rolled back was not kept."""
    kept = Kept(context)
    with context.chancy.sync_pool.connection() as connection:
        with suppress(ZeroDivisionError), connection.transaction():
            kept.sync_step("charge", CALLED.append, f"rolled back {order}", connection=connection)
            raise ZeroDivisionError
        with connection.transaction():
            kept.sync_step("charge", CALLED.append, f"charge {order}", connection=connection)
    kept.sync_save("sum", kept.sync_load("sum", 0) + order)
    return [kept.sync_load("sum"), kept.sync_step("ship", ship, order, fails=context.attempt == 1)]


@job
async def plan(*, numbers: list[int], context: JobContext) -> None:
    """Adds a step for each number to its run, and fails after that in the first attempt."""
    more = Workflow("more")
    first = more.add("more first", give.job.with_kwargs(value=0))
    for number in numbers:
        more.add(f"more {number}", double.job.with_kwargs(item=number), after=first)
    await Run.of(context.chancy, context).extend(more, before="join")
    if context.attempt == 1:
        raise ValueError("once more")
