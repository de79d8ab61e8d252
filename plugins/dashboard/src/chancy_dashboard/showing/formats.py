"""Numbers, times and names as people read them: the filters of all templates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup, escape

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
# Below this, the next smaller unit is worth reading.
FEW: Final = 10
NOTHING: Final = "\N{EN DASH}"
_BREAKS: Final = re.compile(r"([._/@:-])")


def dur(seconds: float | None) -> str:
    """A duration: `40 ms`, `8.4 s`, `31 min`, `5 h 12 min`, `3 d`."""
    if seconds is None:
        return NOTHING
    s = abs(seconds)
    if s < 1:
        return f"{s * 1000:.0f} ms" if s else "0 s"
    if s < MINUTE:
        return f"{s:.1f} s" if s < FEW and s != int(s) else f"{s:.0f} s"
    for unit, name, small, small_name in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s")):
        if s >= unit:
            whole, rest = divmod(int(s), unit)
            less = rest // small
            return f"{whole} {name}" + (f" {less} {small_name}" if whole < FEW and less else "")
    return NOTHING


def when(at: datetime | None, *, exact: bool = False) -> Markup:
    """A moment: how long ago for reading, and exactly for whoever wants to know."""
    if at is None:
        return escape(NOTHING)
    delta = (datetime.now(UTC) - at).total_seconds()
    full = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    ago = "now" if abs(delta) < 1 else f"{dur(int(delta))} ago" if delta >= 0 else f"in {dur(int(-delta))}"
    shown = full[11:19] if exact else ago
    return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(
        at.isoformat(), full, Markup("") if exact else Markup(' data-ago=""'), shown
    )


def num(value: float | None) -> str:
    """A number with its thousands apart."""
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def rate(value: float | None) -> str:
    """So many a second."""
    if value is None:
        return NOTHING
    if not value:
        return "0"
    return f"{value:.2f}" if value < 0.1 else f"{value:.1f}" if value < FEW else f"{value:,.0f}"  # noqa: PLR2004


def percent(share: float | None) -> str:
    """A share, as `2.1`; the sign stands beside it."""
    if share is None:
        return NOTHING
    value = share * 100
    return "0" if not value else f"{value:.2f}" if value < 0.1 else f"{value:.1f}" if value < FEW else f"{value:.0f}"  # noqa: PLR2004


def size(count: float | None) -> str:
    """Bytes: `412 MiB`."""
    if count is None:
        return NOTHING
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:  # noqa: PLR2004 -- how the units are defined
            return f"{value:.0f} {unit}" if value >= FEW or unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def wbr(text: object) -> Markup:
    """A name that may be broken at its dots."""
    return Markup("").join(
        Markup("{}<wbr>").format(part) if _BREAKS.fullmatch(part) else escape(part) for part in _BREAKS.split(str(text))
    )


def some(count: int, one: str, many: str | None = None) -> str:
    """`1 job`, `3 jobs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def few(findings: list[dict[str, Any]], most: int = 5) -> list[tuple[dict[str, Any], int]]:
    """The first findings of each kind, in their order; with the last of them, how many more there are."""
    counts, placed = Counter(one["id"] for one in findings), Counter[str]()
    shown = []
    for one in findings:
        placed[one["id"]] += 1
        if placed[one["id"]] <= most:
            shown.append((one, max(counts[one["id"]] - most, 0) if placed[one["id"]] == most else 0))
    return shown


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "dur": dur,
    "when": when,
    "num": num,
    "rate": rate,
    "percent": percent,
    "size": size,
    "wbr": wbr,
    "some": some,
    "few": few,
}
