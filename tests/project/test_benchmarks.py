"""The frame of the benchmarks: its protocol, what it counts, and what it makes of samples. Nothing is timed."""

from __future__ import annotations

import importlib
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psycopg
import pytest

from benchmarks import peering, report
from benchmarks.__main__ import EVERY, SCENARIOS, options
from benchmarks.frame import Comparison, Quantity, Scenario, measure
from benchmarks.metering import proxy
from benchmarks.peers.catalog import Catalog, Peer
from benchmarks.peers.environments import PeerUnavailableError, environment

# A queue in a folder: a file a job.
DRIVER = """
import asyncio, contextlib, pathlib

class Producer:
    def __init__(self, folder):
        self.folder = folder
    def jobs(self, numbers):
        return list(numbers)
    async def push(self, n, pushed_at):
        path = self.folder / f"{n}.new"
        path.write_text(str(pushed_at))
        path.rename(path.with_suffix(".job"))
    async def push_many(self, jobs):
        for n in jobs:
            await self.push(n, 0.0)
    async def left(self):
        return len(list(self.folder.glob("*.job")))
    async def clear(self):
        for path in self.folder.glob("*.job"):
            path.unlink()

@contextlib.asynccontextmanager
async def producer(dsn):
    yield Producer(pathlib.Path(dsn))

@contextlib.asynccontextmanager
async def worker(dsn, concurrency):
    from peer_run import begin
    async def work():
        while True:
            for path in pathlib.Path(dsn).glob("*.job"):
                pushed_at = float(path.read_text())
                path.unlink()
                begin(pushed_at)
                await asyncio.sleep(0)
            await asyncio.sleep(0.001)
    task = asyncio.create_task(work())
    yield
    task.cancel()
"""


@pytest.fixture
def peer(tmp_path: Path) -> Peer:
    (tmp_path / "fake.py").write_text(DRIVER)
    (tmp_path / "jobs").mkdir()
    constants: Any = SimpleNamespace(NAME="fake 1.0", JOBS=50, HOW="a folder", PACKAGES=("fake==1.0",))
    return Peer(str(tmp_path / "fake"), constants, Path(sys.executable), redis=str(tmp_path / "jobs"))


async def test_a_peer_is_drained_pushed_to_and_timed_by_one_protocol(peer: Peer) -> None:
    """A driver that keeps to the protocol is measured in everything that scenarios ask of peers."""
    bench: Any = SimpleNamespace(peers=Catalog(on_redis=[peer]))

    async def pause() -> None:
        """As short as can be."""

    drained = await peering.drain(bench, peer)
    assert drained["jobs_s"] > 0
    assert drained["cpu_us_per_job"] > 0
    for command in ("bulk 50", "single 50", "many 50 5"):
        assert (await peering.pushes(bench, peer, command, 50))["jobs_s"] > 0
    delays_s = await peering.starts(bench, peer, 3, 2, pause)
    assert len(delays_s) == 3
    assert all(delay_s > 0 for delay_s in delays_s)


async def test_a_peer_that_cannot_be_installed_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip refuses ends in the report with the reason, not in a broken run."""
    monkeypatch.setattr("benchmarks.peers.environments.CACHE", tmp_path)
    monkeypatch.setattr("venv.create", lambda *_, **__: None)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no such package' >&2; exit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr("benchmarks.peers.environments.python_of", lambda _: python)
    with pytest.raises(PeerUnavailableError, match="no such package"):
        await environment("nothing", ["nothing==0"])
    missing = Catalog(missing={"nothing 0": "no such package"})
    assert "not measured: nothing 0: no such package" in report.text([], missing)


async def test_the_proxy_counts_one_round_trip_a_statement(dsn: str, tmp_path: Path) -> None:
    """Statements that wait for each other are as many round trips; a pipeline of them is one."""
    async with proxy(dsn, tmp_path) as through:
        parts = psycopg.conninfo.conninfo_to_dict(dsn)
        asked = {"user": parts["user"], "dbname": parts["dbname"], "port": parts.get("port", 5432)}
        async with await psycopg.AsyncConnection.connect(
            host=str(tmp_path), sslmode="disable", gssencmode="disable", autocommit=True, **asked
        ) as connection:
            before = through.round_trips
            for _ in range(3):
                await connection.execute("SELECT 1")
            assert through.round_trips == before + 3
            async with connection.pipeline():
                for _ in range(20):
                    await connection.execute("SELECT 1")
            assert through.round_trips - before - 3 < 20


async def test_the_best_of_several_is_what_we_are_measured_against(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row names the best peer, a missing one makes no row, a table of quantities judges, and all of it is kept."""

    def subject(jobs_s: float, cost: float) -> Any:
        async def sample() -> dict[str, float]:
            return {"jobs_s": jobs_s, "cost": cost}

        return sample

    scenario = Scenario(
        name="made_up",
        how="not at all",
        subjects={"chancy": subject(40.0, 1.0), "slow": subject(10.0, 3.0), "fast": subject(20.0, 2.0)},
        comparisons=[
            Comparison("pace / best", "chancy", ["slow", "fast", "absent"], at_least=2.0),
            Comparison("cost / best", "chancy", ["slow", "fast"], "cost", at_most=0.1),
            Comparison("cost", "chancy", "slow", "cost", within=0.5),
            Comparison("pace / absent", "chancy", "absent"),
        ],
        repeats=4,
        every={"slow": 2},
        around=nullcontext(),
        quantities=[Quantity("cost", "cost"), Quantity("nobody knows", "unknown")],
        series={"chancy": [(0.0, 1.0)]},
    )
    measured = await measure(scenario, None, lambda _: None)
    assert [len(samples) for samples in measured.samples.values()] == [4, 2, 4]
    rows = {row.comparison.what: row for row in measured.rows()}
    assert {what: (row.beside, row.passed) for what, row in rows.items()} == {
        "pace / best": ("fast", True),
        "cost / best": ("fast", False),
        "cost": ("slow", False),
    }
    text = report.text([measured], Catalog())
    assert "made_up (median of 4)" in text
    assert "MISS" in text
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert '"series"' in report.save([measured], Catalog(), quick=True, server="18").read_text()


def test_the_command_line_takes_scenarios_and_peers(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is measured by default, a part if named, and an unknown name is answered with those there are."""
    assert options([]).scenarios == SCENARIOS
    assert options([]).peers == EVERY
    assert options(["drain", "--peers", "awa"]).peers == ("awa",)
    assert options(["--peers", "none"]).peers == ()
    assert options(["--sustained-minutes", "10"]).sustained_s == 600
    with pytest.raises(SystemExit):
        options(["drian"])
    assert "there are drain" in capsys.readouterr().err


def test_every_driver_pins_what_it_needs() -> None:
    """Peers are measured at versions that the report can name."""
    for name in EVERY:
        driver: ModuleType = importlib.import_module(f"benchmarks.peers.{name}")
        assert all("==" in package for package in driver.PACKAGES)
        assert driver.NAME
        assert driver.HOW
