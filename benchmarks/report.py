"""The table, and the raw numbers."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.frame import Measured, Row

RESULTS = Path(__file__).parent / "results"
# Samples whose middle half lies further apart than this say little: the machine had other things to do.
NOISY = 0.3
VERDICTS = {True: "pass", False: "MISS", None: ""}
UNITS = {
    "jobs_s": "/s",
    "cpu_us_per_job": " µs",
    "first_tenth": "/s",
    "last_tenth": "/s",
    "median_ms": " ms",
    "p99_ms": " ms",
}


def table(measured: Iterable[Measured]) -> str:
    """Medians of what was measured in turns; ± is the middle half of the samples, ? that it is too wide to judge by."""
    head = ("what", "chancy", "±", "beside it", "±", "ratio", "target", "")
    lines: list[Sequence[str]] = [head]
    for one in measured:
        lines += [_line(row) for row in one.rows()]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
    text.insert(1, "─" * len(text[0]))
    return "\n".join(line.rstrip() for line in text)


def _line(row: Row) -> tuple[str, ...]:
    comparison = row.comparison
    return (
        comparison.what,
        _number(row.ours.median, comparison.metric),
        f"{row.ours.relative:.0%}",
        _number(row.base.median, comparison.baseline_metric or comparison.metric),
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
    return " or ".join(parts)


def _number(value: float, metric: str) -> str:
    unit = UNITS.get(metric, "")
    return f"{value:,.0f}{unit}" if unit == "/s" else f"{value:,.2f}{unit}"


def save(measured: Iterable[Measured], *, quick: bool, server: str) -> Path:
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
        "scenarios": {
            one.scenario.name: {
                "how": one.scenario.how,
                "samples": one.samples,
                "rows": [
                    {
                        "what": row.comparison.what,
                        "subject": row.comparison.subject,
                        "baseline": row.comparison.baseline,
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
