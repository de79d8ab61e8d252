"""SVG drawn on the server, in percentages, so that text keeps its size at every width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from chancy_dashboard.showing.formats import NOTHING

# Room above and below the plot of a chart, in pixels, for marks and for the times.
TOP: Final = 18
LOW: Final = 22


class Line(NamedTuple):
    """A series of a chart.

    Attributes:
        name: what it is, for the tooltip.
        values: one for each bucket; None: nothing is known.
        style: classes of the style sheet: `k` grey, `b` bad, `d` and `dd` dashed.
        area: whether what is below it is tinted.
    """

    name: str
    values: Sequence[float | None]
    style: str = ""
    area: bool = False


def _paths(
    values: Sequence[float | None], top: float, low: float = 0, high: float = 1000, height: float = 100
) -> list[tuple[str, str]]:
    """The lines through what is known, and the areas below them: one of each between two gaps."""
    n, pieces = max(len(values) - 1, 1), [[]]  # type: tuple[int, list[list[tuple[float, float]]]]
    for i, v in enumerate(values):
        if v is not None:
            pieces[-1].append((low + (high - low) * i / n, height - height * min(v, top) / top))
        elif pieces[-1]:
            pieces.append([])
    found = []
    for spots in pieces:
        if spots:
            line = "M" + "L".join(f"{x:.0f} {y:.1f}" for x, y in spots)
            # A single moment is a dot.
            line += "h.01" if len(spots) == 1 else ""
            found.append((line, f"{line}L{spots[-1][0]:.0f} {height:g}L{spots[0][0]:.0f} {height:g}Z"))
    return found


def spark(values: Sequence[float | None], label: str, style: str = "k") -> Markup:
    """A small line without axes; nothing, where nothing is known."""
    paths = _paths(values, max((v or 0 for v in values), default=0) * 1.08 or 1, 2, 98, 20)
    if not paths:
        return Markup("")
    drawn = [
        Markup('<path class="ar {}" d="{}"/><path class="ln {}" d="{}"/>').format(style, area, style, line)
        for line, area in paths
    ]
    end = paths[-1][0].removesuffix("h.01").rsplit("L", 1)[-1].removeprefix("M")
    return Markup(
        '<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" role="img" aria-label="{}">{}'
        '<path class="ln dot {}" d="M{}h.01"/></svg>'
    ).format(label, Markup("").join(drawn), style, end)


def bars(values: Sequence[float], label: str, style: str = "bad") -> Markup:
    """Small bars without axes."""
    top, width = max(values, default=0) or 1, 100 / max(len(values), 1)
    drawn = []
    for i, v in enumerate(values):
        height = max(22 * v / top, 1.5)
        drawn.append(
            Markup('<rect class="f-{}" x="{:.2f}%" y="{:.1f}" width="{:.2f}%" height="{:.1f}"/>').format(
                style if v else "line", i * width, 22 - height, width * 0.72, height
            )
        )
    return Markup('<svg class="spark" role="img" aria-label="{}">{}</svg>').format(label, Markup("").join(drawn))


def meter(share: float | None, label: str, style: str = "run", *, wide: bool = False) -> Markup:
    """How much of something is used."""
    width = min(max(share or 0, 0), 1) * 100
    return Markup(
        '<svg class="meter{}" role="img" aria-label="{}"><rect class="f-{}" width="{:.2f}%" height="100%"/></svg>'
    ).format(" w" if wide else "", label, style, width)


def strip(marks: Sequence[tuple[float, str]] | None, label: str, *, muted: bool = False) -> Markup:
    """Moments on a line of time.

    Args:
        marks: which share of the line each is at, and a text for it; None: too many to tell apart.
        label: a sentence that says what one sees.
        muted: whether they do not count now.
    """
    style = "f-mute" if muted else "f-run"
    if marks is None:
        drawn = [Markup('<rect class="{}" x="0" y="9" width="100%" height="6" rx="1"/>').format(style)]
    else:
        drawn = [
            Markup('<rect class="{}" x="{:.2f}%" y="5" width="3" height="14" rx="1"><title>{}</title></rect>').format(
                style, min(max(share, 0), 1) * 99, text
            )
            for share, text in marks
        ]
    return Markup(
        '<svg class="strip" height="24" role="img" aria-label="{}">'
        '<line class="gl" x1="0" x2="100%" y1="12" y2="12"/>{}</svg>'
    ).format(label, Markup("").join(drawn))


def timeline(
    past: Sequence[tuple[float, str, str]],
    ahead: Sequence[tuple[float, str]] | None,
    label: str,
    *,
    many: bool = False,
    muted: bool = False,
) -> Markup:
    """What happened until now, in the left half, and what will happen, in the right one.

    Args:
        past: which share of the time until now each moment is at, what became of it, and a text for it. What is good is
            low, what is bad stands out, and what did not happen is hollow.
        ahead: which share of the time from now on each moment is at, and a text for it; None: too many to tell apart.
        label: a sentence that says what one sees.
        many: whether there were more moments than `past` has.
        muted: whether what is ahead does not count now.
    """
    style = "f-mute" if muted else "f-run"
    drawn = []
    if many:
        drawn.append(Markup('<rect class="f-ok" x="0" y="10" width="50%" height="4" rx="1"/>'))
    if ahead is None:
        drawn.append(Markup('<rect class="{}" x="50%" y="9" width="50%" height="6" rx="1"/>').format(style))
    for share, became, text in past:
        kind, y = _BECAME.get(became, _OTHER)
        drawn.append(_mark(kind, share / 2, y, text))
    drawn += [_mark(style, 0.5 + share / 2, 5, text) for share, text in ahead or ()]
    return Markup(
        '<svg class="strip" height="24" role="img" aria-label="{}"><line class="gl" x1="0" x2="100%" y1="12" y2="12"/>'
        '{}<line class="now" x1="50%" x2="50%" y1="0" y2="24"/></svg>'
    ).format(label, Markup("").join(drawn))


# How each is drawn, and where it begins: the middle of the line is at 12.
_BECAME: Final = {
    "succeeded": ("f-ok", 7),
    "failed": ("f-bad", 2),
    "missed": ("f-hole", 2),
    "retrying": ("f-warn", 2),
    "running": ("f-run", 5),
}
_OTHER: Final = ("f-mute", 9)


def _mark(kind: str, share: float, y: int, text: str) -> Markup:
    return Markup('<rect class="{}" x="{:.2f}%" y="{}" width="3" height="{}" rx="1"><title>{}</title></rect>').format(
        kind, min(max(share, 0), 1) * 99, y, 2 * (12 - y), text
    )


def hours(marks: Sequence[tuple[float, str]]) -> Markup:
    """What stands above such lines: where which hour is."""
    drawn = [
        Markup('<text x="{:.2f}%" y="11" text-anchor="middle">{}</text>').format(min(max(share, 0.03), 0.97) * 99, text)
        for share, text in marks
    ]
    return Markup('<svg class="strip" height="14" aria-hidden="true">{}</svg>').format(Markup("").join(drawn))


def _step(top: float) -> float:
    """A round number, so that two of them reach the top."""
    if top <= 0:
        return 1.0
    step = 10.0 ** int(f"{top / 2:e}".split("e")[1])
    return next(step * by for by in (1, 2, 2.5, 5, 10) if step * by * 2 >= top)


def chart(
    label: str,
    lines: Sequence[Line],
    times: Sequence[str],
    *,
    unit: str = "",
    height: int = 168,
    top: float | None = None,
    form: Callable[[float], str] = "{:,.4g}".format,
) -> Markup:
    """A chart with an axis of times below.

    Args:
        label: a sentence that says what one sees.
        lines: the series, from back to front.
        times: a text for each bucket, of which a few are shown below.
        unit: what stands after each number.
        height: in pixels.
        top: the greatest value; None: that of the lines.
        form: how a number is written.
    """
    most = top if top is not None else max((v or 0 for line in lines for v in line.values), default=0)
    step, plot = _step(most), height - TOP - LOW
    out, marks = [], []
    for i in range(3):
        y = TOP + plot - plot * i / 2
        out.append(
            Markup('<line class="{}" x1="0" x2="100%" y1="{:.1f}" y2="{:.1f}"/>').format("gl" if i else "axis", y, y)
        )
        if i:
            marks.append(Markup('<text x="0" y="{:.1f}">{}{}</text>').format(y - 4, form(step * i), unit))
    out.append(
        Markup(
            '<svg x="0" y="{}" width="100%" height="{}" viewBox="0 0 1000 100" preserveAspectRatio="none" '
            'overflow="visible">'
        ).format(TOP, plot)
    )
    for line in lines:
        for path, area in _paths(line.values, step * 2):
            if line.area:
                out.append(Markup('<path class="ar {}" d="{}"/>').format(line.style, area))
            out.append(Markup('<path class="ln {}" d="{}"/>').format(line.style, path))
    out.append(Markup("</svg>"))
    # Above the lines, which would strike them through.
    out += marks
    out += _below(times, height)
    out += _hits(lines, times, plot, unit, form)
    return Markup('<svg class="chart" height="{}" role="img" aria-label="{}">{}</svg>').format(
        height, label, Markup("").join(out)
    )


def _below(times: Sequence[str], height: int) -> list[Markup]:
    last = len(times) - 1
    shown = sorted({round(last * i / 4) for i in range(5)}) if last > 0 else []
    ends = {0: "start", last: "end"}
    return [
        Markup('<text x="{:.2f}%" y="{}" text-anchor="{}">{}</text>').format(
            100 * i / last, height - 5, ends.get(i, "middle"), times[i]
        )
        for i in shown
    ]


def _hits(
    lines: Sequence[Line], times: Sequence[str], plot: int, unit: str, form: Callable[[float], str]
) -> list[Markup]:
    width = 100 / max(len(times), 1)
    found = []
    for i, at in enumerate(times):
        told = [(line.name, line.values[i]) for line in lines if i < len(line.values)]
        text = "\n".join([at, *(f"{name}: {NOTHING if v is None else form(v) + unit}" for name, v in told)])
        found.append(
            Markup('<rect class="hit" x="{:.2f}%" y="{}" width="{:.2f}%" height="{}"><title>{}</title></rect>').format(
                i * width, TOP, width, plot, text
            )
        )
    return found


GLOBALS: Final[dict[str, Any]] = {
    "spark": spark,
    "bars": bars,
    "meter": meter,
    "strip": strip,
    "timeline": timeline,
    "hours": hours,
    "chart": chart,
    "Line": Line,
}
