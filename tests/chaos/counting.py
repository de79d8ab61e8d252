"""What is left of the jobs, by the database and by the ledger that they wrote outside of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chaos.scenario import Result
from chaos.workerprocess import WorkerProcess


class Run(NamedTuple):
    """A line of the ledger: a run began, or ran to its end."""

    what: str
    job: str
    claims: int
    attempt: int
    worker: str


def read(ledger: Path) -> list[Run]:
    """All lines of a ledger, in order."""
    found = []
    for line in ledger.read_text().splitlines():
        what, job, claims, attempt, worker, _ = line.split()
        found.append(Run(what, job, int(claims), int(attempt), worker))
    return found


async def count(
    rows: Callable[[str], Awaitable[list[tuple[Any, ...]]]],
    stored: set[str],
    runs: Sequence[Run],
    workers: Sequence[WorkerProcess],
) -> Result:
    """Count.

    Args:
        rows: asks the database.
        stored: the tokens of the jobs that somebody was told are stored.
        runs: the ledger.
        workers: those that were written off are blamed for nothing.
    """
    finished = await rows("SELECT id::text, kwargs->>'token', state, worker, errors FROM {s}.finished_jobs")
    live = await rows("SELECT id::text, kwargs->>'token' FROM {s}.jobs")
    result = Result(jobs=len(stored), lost=len(stored - {row[1] for row in finished}))
    ids = Counter(row[0] for row in (*finished, *live))
    per_token = Counter(token for _, token in {(row[0], row[1]) for row in (*finished, *live)})
    result.twice = ids.total() - len(ids) + per_token.total() - len(per_token)
    result.again = sum(number > 1 for number in Counter(run.job for run in runs if run.what == "ran").values())
    written_off = {worker.tag for worker in workers if worker.written_off}
    good = {(run.job, run.attempt, run.worker) for run in runs if run.what == "ran"}
    for id_, _, state, _, errors in finished:
        blamed = [error for error in errors or () if (error["worker"] or "").partition(".")[0] not in written_off]
        lost = sum((id_, error["attempt"], error["worker"]) in good for error in blamed)
        result.good_lost += lost
        if not lost and (blamed or (state != "succeeded" and not errors)):
            result.failed += 1
    return result
