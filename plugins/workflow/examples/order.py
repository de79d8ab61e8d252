"""An order: goods are set aside, a payment is waited for, and either the goods go out or they go back."""

from __future__ import annotations

from datetime import timedelta

from chancy import job
from chancy_workflow import Workflow

# What a shop would have in its database.
STOCK: dict[str, int] = {"lamp": 3}
SENT: list[str] = []


@job
async def set_aside(*, goods: str) -> str:
    """Take one from the shelf."""
    if STOCK[goods] == 0:
        raise ValueError(f"no {goods} is left")
    STOCK[goods] -= 1
    return goods


@job
async def send(*, goods: str, payment: dict[str, str]) -> str:
    """Send it to who paid."""
    SENT.append(f"{goods} to {payment['by']}")
    return SENT[-1]


@job
async def put_back(*, goods: str) -> None:
    """Put it back on the shelf."""
    STOCK[goods] += 1


def order_flow(number: int, goods: str, patience: timedelta = timedelta(days=3)) -> Workflow:
    """One run for each order; without a payment in time the goods go back."""
    flow = Workflow("order", unique_key=f"order:{number}")
    aside = flow.add("set aside", set_aside.job.with_kwargs(goods=goods))
    paid = flow.wait("paid", after=aside, timeout=patience)
    flow.add("send", send.job.with_kwargs(goods=aside, payment=paid))
    flow.add("put back", put_back.job.with_kwargs(goods=aside), after=paid.failed)
    return flow
