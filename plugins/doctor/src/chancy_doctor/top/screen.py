"""A picture as a screen: the findings first, then queues, workers, failures and the server, cut to its height."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chancy_doctor.look import shown_s
from chancy_doctor.top.coming import Coming
from chancy_doctor.top.lately import Known
from chancy_doctor.top.picture import FailureRow, Picture, QueueRow, WorkerRow
from chancy_doctor.top.view import View

KEYS: Final = (
    ("↑ ↓", "choose a queue or a function"),
    ("s", "sort the queues by the next column"),
    ("/", "show only names that have some letters in them; Enter ends it, Esc undoes it"),
    ("p", "pause the chosen queue, or resume it"),
    ("r", "run the failed jobs of the chosen function again: asks first, with their number"),
    ("c", "cancel the waiting jobs of the chosen queue or function: asks first, with their number"),
    ("Esc", "stop what goes on with jobs"),
    ("space", "look now"),
    ("?", "these keys"),
    ("q", "end"),
)
FOOT: Final = "q end   ? keys   s sort   / filter   p pause/resume   r retry   c cancel"
COLUMNS: Final = "STATE", "WAIT", "OLDEST", "RUN/SLOTS", "IN/s", "OUT/s", "p95 WAIT", "FAIL 5m", "LIMIT", "DRAINS IN"
# Those that are left out where nothing is in them.
SPARED: Final = frozenset({"p95 WAIT", "FAIL 5m", "LIMIT", "DRAINS IN"})
SORTED: Final = {"waiting": "WAIT", "oldest": "OLDEST", "running": "RUN/SLOTS", "out": "OUT/s"}
# Lines that are there whatever else is: head, foot, and a heading and a blank line for each table.
FRAME_LINES: Final = 15


def screen(where: str, picture: Picture | None, view: View, *, lost: str = "", every_s: float, height: int) -> Group:
    """The screen.

    Args:
        where: what is looked at.
        picture: the last look; None: there has been none.
        view: what of it is shown.
        lost: why there is no newer one; empty: it is new.
        every_s: seconds between two looks; 0: it looks once, and heeds no keys.
        height: how many lines there are.
    """
    parts: list[RenderableType] = [_head(where, picture, every_s)]
    if lost:
        parts.append(Text(f"! {lost}", style="bold red"))
        if picture is not None:
            parts.append(Text("  What is below was seen before that.", style="red"))
    if view.help:
        return Group(*parts, Text(), *(Text(f"{key:>6}  {what}") for key, what in KEYS), Text(), _foot(view))
    if picture is not None:
        parts += _body(picture, view, max(height - FRAME_LINES, 6))
    return Group(*parts, *([Text(), _foot(view)] if every_s else []))


def _head(where: str, picture: Picture | None, every_s: float) -> Text:
    head = Text("chancy  ", style="bold").append(where, style="not bold")
    if picture is not None:
        count, missed = len(picture.slow.findings), picture.slow.missed
        if count:
            head.append(f"   ● {count} finding{'' if count == 1 else 's'}", style="red")
        else:
            head.append(*("   ● nothing was found", "yellow") if missed else ("   ● nothing is wrong", "green"))
        if missed:
            head.append(" (not all was looked at: the database is slow)")
    every = f"  every {every_s:g} s" if every_s else ""
    return head.append(f"   {datetime.now().astimezone():%H:%M:%S}{every}", style="dim")


def _foot(view: View) -> Text:
    if view.typing is not None:
        return Text(f"/{view.typing}▏", style="bold")
    if view.asking is not None:
        return Text(f"{view.asking} [y/n]", style="bold yellow")
    return Text(view.said or FOOT, style="dim" if not view.said else "bold")


def _body(picture: Picture, view: View, lines: int) -> list[RenderableType]:
    findings = picture.slow.findings[: max(lines // 4, 2)]
    parts: list[RenderableType] = []
    for one in findings:
        line = Text(" ! ", style="red" if one.severity == "error" else "yellow").append(one.what, style="not bold")
        parts.append(_cut(line))
        parts.append(_cut(Text(f"   → {one.fix}", style="bold")))
    left = max(lines - 2 * len(findings), 4)
    queues, failures = view.queues(picture), view.failures(picture)
    chosen = view.chosen
    # What is chosen is seen, wherever it is.
    first = max(0, min(chosen, len(queues) - 1) - max(left // 2, 3) + 1)
    shown = queues[first : first + max(left // 2, 3)]
    parts += [Text(), _queue_table(shown, picture.known, view.sort, chosen - first, len(queues) - len(shown))]
    workers = sorted(picture.workers, key=lambda row: (row.alive, -row.running))[: max(left // 3, 2)]
    parts += [Text(), _worker_table(workers, len(picture.workers) - len(workers))]
    if failures:
        parts += [Text(), _failure_table(failures[: max(left // 4, 2)], chosen - len(queues))]
    coming = _coming(picture.coming) if picture.coming is not None else None
    return [*parts, Text(), *([_cut(coming)] if coming is not None else []), _cut(_server(picture))]


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _queue_table(rows: list[QueueRow], known: Known | None, sort: str, chosen: int, more: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    cells = [_queue_cells(row, known) for row in rows]
    # A terminal has room for few columns: where nobody has a limit, say, there is none for limits.
    shown = [name for name in COLUMNS if name not in SPARED or any(each.get(name) for each in cells)]
    marked = SORTED.get(sort)
    table.add_column(f"QUEUE{f' (+{more})' if more else ''}", no_wrap=True)
    for name in shown:
        justify: Literal["left", "right"] = "left" if name in ("STATE", "LIMIT") else "right"
        table.add_column(f"{name}↓" if name == marked else name, justify=justify, no_wrap=True)
    for number, (row, each) in enumerate(zip(rows, cells, strict=True)):
        texts = [row.name, *(each.get(name, "") for name in shown)]
        table.add_row(*map(Text, texts), style="reverse" if number == chosen else "")
    return table


def _queue_cells(row: QueueRow, known: Known | None) -> dict[str, str]:
    lately = known.queues.get(row.name) if known is not None else None
    wait_p95_s, failing = lately if lately is not None else (None, None)
    return {
        "STATE": row.state,
        "WAIT": f"{row.waiting:,}{'+' if row.more else ''}",
        "OLDEST": "" if row.oldest_s is None else shown_s(row.oldest_s),
        "RUN/SLOTS": f"{row.running:,}" if row.slots is None else f"{row.running:,}/{row.slots:,}",
        "IN/s": "" if row.in_s is None else f"{row.in_s:,.1f}",
        "OUT/s": f"{row.out_s:,.1f}",
        "p95 WAIT": ""
        if wait_p95_s is None
        else f"{1000 * wait_p95_s:.0f} ms"
        if wait_p95_s < 1
        else shown_s(wait_p95_s),
        "FAIL 5m": "" if not failing else f"{failing:.0%}",
        "LIMIT": row.limit,
        "DRAINS IN": "" if row.drains_in_s is None else shown_s(row.drains_in_s),
    }


def _worker_table(rows: list[WorkerRow], more: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"WORKER{f' (+{more})' if more else ''}", no_wrap=True)
    for name in ("RUN", "SEEN", "LEADS"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("QUEUES", no_wrap=True, overflow="ellipsis", max_width=30)
    table.add_column("TROUBLE", no_wrap=True, overflow="ellipsis")
    for row in rows:
        seen = f"{shown_s(row.seen_s_ago)} ago" if row.alive else f"lost {shown_s(row.seen_s_ago)}"
        cells = [row.name, f"{row.running:,}", seen, "yes" if row.leads else "", " ".join(row.queues), row.trouble]
        table.add_row(*map(Text, cells), style="" if row.alive else "red")
    return table


def _failure_table(rows: list[FailureRow], chosen: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("FAILING", no_wrap=True)
    table.add_column("RUNS", justify="right", no_wrap=True)
    table.add_column("SHARE", justify="right", no_wrap=True)
    table.add_column("LAST ERROR", no_wrap=True, overflow="ellipsis")
    for number, row in enumerate(rows):
        error = " ".join(f"{row.error}: {row.message}".split())
        cells = [row.func, f"{row.failed:,}", f"{row.share:.0%}", error]
        table.add_row(*map(Text, cells), style="reverse" if number == chosen else "")
    return table


def _coming(coming: Coming) -> Text | None:
    """What fires next, and who leads; None: nobody knows of either."""
    fires = " · ".join(f"{one.name} {_moment(one.at)}{' (paused)' if one.paused else ''}" for one in coming.fires)
    more = f" and {coming.more:,} more" if fires and coming.more else ""
    parts = [
        *([f"NEXT      {fires}{more}"] if fires else []),
        *([f"LEADER {coming.leader} since {shown_s(coming.leads_s)}"] if coming.leader is not None else []),
    ]
    return Text("          ".join(parts)) if parts else None


def _moment(at: datetime) -> str:
    """A time of today, or of some day, by the clock of whoever looks."""
    here, now = at.astimezone(), datetime.now().astimezone()
    return f"{here:%H:%M}" if here.date() == now.date() else f"{here:%Y-%m-%d %H:%M}"


def _server(picture: Picture) -> Text:
    server = picture.server
    return Text(
        f"DATABASE  connections {server['connections']:,}/{server['connections_max']:,} · NOTIFY queue "
        f"{server['notify_share']:.0%} · age of transactions {server['frozen_age']:,}",
        style="dim",
    )
