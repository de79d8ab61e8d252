"""`make chaos`: every fault, one after the other, and one table. `--help` says what it takes."""

from __future__ import annotations

import argparse
import asyncio
import fnmatch
import importlib
import json
import logging
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from chancy_core.testing.server import new_folder
from chaos.cluster import Cluster, Skipped, server_programs
from chaos.harness import play
from chaos.scenario import SCENARIOS, Result, Scenario

FAMILIES = (
    "connections",
    "servers",
    "failover",
    "refusals",
    "workers",
    "locks_and_space",
    "clocks",
    "poolers",
    "mixtures",
    "hosts",
    "hosts_failover",
)
COLUMNS = "{:<34} {:>6} {:>5} {:>6} {:>9} {:>7} {:>6} {:>14}  {}"
HEAD = COLUMNS.format("fault", "jobs", "lost", "twice", "ran, lost", "failed", "again", "back at work", "")
SAID_LINES = 60


def load_families() -> None:
    """Import every family, which registers its scenarios."""
    for family in FAMILIES:
        importlib.import_module(f"chaos.{family}")


def chosen(patterns: Sequence[str]) -> list[Scenario]:
    """The scenarios whose name or family fits one of the patterns; without patterns, all."""
    found = [
        each
        for each in SCENARIOS.values()
        if not patterns or any(fnmatch.fnmatch(each.name, pattern) or each.family == pattern for pattern in patterns)
    ]
    if not found:
        sys.exit(f"No scenario fits {' '.join(patterns)}. There are: {', '.join(SCENARIOS)}.")
    return found


def row(scenario: Scenario, result: Result) -> str:
    """One line of the table."""
    if result.skipped:
        return f"{scenario.name:<34} skipped: {result.skipped}"
    limit = f" of {result.within_s:g}" if result.within_s is not None else ""
    back = "-" if result.back_s is None else f"{result.back_s:.1f} s{limit}"
    verdict = "BAD: " + "; ".join(result.complaints()) if result.complaints() else "good"
    counts = (result.jobs, result.lost, result.twice, result.good_lost, result.failed, result.again)
    return COLUMNS.format(scenario.name, *counts, back, verdict)


async def played(scenario: Scenario, dsn: str, folder: Path, *, short: bool) -> Result:
    """The result of one scenario, whatever it raised."""
    try:
        return await play(scenario, dsn, folder, short=short)
    except Skipped as reason:
        return Result(skipped=str(reason))
    except Exception:
        return Result(wrong=[traceback.format_exc()])


def results(
    scenarios: Sequence[Scenario], dsn: str, folder: Path, *, short: bool, lanes: int
) -> Iterator[tuple[Scenario, Result]]:
    """Play some at a time, each in a thread with a loop of its own; they wait most of the time."""
    with ThreadPoolExecutor(lanes) as pool:
        going = {
            pool.submit(lambda each=each: asyncio.run(played(each, dsn, folder, short=short))): each
            for each in scenarios
        }
        for done in as_completed(going):
            yield going[done], done.result()


def main() -> int:
    """Play the scenarios that were asked for; 1 if a number is bad."""
    parser = argparse.ArgumentParser("make chaos", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="names, patterns, or families of faults")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--json", action="store_true", help="print one object for each fault instead of the table")
    parser.add_argument("--short", action="store_true", help="the short forms, as in the tests")
    parser.add_argument("--logs", action="store_true", help="show what the workers logged where something is bad")
    parser.add_argument("--lanes", type=int, default=2, metavar="N", help="so many faults at a time; 2 by default")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs, ledgers and servers")
    given = parser.parse_args()
    # Applications that push through a fault have much to say about it.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    load_families()
    scenarios = chosen(given.only)
    if given.list:
        for each in scenarios:
            sys.stdout.write(f"{each.name:<34} {each.sentence}\n")
        return 0
    folder = new_folder("chancy-chaos-")
    bad = 0
    with ExitStack() as stack:
        if given.keep:
            sys.stderr.write(f"Logs: {folder}\n")
        else:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = stack.enter_context(Cluster(folder / "common", server_programs(folder))).make()
        if not given.json:
            sys.stdout.write(f"{HEAD}\n")
        began = time.monotonic()
        for each, result in results(scenarios, server.dsn(), folder, short=given.short, lanes=given.lanes):
            complaints = result.complaints()
            bad += bool(complaints)
            if given.json:
                sys.stdout.write(json.dumps({"fault": each.name, "bad": complaints, **asdict(result)}) + "\n")
            else:
                sys.stdout.write(row(each, result) + "\n")
                if complaints and given.logs:
                    lines = result.said.splitlines()
                    sys.stdout.write("\n".join(f"    {line[:240]}" for line in lines[-SAID_LINES:]) + "\n")
            sys.stdout.flush()
        if not given.json:
            sys.stdout.write(f"{len(scenarios)} faults in {time.monotonic() - began:.0f} s, {bad} bad\n")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
