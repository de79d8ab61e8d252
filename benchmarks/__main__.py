"""`python -m benchmarks`: measure, print the tables, keep the raw numbers, draw the plots."""

from __future__ import annotations

import argparse
import asyncio
import compileall
import importlib
import re
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.database import Bench, server
from benchmarks.frame import Measured, measure
from benchmarks.peers.catalog import EVERY, catalog

QUICK = (
    "drain",
    "plugins",
    "ends",
    "workers",
    "snapshot",
    "growth",
    "bulk_push",
    "push_calls",
    "many_pushers",
    "single_push",
    "start",
)
SCENARIOS = (
    *QUICK,
    "unique_push",
    "payloads",
    "waits",
    "many_queues",
    "schedules",
    "find",
    "act",
    "drained_tests",
    "workflows",
    "dashboard",
    "executors",
    "threads",
    "processes",
    "failing",
    "cost",
    "footprint",
    "idle",
    "prune",
    "sustained",
)
# Enough for a glance, and little to wait for.
QUICK_PEERS = ("pgqueuer",)


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    scenarios: tuple[str, ...]
    peers: tuple[str, ...]
    quick: bool
    repeats: int | None
    sustained_s: float
    plots: Path | None


def options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"only these, of: {', '.join(SCENARIOS)}")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, under three minutes")
    parser.add_argument("--repeats", type=int, help="how often each is measured")
    parser.add_argument("--peers", help=f"only these, of: {', '.join(EVERY)}; or none")
    parser.add_argument("--sustained-minutes", type=float, default=2.0, help="how long `sustained` takes")
    parser.add_argument("--plots", type=Path, help="draw plots of growth, snapshot and sustained into this folder")
    given = parser.parse_args(arguments)
    for what, names, known in (("scenario", given.scenarios, SCENARIOS), ("peer", _list(given.peers), EVERY)):
        if unknown := set(names) - set(known):
            parser.error(f"no such {what}: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return Options(
        scenarios=tuple(given.scenarios) or (QUICK if given.quick else SCENARIOS),
        peers=_list(given.peers) if given.peers else QUICK_PEERS if given.quick else EVERY,
        quick=given.quick,
        repeats=given.repeats,
        sustained_s=given.sustained_minutes * 60,
        plots=given.plots,
    )


def _list(names: str | None) -> tuple[str, ...]:
    return tuple(names.split(",")) if names and names != "none" else ()


def main() -> None:
    given = options(sys.argv[1:])
    _compile()
    with server() as dsn:
        asyncio.run(_run(dsn, given))


def _compile() -> None:
    """What pip does with what it installs, peers among it. This lies here as it was written."""
    for package in ("benchmarks", "chancy", "chancy_core"):
        for folder in importlib.import_module(package).__path__:
            # Not the environments of peers.
            compileall.compile_dir(folder, quiet=2, rx=re.compile(r"/\.peers/"))


async def _run(dsn: str, given: Options) -> None:
    start = time.monotonic()
    measured: list[Measured] = []
    failed: list[str] = []
    _progress("peers")
    async with catalog(given.peers) as peers, Bench.opened(dsn, peers, quick=given.quick) as bench:
        bench.sustained_s = given.sustained_s
        version = await bench.one("SHOW server_version")
        for name in given.scenarios:
            began = time.monotonic()
            scenario = importlib.import_module(f"benchmarks.scenarios.{name}").scenario(bench)
            try:
                measured.append(await measure(scenario, given.repeats, _progress))
            except Exception:  # noqa: BLE001 -- the others are still worth knowing
                failed.append(name)
                traceback.print_exc()
            _progress("")
            sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    print(report.text(measured, peers))
    path = report.save(measured, peers, quick=given.quick, server=version)
    print(f"PostgreSQL {version}, {time.monotonic() - start:.0f} s; every sample is in {path}")
    if given.plots:
        from benchmarks import plots  # noqa: PLC0415 -- only here is its library needed

        for drawn in plots.draw(measured, given.plots):
            print(f"Drawn: {drawn}")
    if failed:
        raise SystemExit(f"These broke: {', '.join(failed)}.")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
