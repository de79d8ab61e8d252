"""`chancy leader`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import click

from chancy import Chancy
from chancy.plugin import looked_at
from chancy_leadership.leader import Leader, get_leader


@click.command()
@click.pass_obj
def leader(new_chancy: Callable[[], Chancy]) -> None:
    """Who leads, in which term, and for how long."""
    click.echo("\n".join(asyncio.run(_ask(new_chancy))))


async def _ask(new_chancy: Callable[[], Chancy]) -> list[str]:
    async with new_chancy() as chancy:
        return _lines(await get_leader(chancy), looked_at(chancy))


def _lines(found: Leader | None, where: str) -> list[str]:
    if found is None:
        return [f"Nobody leads, and nobody ever did: no worker with this plugin has run in {where}."]
    if found.holder is None:
        return [f"Nobody leads. Term {found.term} ended at {found.lease_until:%Y-%m-%d %H:%M:%S %Z}."]
    return [
        f"leader  {found.holder}",
        f"term    {found.term}, since {found.elected_at:%Y-%m-%d %H:%M:%S %Z}",
        f"lease   {found.left_s:.1f} s left, until {found.lease_until:%Y-%m-%d %H:%M:%S %Z}",
    ]
