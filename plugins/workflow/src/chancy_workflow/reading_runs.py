"""Look at runs."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import UUID

from chancy_workflow.errors import RunNotFound
from chancy_workflow.status import ENDED, RunStatus, StepStatus
from chancy_workflow.work import Ask, Work, grouped

LIST_MOST: Final = 10_000


def run_id(given: object) -> str:
    """The id of a run as text. Raises RunNotFound if that is none."""
    try:
        return str(given if isinstance(given, UUID) else UUID(str(given)))
    except ValueError:
        raise RunNotFound(f"{given!r:.80} is not the id of a run: give a UUID, or the text of one.") from None


def not_found(id_: str) -> RunNotFound:
    """There is no such run."""
    return RunNotFound(
        f"There is no run {id_}: its push has not been committed, or it has ended and been deleted since. Those that "
        "there are: chancy workflow list"
    )


def read_status(id_: str, *, results: bool) -> Work[RunStatus]:
    """A run with its steps. Raises RunNotFound."""
    rows = yield Ask("read_run", {"run": id_})
    if not rows:
        raise not_found(id_)
    id_text, name, state, unique_key, stopping, note, attempt, past, created_at, ended_at, _ = rows[0]
    steps = yield Ask("read_steps", {"run": id_, "results": results})
    edges = grouped((yield Ask("read_edges", {"run": id_})), 1)
    parts = grouped((yield Ask("count_parts", {"run": id_})), 0)
    names = {row[0]: row[1] for row in steps}
    states = {row[0]: row[3] for row in steps}
    found = {}
    for row in steps:
        after = {parent: on_end for parent, _, on_end in edges.get(row[0], ()) if on_end != "within"}
        inside = [parent for parent, _, on_end in edges.get(row[0], ()) if on_end == "within"]
        found[row[1]] = StepStatus(
            name=row[1],
            kind=row[2],
            state=row[3],
            job_id=None if row[4] is None else UUID(row[4]),
            note=row[5],
            after={names[parent]: on_end for parent, on_end in after.items()},
            waits_for=[names[parent] for parent in [*after, *inside] if states[parent] not in ENDED]
            if row[3] == "waiting"
            else [],
            begun_at=row[6],
            due_at=row[7],
            ended_at=row[8],
            parts={state: count for _, state, count in parts.get(row[0], ())},
            past=json.loads(row[9]) if row[9] else [],
            result=None if row[10] is None else json.loads(row[10]),
        )
    return RunStatus(
        id=UUID(id_text),
        name=name,
        state=state,
        unique_key=unique_key,
        stopping=stopping,
        note=note,
        attempt=attempt,
        past=json.loads(past) if past else [],
        created_at=created_at,
        ended_at=ended_at,
        steps=found,
    )


def read_state(id_: str) -> Work[str]:
    """The state of a run. Raises RunNotFound."""
    rows = yield Ask("read_run", {"run": id_})
    if not rows:
        raise not_found(id_)
    state: str = rows[0][2]
    return state


def read_result(id_: str, name: str) -> Work[Any]:
    """What a step of a run returned: (whether there is such a step, its state, the result)."""
    rows = yield Ask("find_step", {"run": id_, "name": name})
    if not rows:
        return None
    n, state = rows[0]
    ((_, _, text, _),) = yield Ask("read_results", {"steps": json.dumps([{"run": id_, "n": n}])})
    return state, None if text is None else json.loads(text)


def read_part_results(id_: str, name: str, after: int, limit: int) -> Work[list[tuple[int, Any]]]:
    """The next results of the parts of a map, in order: (number, result) each."""
    rows = yield Ask("read_part_results", {"run": id_, "name": name, "after": after, "limit": limit})
    return [(n, None if text is None else json.loads(text)) for n, text in rows]


def list_runs(*, name: str | None, state: str | None, limit: int) -> Work[list[dict[str, Any]]]:
    """Runs, the newest first."""
    rows = yield Ask("list_runs", {"name": name, "state": state, "limit": limit})
    keys = (
        "id",
        "name",
        "state",
        "unique_key",
        "stopping",
        "note",
        "attempt",
        "size",
        "unended",
        "created_at",
        "ended_at",
    )
    return [dict(zip(keys, row, strict=True)) for row in rows]
