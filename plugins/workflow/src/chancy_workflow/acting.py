"""What can be done to a run: send a signal, cancel it, retry it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

from chancy.plugin import check_json, check_text, nearest
from chancy_workflow.advancing import Moving, ReadyStep
from chancy_workflow.errors import InvalidWorkflow, RunState
from chancy_workflow.reading_runs import not_found, read_state
from chancy_workflow.steps import PATH_MOST
from chancy_workflow.work import Ask, Work

Mode: TypeAlias = Literal["failed", "below", "all"]
MODES: Final = get_args(Mode)
UNSUCCESSFUL: Final = frozenset({"failed", "cancelled", "expired", "skipped"})
REASON_MOST: Final = 500
CANCELLED: Final = "The run was cancelled."


def signal(id_: str, name: str, value: Any, *, own: bool) -> Work[None]:
    """Send a signal.

    Args:
        id_: the run.
        name: the step that waits for it, or will.
        value: JSON: the result of the step.
        own: whether the transaction ends right after this, so that the run may be locked. In a caller's it may last,
            and whatever ends a job of this run would wait for it: then a worker's next tick moves the run on.

    Raises:
        RunNotFound: there is no such run.
        InvalidWorkflow: no step waits for it; or the value is no JSON.
        RunState: the run, or the step, has ended; or the signal was sent before.
    """
    check_text("The name of the signal", name, most=PATH_MOST, error=InvalidWorkflow)
    check_json("The value of the signal", value, error=InvalidWorkflow)
    if own:
        yield Ask("lock_runs", {"runs": [id_]})
    rows = yield Ask("look_at_signal", {"run": id_, "name": name})
    if not rows:
        raise not_found(id_)
    state, n, kind, step, node, ended_at, sent_at = rows[0]
    if kind != "wait":
        waits = [known for (known,) in (yield Ask("find_waits", {"run": id_}))]
        raise InvalidWorkflow(
            f"No step {name!r:.120} of run {id_} waits for a signal.{nearest(str(name), waits)} Those that do: "
            f"{', '.join(waits) or 'none'}."
        )
    _check_open(id_, name, state, step, ended_at)
    added = yield Ask("add_signal", {"run": id_, "name": name, "value": json.dumps(value)})
    if not added:
        raise RunState(f"The signal {name!r} was sent to run {id_} before{_at(sent_at)}, and a signal is sent once.")
    if own and step == "open":
        yield from Moving().ready([ReadyStep(id_, n, "wait", None, name, json.loads(node))]).go()


def _check_open(id_: str, name: str, state: str, step: str, ended_at: datetime | None) -> None:
    if step in ("waiting", "open") and state == "running":
        return
    if step in ("waiting", "open"):
        raise RunState(f"Run {id_} has {state}: nobody waits for the signal {name!r} any more.")
    why = {"succeeded": "has come", "expired": "was waited for until its time-out"}.get(
        step, f"is of a step that was {step}"
    )
    raise RunState(f"The signal {name!r} of run {id_} {why}{_at(ended_at)}: nobody waits for it any more.")


def _at(moment: datetime | None) -> str:
    return "" if moment is None else f", at {moment:%Y-%m-%d %H:%M:%S %Z}"


def cancel(id_: str, reason: str | None, *, handlers: bool) -> Work[bool]:
    """Stop a run; its jobs are to be cancelled after the commit.

    Returns:
        Whether it was under way.

    Raises:
        RunNotFound: there is no such run.
        InvalidWorkflow: the reason is no text that can be stored.
    """
    note = _note(reason)
    yield Ask("lock_runs", {"runs": [id_]})
    if (yield from read_state(id_)) != "running":
        return False
    moving = Moving()
    yield from moving.stop(id_, None, "cancel" if handlers else "now", note)
    yield from moving.go()
    return True


def _note(reason: object) -> str:
    """A reason as it is kept: the note of the run, and the reason for which its jobs are cancelled."""
    if reason is None:
        return CANCELLED
    if not isinstance(reason, str):
        raise InvalidWorkflow(f"reason is {reason!r:.80}: give a text.")
    if "\x00" in reason:
        raise InvalidWorkflow(f"reason is {reason!r:.80}: PostgreSQL stores no NUL character; leave it out.")
    return reason.encode(errors="replace").decode().strip()[:REASON_MOST].rstrip() or CANCELLED


def retry(id_: str, mode: str, from_: str | None) -> Work[int]:
    """Let steps of a run that has ended run again.

    Returns:
        Which attempt this is.

    Raises:
        RunNotFound: there is no such run.
        RunState: it still runs; nothing failed; or its unique key is taken by another run.
        InvalidWorkflow: there is no such mode, or no such step.
    """
    if mode not in MODES:
        raise InvalidWorkflow(f"mode is {mode!r:.60}: give one of {', '.join(MODES)}; or from_, with a step's name.")
    yield Ask("lock_runs", {"runs": [id_]})
    rows = yield Ask("read_run", {"run": id_})
    if not rows:
        raise not_found(id_)
    _, _, state, unique_key, _, _, attempt, *_ = rows[0]
    if state == "running":
        raise RunState(f"Run {id_} is under way: wait until it has ended, or cancel it, before it is retried.")
    if unique_key is not None:
        taken = yield Ask("find_by_key", {"unique_key": unique_key})
        if taken:
            raise RunState(
                f"Run {id_} cannot be retried while {taken[0][0]} is under way: both have the key {unique_key!r}."
            )
    graph = Graph((yield Ask("read_graph", {"run": id_})), (yield Ask("read_edges", {"run": id_})))
    chosen = graph.chosen(mode, from_)
    if not chosen:
        raise RunState(f"Nothing of run {id_} failed, was cancelled or was skipped: mode='all' runs all of it again.")
    yield from _reset(id_, graph, chosen, attempt, mode if from_ is None else f"from {from_}")
    return int(attempt) + 1


def _reset(id_: str, graph: Graph, chosen: set[int], attempt: int, mode: str) -> Work[None]:
    """Let the chosen steps wait anew, and begin those that have nothing to wait for."""
    go_on: dict[int, int] = {}
    for n in sorted(graph.keeps_parts(chosen)):
        count = len((yield Ask("reset_parts", {"run": id_, "map": n})))
        if count:
            go_on[n] = count
    anew = [n for n in chosen if graph.kinds[n] == "map" and n not in go_on]
    if anew:
        yield Ask("drop_parts", {"run": id_, "maps": anew})
    steps = [
        {
            "n": n,
            "state": "open" if n in go_on else "waiting",
            "need": go_on.get(n, len(graph.parents.get(n, ()))),
        }
        for n in sorted(chosen)
    ]
    yield Ask("reset_steps", {"run": id_, "steps": json.dumps(steps), "attempt": attempt})
    yield Ask("restart_run", {"run": id_, "unended": len(chosen), "mode": mode})
    moving = Moving()
    for n, count in go_on.items():
        most = graph.most[n] or count
        moving.parts(id_, n, sorted((yield Ask("next_parts", {"run": id_, "map": n, "count": min(most, count)}))))
    first = [n for n in chosen if n not in go_on and not graph.parents.get(n)]
    moving.ready(
        ReadyStep(id_, n, graph.kinds[n], graph.scopes[n], graph.names[n], graph.nodes[n]) for n in sorted(first)
    )
    before = {parent for n in chosen - set(go_on) for parent in graph.parents.get(n, ())} - chosen
    yield from moving.go_after(id_, {n: graph.states[n] for n in sorted(before)})


class Graph:
    """The steps of a run, and which of them come after which."""

    def __init__(self, steps: Sequence[Sequence[Any]], edges: Iterable[tuple[int, int, str]]) -> None:
        self.names = {row[0]: row[1] for row in steps}
        self.kinds = {row[0]: row[2] for row in steps}
        self.states = {row[0]: row[3] for row in steps}
        self.scopes = {row[0]: row[4] for row in steps}
        self.most = {row[0]: row[5] for row in steps}
        self.nodes = {row[0]: json.loads(row[6]) for row in steps}
        self.parents: dict[int, list[int]] = {}
        self.children: dict[int, list[int]] = {}
        for parent, child, _ in edges:
            self.parents.setdefault(child, []).append(parent)
            self.children.setdefault(parent, []).append(child)

    def chosen(self, mode: str, from_: str | None) -> set[int]:
        """The steps that are to run again. Raises InvalidWorkflow if there is no step of that name."""
        if from_ is not None:
            names = {name: n for n, name in self.names.items()}
            if from_ not in names:
                raise InvalidWorkflow(f"The run has no step {from_!r:.120}.{nearest(str(from_), names)}")
            return self._closed(self._below(self._inside(names[from_])))
        if mode == "all":
            return set(self.names)
        found = {n for n, state in self.states.items() if state in UNSUCCESSFUL}
        if not any(self.states[n] != "skipped" for n in found) and mode != "all":
            return set()
        if mode == "below":
            found |= self._below({n for n in found if self.states[n] != "skipped"})
        return self._closed(found)

    def keeps_parts(self, chosen: set[int]) -> list[int]:
        """The maps of which only those parts run again that did not succeed: what they go over stays as it is."""
        return [
            n
            for n in chosen
            if self.kinds[n] == "map"
            and self.states[n] in ("failed", "cancelled")
            and not any(parent in chosen for parent in self.parents.get(n, ()))
        ]

    def _inside(self, n: int) -> set[int]:
        """A step; of an included workflow, all of its steps too."""
        found = {n}
        # A step is stored before the group that it belongs to, and groups before those that they belong to.
        for other in sorted(self.scopes, reverse=True):
            if self.scopes[other] in found:
                found.add(other)
        return found

    def _below(self, steps: set[int]) -> set[int]:
        found, left = set(steps), list(steps)
        while left:
            for child in self.children.get(left.pop(), ()):
                if child not in found:
                    found.add(child)
                    left.append(child)
        return found

    def _closed(self, steps: set[int]) -> set[int]:
        """These, and the included workflows that they belong to."""
        found = set(steps)
        for n in steps:
            scope = self.scopes[n]
            while scope is not None and scope not in found:
                found.add(scope)
                scope = self.scopes[scope]
        return found
