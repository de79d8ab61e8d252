"""What stands where: in columns, each box to the right of those that it comes after, with few lines crossed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from chancy_workflow.picture.graph import Line

# A line that passes columns goes through a place of its own in each; beyond so many of them, straight across.
BENDS_MOST: Final = 3000
SWEEPS: Final = 4
BOX: Final = 1.0
BEND: Final = 0.35


class Layout(NamedTuple):
    """Where things stand.

    Attributes:
        columns: of each box, from 0.
        rows: of each box, in heights of a box, from 0.
        ways: of each line, the (column, row) of the bends that it goes through.
        width: how many columns there are.
        height: how many rows.
    """

    columns: list[int]
    rows: list[float]
    ways: list[list[tuple[int, float]]]
    width: int
    height: float


def columns_of(count: int, lines: Iterable[Line]) -> list[int]:
    """The column of each box: one more than those of the boxes before it."""
    children: list[list[int]] = [[] for _ in range(count)]
    parents = [0] * count
    for line in lines:
        children[line.parent].append(line.child)
        parents[line.child] += 1
    columns = [0] * count
    ready = [n for n in range(count) if not parents[n]]
    begins = list(ready)
    while ready:
        n = ready.pop()
        for child in children[n]:
            columns[child] = max(columns[child], columns[n] + 1)
            parents[child] -= 1
            if not parents[child]:
                ready.append(child)
    # What nothing goes before stands just before what comes after it.
    for n in begins:
        if children[n]:
            columns[n] = min(columns[child] for child in children[n]) - 1
    return columns


def laid_out(count: int, lines: Sequence[Line]) -> Layout:
    """A place for each box, and a way for each line."""
    columns = columns_of(count, lines)
    spans = [columns[line.child] - columns[line.parent] for line in lines]
    bends = sum(span - 1 for span in spans) <= BENDS_MOST
    levels = list(columns)
    links: list[tuple[int, int]] = []
    chains: list[list[int]] = []
    for line, span in zip(lines, spans, strict=True):
        between = list(range(len(levels), len(levels) + span - 1)) if bends else []
        levels += [columns[line.parent] + step + 1 for step in range(len(between))]
        chains.append(between)
        path = [line.parent, *between, line.child]
        links += list(pairwise(path))
    rows = _rows(levels, links, count)
    ways = [[(levels[n], rows[n]) for n in chain] for chain in chains]
    height = max((rows[n] + BOX for n in range(count)), default=BOX)
    return Layout(columns, rows[:count], ways, max(columns, default=0) + 1, max(height, *(rows or [0.0])))


def _rows(levels: list[int], links: list[tuple[int, int]], boxes: int) -> list[float]:
    before: list[list[int]] = [[] for _ in levels]
    after: list[list[int]] = [[] for _ in levels]
    for parent, child in links:
        before[child].append(parent)
        after[parent].append(child)
    columns: list[list[int]] = [[] for _ in range(max(levels, default=-1) + 1)]
    for n, level in enumerate(levels):
        columns[level].append(n)
    rows = [0.0] * len(levels)
    sizes = [BOX if n < boxes else BEND for n in range(len(levels))]
    half = max((sum(sizes[n] for n in column) for column in columns), default=0.0) / 2
    for column in columns:
        _stack(column, rows, sizes, half, [0.0] * len(column))
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            near = before if forward else after
            wanted = {n: sum(rows[m] for m in near[n]) / len(near[n]) if near[n] else rows[n] for n in column}
            column.sort(key=wanted.__getitem__)
            _stack(column, rows, sizes, half, [wanted[n] for n in column])
    least = min(rows, default=0.0)
    return [row - least for row in rows]


def _stack(column: list[int], rows: list[float], sizes: list[float], half: float, wanted: list[float]) -> None:
    """One below the other, in this order, each near where it is wanted, and all within the fullest column's height."""
    low = -half
    for n, row in zip(column, wanted, strict=True):
        rows[n] = low = max(row, low)
        low += sizes[n]
    # Downwards only, they would all be too low: so they are moved by the mean, and back into bounds from below.
    moved = sum(row - rows[n] for n, row in zip(column, wanted, strict=True)) / max(len(column), 1)
    low, high = -half, half
    for n in column:
        rows[n] = low = max(rows[n] + moved, low)
        low += sizes[n]
    for n in reversed(column):
        rows[n] = high = min(rows[n], high - sizes[n])
