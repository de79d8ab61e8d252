"""What plugins say of the jobs in a table, in columns of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from chancy import QueuedJob
from chancy.plugin import Cell, Visit, WebColumn, log, text_of

# A column is a guest in its table, which waits no longer for it.
WITHIN_S: Final = 1.0


async def cells_of(
    columns: Mapping[str, WebColumn], visit: Visit, jobs: Sequence[QueuedJob]
) -> tuple[dict[str, Mapping[UUID, Cell]], list[str]]:
    """What stands in each column, by its name and the id of a job.

    Args:
        columns: the columns that were chosen.
        visit: who looks.
        jobs: the jobs of the table.

    Returns:
        the cells, and the titles of those columns that failed or took too long, which are empty.
    """
    if not jobs:
        return {name: {} for name in columns}, []
    found = await asyncio.gather(*(_cells(name, column, visit, jobs) for name, column in columns.items()))
    missing = [column.title for column, cells in zip(columns.values(), found, strict=True) if cells is None]
    return {name: cells or {} for name, cells in zip(columns, found, strict=True)}, missing


async def _cells(name: str, column: WebColumn, visit: Visit, jobs: Sequence[QueuedJob]) -> Mapping[UUID, Cell] | None:
    try:
        async with asyncio.timeout(WITHIN_S):
            return _checked(await column.load(visit, jobs))
    except Exception as error:  # noqa: BLE001 -- whatever it does wrong, the table is shown without it
        log.error("column_failed", column=name, error=text_of(error), exc_info=error)
        return None


def _checked(cells: Any) -> Mapping[UUID, Cell]:
    if not isinstance(cells, Mapping):
        raise TypeError(f"load returned {cells!r:.80}: return a mapping from the ids of jobs to cells.")
    for cell in cells.values():
        if not isinstance(cell, Cell) or not isinstance(cell.text, str):
            raise TypeError(f"load returned {cell!r:.80} for a job: return a Cell with a text.")
    return cells
