"""How runs stand, as chancy-metrics shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chancy.plugin import Gauge
from chancy_workflow.work import Ask, Work, run

if TYPE_CHECKING:
    from chancy import Chancy

# As far as anything is counted: beyond, it is this many at least.
COUNT_MOST: Final = 10_000
RECENT_S: Final = 900.0
STATEMENT_MS: Final = 2000
ENDS: Final = ("succeeded", "failed", "cancelled")
QUANTILES: Final = ("0.5", "0.95", "0.99")


async def read(chancy: Chancy) -> list[Gauge]:
    """The gauges, in one statement that reads little, however many runs there are."""
    async with chancy.pool.connection() as connection, connection.transaction():
        running, oldest_s, ended, took_s, signals, signal_s = await run(chancy, connection, _read())
    return [
        _gauge("runs", "Runs that are under way, counted up to 10,000.", running),
        _gauge("oldest_run_seconds", "Since when the oldest run is under way; 0: there is none.", oldest_s),
        Gauge(
            name="chancy_workflow_runs_ended",
            text="Runs that ended in the last 15 minutes, by state, counted up to 10,000.",
            labels=("state",),
            values={(state,): ended.get(state, 0) for state in ENDS},
        ),
        Gauge(
            name="chancy_workflow_run_seconds",
            text="From the push to the end, of the runs that ended in the last 15 minutes.",
            labels=("quantile",),
            values={(name,): value for name, value in zip(QUANTILES, took_s or (), strict=False)},
        ),
        _gauge("signals_waited_for", "Steps that wait for their signals, counted up to 10,000.", signals),
        _gauge("oldest_signal_seconds", "For how long the first of them has waited; 0: there is none.", signal_s),
    ]


def _read() -> Work[Any]:
    yield Ask("limit_time", {"ms": str(STATEMENT_MS)})
    (row,) = yield Ask("read_gauges", {"recent_s": RECENT_S, "limit": COUNT_MOST})
    return row


def _gauge(name: str, text: str, value: float | None) -> Gauge:
    return Gauge(name=f"chancy_workflow_{name}", text=text, values={(): max(float(value or 0), 0.0)})
