"""The page of one run: its graph, what it waits for, and when each of its steps waited and ran."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from chancy import QueuedJob
from chancy.plugin import Visit
from chancy_workflow import reading_runs
from chancy_workflow.pages.acts import WAYS
from chancy_workflow.pages.asking import ask
from chancy_workflow.pages.times import Axis, bar
from chancy_workflow.picture.folding import BOXES_MOST, folded
from chancy_workflow.picture.graph import Box, Graph, of_run
from chancy_workflow.picture.svg import ORDER, Svg, drawn
from chancy_workflow.status import ENDED, RunStatus, StepStatus
from chancy_workflow.work import Ask, Work

SHOWN: Final = 100
# Of so many jobs it is looked up what they do just now; of the others it is said that they wait or run.
JOBS_LOOKED_AT: Final = 2000
SIGNALS_SHOWN: Final = 1000
# What a run waits for, in words: more is in the list of its steps.
HOLDS_SHOWN: Final = 8
NAMED: Final = 5
# Of steps that all say the same, so many are drawn.
SAMPLE: Final = 20
BROKEN: Final = ("failed", "expired", "cancelled")


class Known(NamedTuple):
    """What there is to know of a run.

    Attributes:
        status: the run.
        states: of the jobs that live, what they do, as far as that was looked up.
        sent: its signals, and when they were sent.
        now: by this machine's clock.
    """

    status: RunStatus
    states: Mapping[UUID, str]
    sent: Mapping[str, datetime]
    now: datetime

    def state(self, step: StepStatus) -> str:
        """What a step does, or, if that is known, its job."""
        if step.state == "pushed" and step.job_id is not None:
            return self.states.get(step.job_id, step.state)
        return step.state


class Wanted(NamedTuple):
    """What of a run is asked for.

    Attributes:
        state: only steps in this state.
        of: only the steps that are drawn as one with this step.
        name: only steps whose names have this in them.
        begin: from so many of them on.
        retry: the step from which on somebody means to let it run again.
    """

    state: str
    of: str
    name: str
    begin: int
    retry: str = ""


class Picture:
    """The graph of a run, which the page draws with addresses of its own, and JSON has as boxes and lines.

    Args:
        graph: what is in it.
        run: whose it is.
    """

    def __init__(self, graph: Graph, run: str) -> None:
        self.graph: Final = graph
        self._run: Final = run

    def to_dict(self) -> dict[str, Any]:
        """As what JSON has."""
        return self.graph.to_dict()

    def svg(self, url: Callable[..., str]) -> Svg:
        """As a picture: a step leads to its job, and what stands for several to the list of these."""

        def to(box: Box) -> str | None:
            if box.job_id is not None:
                return url(f"jobs/{box.job_id}")
            if box.kind in ("map", "steps"):
                return url(f"workflows/{self._run}", of=box.key) + "#steps"
            return None if box.kind == "gate" else f"{url(f'workflows/{self._run}', name=box.key)}#steps"

        return drawn(self.graph, to)


async def load(visit: Visit) -> dict[str, Any]:
    """A run with its graph, and a page of its steps."""
    id_ = reading_runs.run_id(visit.path["id"])
    status, states, sent = await ask(visit, _read(id_))
    known = Known(status, states, sent, datetime.now(UTC))
    wanted = _wanted(visit.query)
    # A hundred thousand steps take a moment, in which others are served.
    graph, steps, of_map = await asyncio.to_thread(_chosen, known, wanted)
    if of_map is None:
        count, page = len(steps), steps[wanted.begin : wanted.begin + SHOWN]
    else:
        count = of_map.parts.get(wanted.state, 0) if wanted.state else sum(of_map.parts.values())
        page = await ask(visit, _parts(id_, of_map.name, wanted))
    jobs = await visit.chancy.get_jobs([str(step.job_id) for step in page if step.job_id is not None])
    by_id = {job.id: job for job in jobs if job is not None}
    found = {key: getattr(status, key) for key in ("id", "name", "state", "note", "attempt", "created_at", "ended_at")}
    axis = Axis.of(status, known.now)
    counts = Counter(known.state(step) for step in status.steps.values() if step.kind != "gate")
    return {
        **found,
        "unique_key": status.unique_key,
        "past": list(status.past)[-SHOWN:],
        "count": sum(counts.values()),
        "counts": {state: counts[state] for state in ORDER if counts[state]},
        "drawn": sum(box.stands_for for box in graph.boxes if box.kind != "gate"),
        "graph": Picture(graph, str(status.id)),
        "states": ORDER,
        "ways": WAYS,
        "most_holds": HOLDS_SHOWN,
        "holds": [_row(known, step, None, axis) for step in _holds(known)],
        "axis": axis.told(),
        "steps": [_row(known, step, by_id.get(step.job_id) if step.job_id else None, axis) for step in page],
        "found": count,
        "of_map": None if of_map is None else of_map.name,
        "wanted": wanted._asdict(),
        "shown": SHOWN,
    }


def _read(id_: str) -> Work[tuple[RunStatus, dict[UUID, str], dict[str, datetime]]]:
    status = yield from reading_runs.read_status(id_, results=False)
    pushed = [str(step.job_id) for step in status.steps.values() if step.state == "pushed" and step.job_id]
    jobs = (yield Ask("look_at_jobs", {"jobs": pushed[:JOBS_LOOKED_AT]})) if pushed else []
    signals = []
    if any(step.kind == "wait" for step in status.steps.values()):
        signals = yield Ask("look_at_signals", {"run": id_, "limit": SIGNALS_SHOWN})
    return status, {UUID(job): state for job, state in jobs}, dict(signals)


def _parts(id_: str, name: str, wanted: Wanted) -> Work[list[StepStatus]]:
    asked = {"run": id_, "name": name, "state": wanted.state or None, "begin": wanted.begin, "limit": SHOWN}
    return [
        StepStatus(
            name=part,
            kind="part",
            state=state,
            job_id=None if job is None else UUID(job),
            note=note,
            begun_at=begun_at,
            ended_at=ended_at,
        )
        for part, state, job, note, begun_at, ended_at in (yield Ask("list_parts", asked))
    ]


def _wanted(query: Mapping[str, str]) -> Wanted:
    begin = query.get("begin", "")
    return Wanted(
        state=query.get("state", ""),
        of=query.get("of", ""),
        name=query.get("name", ""),
        retry=query.get("retry", ""),
        begin=int(begin) if begin.isascii() and begin.isdigit() and len(begin) < 8 else 0,  # noqa: PLR2004 -- any run has less
    )


def _chosen(known: Known, wanted: Wanted) -> tuple[Graph, list[StepStatus], StepStatus | None]:
    """The graph, the steps to be listed, and the map whose jobs are listed instead, if that was asked for."""
    whole = of_run(known.status, known.states)
    graph = folded(whole)
    names = set(graph.inside(wanted.of)) if wanted.of else None
    one = known.status.steps[wanted.of] if names == {wanted.of} else None
    if names is not None:
        graph = _opened(whole, names)
    lower = wanted.name.lower()
    steps = [
        step
        for step in known.status.steps.values()
        if step.kind != "gate"
        and (names is None or step.name in names)
        and (not wanted.state or wanted.state in (step.state, known.state(step)))
        and lower in step.name.lower()
    ]
    return graph, steps, one if one is not None and one.kind == "map" else None


def _opened(whole: Graph, names: set[str]) -> Graph:
    """What is in a box; the first of it, where all of it says the same."""
    graph = folded(whole.only(names))
    if len(names) == 1 or all(len(inside) < len(names) for inside in graph.members):
        return graph
    some = [box.key for box in whole.boxes if box.key in names][:SAMPLE]
    sample = whole.only(some)
    return sample if len(sample.boxes) <= BOXES_MOST else folded(sample)


def _holds(known: Known) -> Sequence[StepStatus]:
    """What the run waits for now, and what broke it: signals first, then failures, then jobs."""
    steps = known.status.steps.values()
    signals = [step for step in steps if step.kind == "wait" and step.state == "open"]
    broken = [step for step in steps if step.state in BROKEN]
    going = [step for step in steps if step.state == "pushed" or (step.kind == "map" and step.state == "open")]
    return [*signals[:HOLDS_SHOWN], *broken[:HOLDS_SHOWN], *going[:HOLDS_SHOWN]][:HOLDS_SHOWN]


def _row(known: Known, step: StepStatus, job: QueuedJob | None, axis: Axis) -> dict[str, Any]:
    after = _after(known, step)
    state = known.state(step)
    if job is not None and step.state == "pushed":
        state = str(job.state)
    return {
        "name": step.name,
        "kind": step.kind,
        "state": state,
        "note": step.note,
        "job_id": step.job_id,
        "parts": {one: step.parts[one] for one in ORDER if step.parts.get(one)},
        "after": [{"name": name, "when": when} for name, when in list(after.items())[:NAMED]],
        "more_after": max(len(after) - NAMED, 0),
        "why": _why(known, step),
        "past": list(step.past)[-NAMED:],
        "attempts": None if job is None else job.attempts,
        "max_attempts": None if job is None else job.max_attempts,
        "begun_at": step.begun_at,
        "ended_at": step.ended_at,
        "bar": bar(step, job, axis, known.now),
    }


def _after(known: Known, step: StepStatus) -> Mapping[str, str]:
    """The steps before a step, with their conditions: an included workflow begins after what is before it."""
    found: dict[str, str] = {}
    for name, when in step.after.items():
        gate = known.status.steps[name]
        found.update(gate.after if gate.kind == "gate" else {name: when})
    return found


def _why(known: Known, step: StepStatus) -> dict[str, Any] | None:
    """Why a step waits: for which others, or for which signal, since when, and until when; None: it does not."""
    steps = known.status.steps
    if step.state == "waiting" and step.waits_for:
        ended = [at for name in step.after if (at := steps[name].ended_at) is not None]
        return {
            "signal": False,
            "for": [
                {"name": name, "when": step.after.get(name, "within"), "state": known.state(steps[name])}
                for name in step.waits_for[:NAMED]
            ],
            "more": max(len(step.waits_for) - NAMED, 0),
            "since": max(ended, default=known.status.created_at),
            "until": None,
        }
    if step.kind == "wait" and step.state not in ENDED:
        until = step.due_at
        return {
            "signal": step.name not in known.sent,
            "sent_at": known.sent.get(step.name),
            "for": [],
            "more": 0,
            "since": step.begun_at,
            "until": until,
            "late": until is not None and until < known.now,
        }
    return None
