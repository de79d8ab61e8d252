"""Move runs on: steps have ended, so others begin, or never will, and runs end.

Everything here happens in one transaction that has locked the runs. It goes round until nothing changes any more, which
is twice for most batches: what ended, and what that made of the steps after it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from chancy_workflow.beginning import push_steps
from chancy_workflow.work import Ask, Work

FAILED: Final = frozenset({"failed", "expired", "cancelled"})
NOTE_MOST: Final = 2000
# So many jobs are pushed in the transaction in which others end, which has five seconds; the next ticks push the rest.
PUSH_MOST: Final = 5000


class EndedStep(NamedTuple):
    """A step, or a part of a map, that has ended."""

    run: str
    n: int
    kind: str
    scope: int | None
    state: str


class EndedJob(NamedTuple):
    """A job that has ended.

    Attributes:
        id: the job.
        state: the state that its step has by that.
        note: what there is to say about it.
        at: when.
    """

    id: str
    state: str
    note: str | None
    at: datetime | None


class ReadyStep(NamedTuple):
    """A step whose turn it is.

    Attributes:
        node: the fields of its Node, with numbers for names; of a part of a map, its item.
    """

    run: str
    n: int
    kind: str
    scope: int | None
    name: str
    node: dict[str, Any]


class Moving:
    """One moving on of some runs, all of them locked."""

    def __init__(self) -> None:
        self._ended: list[EndedStep] = []
        self._ready: list[ReadyStep] = []
        self._to_push: list[ReadyStep] = []
        self._set: list[dict[str, Any]] = []
        self._pushed: list[tuple[str, int, UUID]] = []
        self._counts: Counter[str] = Counter()
        self._failing: set[str] = set()

    def ended(self, steps: Iterable[EndedStep]) -> Moving:
        """Begin with steps that have ended."""
        self._ended += steps
        return self

    def ready(self, steps: Iterable[ReadyStep]) -> Moving:
        """Begin with steps whose turn it is."""
        self._ready += steps
        return self

    def parts(self, run: str, scope: int, rows: Iterable[Sequence[Any]]) -> Moving:
        """Begin with parts of a map whose turn it is: (number, name, node) each."""
        self._to_push += [ReadyStep(run, n, "part", scope, name, json.loads(node)) for n, name, node in rows]
        return self

    def go_after(self, run: str, ended: Mapping[int, str]) -> Work[None]:
        """Go on; what comes after steps that have ended long ago counts these once more."""
        if ended:
            self._ready += yield from self._resolve([EndedStep(run, n, "", None, state) for n, state in ended.items()])
        yield from self.go()

    def go(self) -> Work[None]:
        """Go on until nothing changes."""
        while True:
            while self._ended or self._ready:
                yield from self._round()
            if self._failing:
                yield from self._stop()
            elif self._to_push:
                yield from self._push()
            else:
                break
        yield from self._store(counts=True)

    def _store(self, *, counts: bool) -> Work[None]:
        """Store which jobs were pushed, and how many steps have ended, if that is wanted."""
        pushed, self._pushed = self._pushed, []
        if pushed or (counts and self._counts):
            ended = [{"run": run, "steps": steps} for run, steps in sorted(self._counts.items()) if counts]
            runs, ns, jobs = (list(column) for column in zip(*pushed, strict=True)) if pushed else ([], [], [])
            yield Ask("end_runs", {"ended": json.dumps(ended), "runs": runs, "ns": ns, "jobs": jobs})

    def _round(self) -> Work[None]:
        ended, self._ended = self._ended, []
        ready, self._ready = self._ready, []
        steps = [one for one in ended if one.kind != "part"]
        self._counts.update(one.run for one in steps)
        self._failing.update(one.run for one in steps if one.state in FAILED)
        if len(steps) < len(ended):
            yield from self._parts([one for one in ended if one.kind == "part"])
        if steps:
            ready += yield from self._resolve(steps)
        yield from self._begin(ready)
        if self._set:
            given, self._set = self._set, []
            yield Ask("set_steps", {"steps": json.dumps(given)})

    def _resolve(self, ended: Sequence[EndedStep]) -> Work[list[ReadyStep]]:
        """What comes after these is ready, or skipped; the skipped count as ended here."""
        given = [{"run": one.run, "n": one.n, "state": one.state} for one in ended]
        ready = []
        for run, n, kind, scope, state, name, node in (yield Ask("resolve", {"ended": json.dumps(given)})):
            if state == "skipped":
                self._counts[run] += 1
            else:
                ready.append(ReadyStep(run, n, kind, scope, name, json.loads(node)))
        return ready

    def _begin(self, ready: Sequence[ReadyStep]) -> Work[None]:
        """Begin steps: those with jobs are pushed later, all at once."""
        waits = [one for one in ready if one.kind == "wait"]
        if waits:
            yield from self._wait(waits)
        for one in ready:
            if one.kind in ("job", "part"):
                self._to_push.append(one)
            elif one.kind == "gate":
                self._end(one, "succeeded")
            elif one.kind == "group":
                yield from self._end_group(one)
            elif one.kind == "map":
                yield from self._open_map(one)

    def _end(self, step: ReadyStep, state: str, *, result: Any = None, note: str | None = None) -> None:
        """A step without a job has ended; `result` is None, or JSON text."""
        self._set.append(_set(step.run, step.n, state, result=result, note=note))
        self._ended.append(EndedStep(step.run, step.n, step.kind, step.scope, state))

    def _wait(self, steps: Sequence[ReadyStep]) -> Work[None]:
        """Steps wait for their signals; those whose signals have come early have ended."""
        names = [{"run": one.run, "name": one.name} for one in steps]
        rows = yield Ask("take_signals", {"steps": json.dumps(names)})
        come = {(run, name): value for run, name, value in rows}
        for one in steps:
            if (one.run, one.name) in come:
                self._end(one, "succeeded", result=come[one.run, one.name])
            else:
                self._set.append(_set(one.run, one.n, "open", due_s=one.node.get("timeout_s")))

    def _end_group(self, step: ReadyStep) -> Work[None]:
        """All steps of an included workflow have ended."""
        ((failed, cancelled, begun, note),) = yield Ask("group_outcome", {"run": step.run, "group": step.n})
        if failed or cancelled:
            self._end(step, "failed" if failed else "cancelled", note=note)
        elif not begun:
            self._end(step, "skipped")
        else:
            result = problem = None
            if step.node.get("result") is not None:
                wanted = json.dumps([{"run": step.run, "n": step.node["result"]}])
                ((_, _, result, problem),) = yield Ask("read_results", {"steps": wanted})
            self._end(step, "succeeded", result=result, note=problem)

    def _open_map(self, step: ReadyStep) -> Work[None]:
        """Make the parts of a map."""
        items, problem = step.node.get("items"), None
        if items is None:
            wanted = json.dumps([{"run": step.run, "n": step.node["over"]}])
            ((_, _, text, problem),) = yield Ask("read_results", {"steps": wanted})
            items = json.loads(text) if text is not None else None
        problem = problem or _problem(items, step.node.get("argument"))
        if problem:
            self._end(step, "failed", note=problem)
            return
        if not items:
            self._end(step, "succeeded")
            return
        begin = min(step.node.get("max_in_flight") or len(items), len(items))
        rows = yield Ask(
            "add_parts",
            {"run": step.run, "map": step.n, "name": step.name, "items": json.dumps(items), "begin": begin},
        )
        self._set.append(_set(step.run, step.n, "open", need=len(items)))
        self.parts(step.run, step.n, rows)

    def _parts(self, parts: Sequence[EndedStep]) -> Work[None]:
        """Parts have ended: others of their maps begin, or the maps end."""
        counts = Counter((one.run, one.scope) for one in parts)
        given = [{"run": run, "n": scope, "parts": count} for (run, scope), count in sorted(counts.items())]
        for run, n, need, most, count in (yield Ask("end_parts", {"ended": json.dumps(given)})):
            if need == 0:
                yield from self._end_map(run, n)
            elif most is not None:
                rows = yield Ask("next_parts", {"run": run, "map": n, "count": count})
                self.parts(run, n, sorted(rows))

    def _end_map(self, run: str, n: int) -> Work[None]:
        ((failed, cancelled, count, note),) = yield Ask("map_outcome", {"run": run, "map": n})
        ((_, _, scope, name, node),) = yield Ask("read_nodes", {"steps": json.dumps([{"run": run, "n": n}])})
        step = ReadyStep(run, n, "map", scope, name, json.loads(node))
        if failed:
            self._end(step, "failed", note=f"{failed} of its {count} jobs failed; {note}")
        elif cancelled:
            self._end(step, "cancelled", note=f"{cancelled} of its {count} jobs were cancelled.")
        else:
            self._end(step, "succeeded")

    def _stop(self) -> Work[None]:
        """Stop what a failure stops."""
        runs, self._failing = sorted(self._failing), set()
        for run, scope, name in (yield Ask("find_stops", {"runs": runs})):
            yield from self.stop(run, scope, "failure", f"The step {name!r} failed.")

    def stop(self, run: str, scope: int | None, what: str, note: str | None) -> Work[None]:
        """Stop a run, or an included workflow of it. Jobs that were pushed are cancelled after the commit."""
        yield from self._store(counts=False)
        yield Ask("mark_stopping", {"run": run, "scope": scope, "what": what, "note": note})
        rows = yield Ask("stop_steps", {"run": run, "scope": scope, "handlers": what != "now"})
        gone = {n for n, _, _, state, _ in rows if state == "skipped"}
        self._to_push = [one for one in self._to_push if one.run != run or one.n not in gone]
        for n, kind, scope_of, state, need in sorted(rows, key=lambda row: row[0]):
            if kind == "map" and state == "open":
                if need == 0:
                    yield from self._end_map(run, n)
            elif kind != "part" and state in ("skipped", "cancelled"):
                self._ended.append(EndedStep(run, n, kind, scope_of, state))
        if self._set:
            given, self._set = self._set, []
            yield Ask("set_steps", {"steps": json.dumps(given)})

    def _push(self) -> Work[None]:
        """Push the jobs of the steps whose turn it is; what cannot be pushed has failed."""
        steps, later = self._to_push[:PUSH_MOST], self._to_push[PUSH_MOST:]
        self._to_push = []
        done = yield from push_steps(steps)
        given = [_set(one.run, one.n, "ready") for one in later]
        for step, (job_id, note) in zip(steps, done, strict=True):
            if job_id is None:
                given.append(_set(step.run, step.n, "failed", note=note))
                self._ended.append(EndedStep(step.run, step.n, step.kind, step.scope, "failed"))
            else:
                self._pushed.append((step.run, step.n, job_id))
        if given:
            yield Ask("set_steps", {"steps": json.dumps(given)})


def _set(run: str, n: int, state: str, *, result: str | None = None, **more: Any) -> dict[str, Any]:
    found = {"run": run, "n": n, "state": state, **{key: value for key, value in more.items() if value is not None}}
    if result is not None:
        found["result"] = json.loads(result)
    if "note" in found:
        found["note"] = found["note"][:NOTE_MOST]
    return found


def _problem(items: Any, argument: str | None) -> str | None:
    """Why a map cannot go over this."""
    if not isinstance(items, list):
        return f"It goes over {json.dumps(items)[:80]}, which is no list."
    if argument is None:
        for place, item in enumerate(items):
            if not isinstance(item, dict):
                return f"Item {place} is {json.dumps(item)[:80]}: without an argument, each is a dict of arguments."
    return None


def jobs_ended(ended: Sequence[EndedJob], since: Any) -> Work[None]:
    """Jobs have ended: move on the runs that wait for them. Their runs must be locked."""
    ids, states, notes, ats = (list(column) for column in zip(*ended, strict=True))
    rows = yield Ask("end_jobs", {"ids": ids, "states": states, "notes": notes, "ats": ats, "since": since})
    if rows:
        yield from Moving().ended(EndedStep(*row) for row in rows).go()
