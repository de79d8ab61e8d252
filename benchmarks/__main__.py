"""`python -m benchmarks`: measure, print the table, keep the raw numbers."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
import time
import traceback

from benchmarks import report
from benchmarks.database import Bench, server
from benchmarks.frame import Measured, measure

SCENARIOS = ("drain", "plugins", "workers", "snapshot", "growth", "bulk_push", "many_pushers", "single_push", "start")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"only these, of: {', '.join(SCENARIOS)}")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, under three minutes")
    parser.add_argument("--repeats", type=int, help="how often each is measured")
    given = parser.parse_args()
    unknown = set(given.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    with server() as dsn:
        asyncio.run(_run(dsn, given.scenarios or SCENARIOS, quick=given.quick, repeats=given.repeats))


async def _run(dsn: str, names: list[str] | tuple[str, ...], *, quick: bool, repeats: int | None) -> None:
    start = time.monotonic()
    measured: list[Measured] = []
    failed: list[str] = []
    async with Bench.opened(dsn, quick=quick) as bench:
        version = await bench.one("SHOW server_version")
        for name in names:
            scenario = importlib.import_module(f"benchmarks.scenarios.{name}").scenario(bench)
            try:
                measured.append(await measure(scenario, repeats, _progress))
            except Exception:  # noqa: BLE001 -- the others are still worth knowing
                failed.append(name)
                traceback.print_exc()
    _progress("")
    print(report.table(measured))
    for one in measured:
        print(f"{one.scenario.name}: {one.scenario.how}")
    path = report.save(measured, quick=quick, server=version)
    print(f"PostgreSQL {version}, {time.monotonic() - start:.0f} s; every sample is in {path}")
    if failed:
        raise SystemExit(f"These broke: {', '.join(failed)}.")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
