"""Three plots for the documentation: growth, snapshot, sustained."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from benchmarks.frame import Measured
from benchmarks.scenarios.growth import FILLS, WHAT

SIZE = (8.0, 4.0)
# The colour of what is ours; others are greys.
OURS = "#1f6feb"
GREYS = ("#57606a", "#8c959f", "#afb8c1", "#d0d7de")


def draw(measured: Sequence[Measured], folder: Path) -> Iterator[Path]:
    """Draw those of them that were measured; yields the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in measured:
        name = one.scenario.name
        if name in DRAWN and any(one.samples.values()):
            figure = DRAWN[name](one)
            path = folder / f"{name}.png"
            # Without the time and the version, so that the same picture is the same file.
            figure.savefig(path, dpi=110, metadata={"Software": None})
            plt.close(figure)
            yield path


def _growth(one: Measured) -> Any:
    """The pace beside so much, relative to the pace beside nothing, for each who was measured."""
    groups = [""] + [f"{name.removesuffix(', empty')}, " for name in one.samples if name.endswith(", empty")]
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    width = 0.8 / len(groups)
    for number, group in enumerate(groups):
        empty = _median(one, f"{group}empty")
        shares = [_median(one, f"{group}{name}") / empty for name in FILLS if name != "empty"]
        at = [place + (number - (len(groups) - 1) / 2) * width for place in range(len(shares))]
        color = OURS if not group else GREYS[(number - 1) % len(GREYS)]
        axes.bar(at, shares, width * 0.92, label=group.removesuffix(", ") or "this project", color=color)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(WHAT)), [WHAT[name] for name in FILLS if name != "empty"])
    axes.set_ylabel("pace / pace on empty tables")
    axes.set_title("A drain beside a million jobs that are …")
    axes.legend(frameon=False, ncols=len(groups), loc="upper center", bbox_to_anchor=(0.5, -0.1))
    return figure


def _median(one: Measured, subject: str) -> float:
    return statistics.median(one.values(subject, "jobs_s"))


def _snapshot(one: Measured) -> Any:
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    labels = {"none": ("no snapshot", GREYS[1]), "snapshot": ("another session holds a snapshot", OURS)}
    for name, (label, color) in labels.items():
        done, pace = zip(*one.scenario.series[name], strict=True)
        axes.plot(done, pace, label=label, color=color)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("jobs finished")
    axes.set_ylabel("jobs a second")
    axes.set_title("A drain while vacuum can remove nothing")
    axes.legend(frameon=False)
    return figure


def _sustained(one: Measured) -> Any:
    figure, (delays, sizes) = plt.subplots(2, 1, figsize=(8.0, 5.0), sharex=True, layout="constrained")
    at, jobs_s, median, p99, size = zip(*one.scenario.series["chancy"], strict=True)
    delays.plot(at, p99, label="p99", color=OURS)
    delays.plot(at, median, label="median", color=GREYS[1])
    delays.set_ylim(bottom=0)
    delays.set_ylabel("push to start, ms")
    delays.set_title(f"Pushed and run at once, {statistics.median(jobs_s):,.0f} jobs a second")
    delays.legend(frameon=False)
    sizes.plot(at, size, color=OURS)
    sizes.set_ylim(bottom=0)
    sizes.set_ylabel("live table, MB")
    sizes.set_xlabel("seconds")
    return figure


DRAWN: dict[str, Callable[[Measured], Any]] = {"growth": _growth, "snapshot": _snapshot, "sustained": _sustained}
