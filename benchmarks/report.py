"""The table, and the raw numbers."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.frame import Measured, Quantity, Row, Spread
from benchmarks.peers.catalog import Catalog

RESULTS = Path(__file__).parent / "results"
# Samples whose middle half lies further apart than this say little: the machine had other things to do.
NOISY = 0.3
VERDICTS = {True: "pass", False: "MISS", None: ""}
UNITS = {
    **dict.fromkeys(("jobs_s", "first_tenth", "last_tenth", "statements_s"), "/s"),
    **dict.fromkeys(
        ("median_ms", "p99_ms", "last_p99_ms", "second_p99_ms", "import_ms", "first_ms", "prune_ms"), " ms"
    ),
    **dict.fromkeys(("memory_mb", "last_size_mb", "quarter_size_mb"), " MB"),
    "cpu_us_per_job": " µs",
    "wal_bytes": " B",
}


# How our own measurements are called among those of peers.
OURS = "chancy"


def text(measured: Sequence[Measured], peers: Catalog) -> str:
    """All tables, what they mean, and who was not there."""
    parts = [table(measured)]
    parts += [quantities(one) for one in measured if one.scenario.quantities]
    parts += ["\n".join(f"{one.scenario.name}: {one.scenario.how}" for one in measured)]
    if peers.everyone:
        parts += [
            "\n".join(f"{peer.label}: {peer.driver.HOW} ({', '.join(peer.driver.PACKAGES)})" for peer in peers.everyone)
        ]
    if peers.missing:
        parts += ["\n".join(f"not measured: {name}: {why}" for name, why in peers.missing.items())]
    return "\n\n".join(parts)


def table(measured: Iterable[Measured]) -> str:
    """Medians of what was measured in turns; ± is the middle half of the samples, ? that it is too wide to judge by."""
    head = ("what", OURS, "±", "beside it", "", "±", "ratio", "target", "")
    return _aligned([head, *(_line(row) for one in measured for row in one.rows())], left=(0, 4))


def quantities(one: Measured) -> str:
    """A table whose columns are the subjects of one scenario."""
    names = list(one.samples)
    head = (f"{one.scenario.name} (median of {max(map(len, one.samples.values()))})", *names, "")
    return _aligned([head, *(_quantity(one, quantity, names) for quantity in one.scenario.quantities)], left=(0,))


def _quantity(one: Measured, quantity: Quantity, names: Sequence[str]) -> Sequence[str]:
    found = {name: Spread.of(values).median for name in names if (values := one.values(name, quantity.metric))}
    fields = [
        f"{found[name]:,.3g}" if name in found and found[name] < 100 else f"{found[name]:,.0f}" if name in found else ""
        for name in names
    ]
    ours, *others = (found.get(name) for name in names)
    known = [other for other in others if other is not None]
    verdict = VERDICTS[ours <= min(known)] if quantity.judged and ours is not None and known else ""
    return (quantity.what, *fields, verdict)


def _aligned(lines: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    texts = [
        "  ".join(
            field.ljust(width) if column in left else field.rjust(width)
            for column, (field, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    texts.insert(1, "─" * max(map(len, texts)))
    return "\n".join(texts)


def _line(row: Row) -> tuple[str, ...]:
    comparison = row.comparison
    return (
        comparison.what,
        _number(row.ours.median, comparison.metric),
        f"{row.ours.relative:.0%}",
        _number(row.base.median, comparison.baseline_metric or comparison.metric),
        row.beside,
        f"{row.base.relative:.0%}",
        f"{row.ratio:.2f}",
        _target(row),
        VERDICTS[row.passed] + _doubt(row),
    )


def _doubt(row: Row) -> str:
    return "?" if row.passed is not None and max(row.ours.relative, row.base.relative) > NOISY else ""


def _target(row: Row) -> str:
    comparison = row.comparison
    parts = []
    if comparison.at_least is not None:
        parts.append(f"≥ {comparison.at_least:.2f}")
    if comparison.at_most is not None:
        parts.append(f"≤ {comparison.at_most:.2f}")
    if comparison.enough is not None:
        parts.append(f"{comparison.enough:,.0f}{UNITS.get(comparison.metric, '')}")
    if comparison.within is not None:
        parts.append(f"{comparison.within:,.0f}{UNITS.get(comparison.metric, '')}")
    return " or ".join(parts)


def _number(value: float, metric: str) -> str:
    unit = UNITS.get(metric, "")
    return f"{value:,.0f}{unit}" if unit == "/s" else f"{value:,.2f}{unit}"


def save(measured: Iterable[Measured], peers: Catalog, *, quick: bool, server: str) -> Path:
    """Write every sample, and what it was measured on, as JSON."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    found = {
        "quick": quick,
        "commit": _commit(),
        "python": platform.python_version(),
        "postgresql": server,
        "processors": os.cpu_count(),
        "load": os.getloadavg(),
        "peers": {peer.label: peer.driver.PACKAGES for peer in peers.everyone},
        "missing": peers.missing,
        "scenarios": {
            one.scenario.name: {
                "how": one.scenario.how,
                "samples": one.samples,
                "series": one.scenario.series,
                "rows": [
                    {
                        "what": row.comparison.what,
                        "subject": row.comparison.subject,
                        "baseline": row.beside,
                        "ratio": row.ratio,
                        "passed": row.passed,
                    }
                    for row in one.rows()
                ],
            }
            for one in measured
        },
    }
    path.write_text(json.dumps(found, indent=2), encoding="utf-8")
    return path


def _commit() -> str | None:
    try:
        command = ["git", "describe", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
