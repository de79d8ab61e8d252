"""Workflows as pictures: columns from left to right, each step to the right of those that it comes after."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chancy_workflow.flow import Workflow

WIDTH: Final = 150
HEIGHT: Final = 30
GAP_X: Final = 60
GAP_Y: Final = 14
SHOWN: Final = 20
COLOURS: Final = {"succeeded": "#667085", "failed": "#c4320a", "finished": "#667085", "within": "#c0c5cf"}
FILLS: Final = {"job": "#eef2ff", "map": "#e0f2fe", "wait": "#fef7e0", "gate": "#f2f4f7", "group": "#f2f4f7"}


def to_svg(flow: Workflow) -> str:
    """A workflow as a picture."""
    places = _places(flow)
    columns = max((x for x, _ in places.values()), default=0) + 1
    rows = max((y for _, y in places.values()), default=0) + 1
    width, height = columns * (WIDTH + GAP_X), rows * (HEIGHT + GAP_Y) + GAP_Y
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="system-ui, sans-serif" font-size="12">'
        ),
        f"<title>{escape(flow.name)}</title>",
        (
            '<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
            '<path d="M0 0 8 4 0 8z" fill="#667085"/></marker></defs>'
        ),
    ]
    for child, parent, when in _lines(flow):
        parts.append(_line(places[parent], places[child], when))
    for name, node in flow.nodes.items():
        parts.append(_box(*places[name], "(begin)" if node.kind == "gate" else name, node.kind))
    return "\n".join([*parts, "</svg>"])


def _lines(flow: Workflow) -> list[tuple[str, str, str]]:
    found = [(node.name, parent, when) for node in flow.nodes.values() for parent, when in node.after.items()]
    inside = [(node.scope, node.name) for node in flow.nodes.values() if node.scope is not None and node.kind != "gate"]
    return found + [(scope, name, "within") for scope, name in inside]


def _places(flow: Workflow) -> dict[str, tuple[int, int]]:
    """The column and the row of each step. A workflow names no step before those that it comes after."""
    columns: dict[str, int] = {}
    rows: dict[int, int] = {}
    found = {}
    before: dict[str, list[str]] = {}
    for child, parent, _ in _lines(flow):
        before.setdefault(child, []).append(parent)
    for name in flow.nodes:
        column = columns[name] = 1 + max((columns[parent] for parent in before.get(name, ())), default=-1)
        found[name] = (column, rows.get(column, 0))
        rows[column] = found[name][1] + 1
    return found


def _line(start: tuple[int, int], end: tuple[int, int], when: str) -> str:
    x1, y1 = start[0] * (WIDTH + GAP_X) + WIDTH + GAP_Y, start[1] * (HEIGHT + GAP_Y) + GAP_Y + HEIGHT // 2
    x2, y2 = end[0] * (WIDTH + GAP_X) + GAP_Y, end[1] * (HEIGHT + GAP_Y) + GAP_Y + HEIGHT // 2
    dashes = ' stroke-dasharray="4 3"' if when in ("finished", "within") else ""
    return (
        f'<path d="M{x1} {y1}C{x1 + GAP_X // 2} {y1} {x2 - GAP_X // 2} {y2} {x2} {y2}" fill="none" '
        f'stroke="{COLOURS[when]}"{dashes} marker-end="url(#to)"><title>{when}</title></path>'
    )


def _box(column: int, row: int, name: str, kind: str) -> str:
    x, y = column * (WIDTH + GAP_X) + GAP_Y, row * (HEIGHT + GAP_Y) + GAP_Y
    shown = name if len(name) <= SHOWN else f"…{name[-SHOWN:]}"
    return (
        f'<g><title>{escape(name)}: {kind}</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5" '
        f'fill="{FILLS[kind]}" stroke="#98a2b3"/><text x="{x + WIDTH // 2}" y="{y + HEIGHT // 2 + 4}" '
        f'text-anchor="middle" fill="#101828">{escape(shown)}</text></g>'
    )
