"""A graph as SVG, for a file or for a page: the same picture, whose colours come from a style sheet.

A state is a shape and a word, and only then a colour. Nothing in it is a script, and nothing has a `style`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Final

from chancy_workflow.picture.folding import folded
from chancy_workflow.picture.graph import Box, Graph, of_flow
from chancy_workflow.picture.layers import laid_out

if TYPE_CHECKING:
    from chancy_workflow.flow import Workflow

WIDTH: Final = 190
HEIGHT: Final = 46
GAP_X: Final = 64
ROW: Final = 60
EDGE: Final = 12
# Characters that fit into a box.
FITS: Final = 25
ICON: Final = 14
BAR: Final = 4
# Of what is drawn as one, in this order.
ORDER: Final = (
    *("failed", "expired", "cancelled", "running", "pushed", "retrying", "open", "pending", "scheduled"),
    *("ready", "waiting", "skipped", "succeeded"),
)
# For people: a step that was pushed waits for a worker, or for its time, unless more is known of its job.
WORDS: Final = {"open": "waits for its signal", "pushed": "its job waits or runs", "pending": "waits for a worker"}
# What stands in the boxes of a workflow that was not pushed.
KINDS: Final = {"map": "a job for each item", "wait": "waits for a signal", "group": "end of a workflow"}
# Each shape is drawn into 14 by 14: lines, or filled, and then what is cut out of it.
SHAPES: Final = {
    "succeeded": ("", "M7 .8a6.2 6.2 0 1 1 0 12.4a6.2 6.2 0 1 1 0-12.4z", "M4.2 7.2l2 2 3.6-4"),
    "failed": ("", "M7 .4l6.6 6.6L7 13.6.4 7z", "M5 5l4 4M9 5l-4 4"),
    "expired": ("M3 1h8M3 13h8M4 1c0 5 6 7 6 12M10 1c0 5-6 7-6 12", "", ""),
    "cancelled": ("M7 1a6 6 0 1 1 0 12a6 6 0 1 1 0-12zM3 11l8-8", "", ""),
    "skipped": ("M2 3l4 4-4 4M7 3l4 4-4 4", "", ""),
    "running": ("", "M3 1.5l9 5.5-9 5.5z", ""),
    "pushed": ("M3 2l8 5-8 5z", "", ""),
    "pending": ("M3 2l8 5-8 5z", "", ""),
    "scheduled": ("M7 1a6 6 0 1 1 0 12a6 6 0 1 1 0-12zM7 4v3l2 1.4", "", ""),
    "retrying": ("M12 7a5 5 0 1 1-1.7-3.8M10.6.6v2.8H7.8", "", ""),
    "open": ("M1.5 2.5h11v7h-6l-3 3v-3h-2z", "", ""),
    "waiting": ("M1.6 7h.1M7 7h.1M12.3 7h.1", "", ""),
    "ready": ("M1.6 7h.1M7 7h.1M12.3 7h.1", "", ""),
}
# The same rules as in the dashboard's style sheet, which says what the colours are in each of its themes.
STYLE: Final = """\
.wf { font: 12px var(--ui) }
.wf text { fill: var(--ink2) }
.wf .wf-name { font-weight: 600; fill: var(--ink) }
.wf a:is(:hover, :focus-visible) .wf-name { text-decoration: underline; fill: var(--accent) }
.wf-box { fill: var(--surface); stroke: var(--edge) }
.wf-wait { fill: var(--sunk) }
.wf-in { fill: var(--sunk); stroke: var(--line) }
.wf-line { fill: none; stroke: var(--edge); stroke-width: 1.25 }
.wf-line.failed { stroke: var(--bad); stroke-dasharray: 6 3 }
.wf-line.finished { stroke-dasharray: 6 3 }
.wf-line.within { stroke-dasharray: 1.5 3.5 }
.wf-tip { fill: var(--edge) }
.wf-icon { fill: none; stroke: var(--ink2); stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round }
.wf-full { fill: var(--ink2) }
.wf-cut { fill: none; stroke: var(--surface); stroke-width: 1.75; stroke-linecap: round }
.wf-box:is(.failed, .expired) { stroke: var(--bad); stroke-width: 2 }
.wf-box:is(.running, .pushed, .open) { stroke: var(--accent); stroke-width: 2 }
.wf-box:is(.waiting, .skipped, .cancelled) { stroke-dasharray: 5 3 }
.wf-icon:is(.expired) { stroke: var(--bad) }
.wf-icon:is(.pushed, .pending, .scheduled, .open) { stroke: var(--accent) }
.wf-icon.retrying { stroke: var(--warn) }
.wf-full.succeeded { fill: var(--ok) }
.wf-full:is(.failed, .expired) { fill: var(--bad) }
.wf-full:is(.running, .pushed, .open, .pending, .scheduled) { fill: var(--accent) }
.wf-full.retrying { fill: var(--warn) }
.wf-full:is(.waiting, .ready, .skipped) { fill: var(--mute) }
"""
_COLOURS: Final = """\
svg { --ui: system-ui, sans-serif; --ink: #1a1b1f; --ink2: #575a62; --surface: #fff; --sunk: #f2f2ee; --line: #e4e4de;
  --edge: #86888e; --accent: #2c51c7; --ok: #1b7a47; --bad: #bd2430; --warn: #8f5507; --mute: #c9cad0;
  background: #fff }
@media (prefers-color-scheme: dark) { svg { --ink: #e8e9ec; --ink2: #a6abb5; --surface: #16181c; --sunk: #1d2025;
  --line: #2a2d34; --edge: #72777f; --accent: #93abff; --ok: #62cb8e; --bad: #ff8f8a; --warn: #eeb258; --mute: #4a4e57;
  background: #0f1013 } }
"""
Link = Callable[[Box], "str | None"]


class Svg(str):
    """A picture as text, which templates take as it is: whatever names are in it has been escaped."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def to_svg(flow: Workflow) -> str:
    """A workflow as a file: what says the same is drawn as one, so that it can be looked at, however large it is."""
    return drawn(folded(of_flow(flow)), alone=True)


def drawn(graph: Graph, link: Link = lambda _: None, *, alone: bool = False) -> Svg:
    """A graph as a picture.

    Args:
        graph: what is in it.
        link: where a box leads to.
        alone: whether it has to bring its colours along.
    """
    layout = laid_out(len(graph.boxes), graph.lines)
    width = layout.width * (WIDTH + GAP_X) - GAP_X + 2 * EDGE
    height = round(max(layout.height - 1, 0) * ROW + HEIGHT + 2 * EDGE)
    spots = [(_x(column), _y(row)) for column, row in zip(layout.columns, layout.rows, strict=True)]
    name = f"{shown(graph.name)}: {len(graph.boxes)} {'box' if len(graph.boxes) == 1 else 'boxes'}"
    xmlns = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    out = [f'<svg{xmlns} class="wf" {size} role="group" aria-label="{escape(name)}">']
    if alone:
        out.append(f"<title>{escape(shown(graph.name))}</title><style>{_COLOURS}{STYLE}</style>")
    for line, way in zip(graph.lines, layout.ways, strict=True):
        out.append(_line(spots[line.parent], way, spots[line.child], line.when))
    for box, (x, y) in zip(graph.boxes, spots, strict=True):
        out.append(_box(box, x, y, link(box)))
    return Svg("\n".join([*out, "</svg>"]))


def shown(text: str) -> str:
    """A text in which every character is to be seen, and may stand in XML."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def told(counts: Mapping[str, int]) -> str:
    """How many are in which state, in words."""
    states = sorted(counts, key=lambda state: ORDER.index(state) if state in ORDER else len(ORDER))
    return ", ".join(f"{counts[state]:,} {state}" for state in states if counts[state])


def _x(column: int) -> int:
    return column * (WIDTH + GAP_X) + EDGE


def _y(row: float) -> int:
    return round(row * ROW) + EDGE


def _line(start: tuple[int, int], way: list[tuple[int, float]], end: tuple[int, int], when: str) -> str:
    middle = HEIGHT // 2
    x, y = start[0] + WIDTH, start[1] + middle
    path = [f"M{x} {y}"]
    for column, row in way:
        left, there = _x(column), _y(row) + middle
        path.append(f"C{x + GAP_X // 2} {y} {left - GAP_X // 2} {there} {left} {there}H{left + WIDTH}")
        x, y = left + WIDTH, there
    last = end[1] + middle
    path.append(f"C{x + GAP_X // 2} {y} {end[0] - GAP_X // 2} {last} {end[0] - 6} {last}")
    tip = f"M{end[0] - 7} {last - 4}L{end[0]} {last}L{end[0] - 7} {last + 4}z"
    about = f"<title>{when}</title>" if when != "succeeded" else ""
    return f'<path class="wf-line {when}" d="{"".join(path)}">{about}</path><path class="wf-tip" d="{tip}"/>'


def _box(box: Box, x: int, y: int, href: str | None) -> str:
    state = box.state if box.state in SHAPES else ""
    many = box.kind in ("map", "steps")
    words = told(box.counts) if box.counts else WORDS.get(state, state)
    below = words or (box.note if box.kind == "steps" else KINDS.get(box.kind, ""))
    whole = ": ".join(part for part in (shown(box.key if box.kind != "steps" else box.label), words, box.note) if part)
    parts = [f"<title>{escape(shown(whole))}</title>"]
    if many:
        parts.append(f'<rect class="wf-in" x="{x + 4}" y="{y + 4}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>')
    kind = " wf-wait" if box.kind in ("wait", "gate", "group") else ""
    corner = HEIGHT // 2 if box.kind in ("wait", "gate") else 6
    parts.append(
        f'<rect class="wf-box {state}{kind}" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="{corner}"/>'
    )
    left = x + 12 if corner == 6 else x + 20  # noqa: PLR2004 -- what is round has less room
    parts.append(f'<text class="wf-name" x="{left}" y="{y + 19}">{escape(_cut(shown(box.label)))}</text>')
    if state in SHAPES:
        parts.append(_icon(state, left, y + 25))
        left += ICON + 6
    if below:
        parts.append(f'<text x="{left}" y="{y + 36}">{escape(_cut(shown(below)))}</text>')
    if box.counts:
        parts.append(_bar(box.counts, x + 1, y + HEIGHT - BAR - 1))
    inner = "".join(parts)
    key = escape(shown(box.key))
    if href is None:
        return f'<g data-key="{key}">{inner}</g>'
    return f'<a data-key="{key}" href="{escape(href)}">{inner}</a>'


def _icon(state: str, x: int, y: int) -> str:
    line, full, cut = SHAPES[state]
    parts = [f'<path class="wf-icon {state}" d="{line}"/>'] if line else []
    parts += [f'<path class="wf-full {state}" d="{full}"/>'] if full else []
    parts += [f'<path class="wf-cut" d="{cut}"/>'] if cut else []
    return f'<g transform="translate({x} {y})">{"".join(parts)}</g>'


def _bar(counts: Mapping[str, int], x: int, y: int) -> str:
    total, at, out = sum(counts.values()) or 1, float(x), []
    for state in ORDER:
        if counts.get(state):
            width = (WIDTH - 2) * counts[state] / total
            out.append(
                f'<rect class="wf-full {state}" x="{at:.1f}" y="{y}" width="{max(width, 1):.1f}" height="{BAR}"/>'
            )
            at += width
    return "".join(out)


def _cut(text: str) -> str:
    return text if len(text) <= FITS else f"{text[: FITS // 2]}…{text[-FITS // 2 + 1 :]}"
