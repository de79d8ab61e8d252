"""Store a workflow as a run: in one's own transaction, or in one of the caller's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
import uuid_utils

from chancy.errors import UnknownQueue
from chancy.plugin import nearest, opened, opened_sync, savepoint, savepoint_sync
from chancy_workflow.advancing import Moving, ReadyStep
from chancy_workflow.beginning import job_of
from chancy_workflow.errors import InvalidWorkflow
from chancy_workflow.run import Run
from chancy_workflow.steps import Node, made, named_in, renamed
from chancy_workflow.work import Ask, Connection, PushJobs, Work, run, run_sync

if TYPE_CHECKING:
    from chancy import Chancy
    from chancy_workflow.flow import Workflow

# What a connection is if none was given. None is something else, mostly a variable that was never set.
OWN: Final = msgspec.UNSET
# A graph of a hundred thousand steps takes some seconds.
DEADLINE_S: Final = 60.0


async def push(flow: Workflow, chancy: Chancy, *, connection: Any = OWN) -> Run:
    """Store a workflow; see `Workflow.push_with`."""
    rows = Rows(flow)
    async with transaction(chancy, connection) as own:
        id_, created = await run(chancy, own, store(flow, rows))
    return Run(chancy, id_, created=created)


def sync_push(flow: Workflow, chancy: Chancy, *, connection: Any = OWN) -> Run:
    """As `push`, without asyncio."""
    rows = Rows(flow)
    with transaction_sync(chancy, connection) as own:
        id_, created = run_sync(chancy, own, store(flow, rows))
    return Run(chancy, id_, created=created)


@asynccontextmanager
async def transaction(chancy: Chancy, connection: Any = OWN) -> AsyncIterator[Connection]:
    """A transaction of one's own, or a savepoint in the caller's."""
    pool = await opened(chancy, makes=True)
    if connection is OWN:
        async with pool.transaction(deadline_s=DEADLINE_S) as own:
            yield own
    else:
        async with savepoint(chancy, connection) as theirs:
            yield theirs


@contextmanager
def transaction_sync(chancy: Chancy, connection: Any = OWN) -> Iterator[Any]:
    """As `transaction`, without asyncio."""
    pool = opened_sync(chancy, makes=True)
    if connection is OWN:
        with pool.transaction(deadline_s=DEADLINE_S) as own:
            yield own
    else:
        with savepoint_sync(chancy, connection) as theirs:
            yield theirs


class Rows:
    """The rows of a workflow: made before anything is written, so that whatever is wrong is told before.

    Args:
        flow: the workflow.
        first: the number of its first step.
        known: numbers of steps that are there already.

    Raises:
        InvalidWorkflow: it has no steps.
        InvalidJob: a job that cannot be.
    """

    def __init__(self, flow: Workflow, *, first: int = 0, known: Mapping[str, int] | None = None) -> None:
        if not flow.nodes:
            raise InvalidWorkflow(f"The workflow {flow.name!r} has no steps: add one before it is pushed.")
        self.nodes: Final = list(flow.nodes.values())
        self.numbers: Final = {**(known or {}), **{node.name: first + n for n, node in enumerate(self.nodes)}}
        self.edges: Final = [edge for node in self.nodes for edge in self._edges(node)]
        self.needs: Final = [0] * len(self.nodes)
        for edge in self.edges:
            self.needs[edge["child"] - first] += 1
        self.stored: Final = [self._stored(node) for node in self.nodes]
        for node in self.nodes:
            _check(node)

    @property
    def queues(self) -> list[str]:
        """The queues that its jobs go to."""
        return sorted({node.job.get("queue", "default") for node in self.nodes if node.job is not None})

    def ready(self, run_id: str) -> list[ReadyStep]:
        """The steps that wait for no other one."""
        return [
            ReadyStep(run_id, self.numbers[node.name], node.kind, self._scope(node), node.name, stored)
            for node, need, stored in zip(self.nodes, self.needs, self.stored, strict=True)
            if not need
        ]

    def steps(self, jobs: Mapping[int, UUID]) -> list[dict[str, Any]]:
        """The rows of its steps; those in `jobs`, by their numbers, were pushed."""
        return [
            {
                "n": (n := self.numbers[node.name]),
                "name": node.name,
                "kind": node.kind,
                "state": "waiting" if need else "pushed" if n in jobs else "ready",
                "scope": self._scope(node),
                "need": need,
                "node": stored,
                "max_in_flight": node.max_in_flight,
                "job_id": str(jobs[n]) if n in jobs else None,
            }
            for node, need, stored in zip(self.nodes, self.needs, self.stored, strict=True)
        ]

    def _scope(self, node: Node) -> int | None:
        return None if node.scope is None else self.numbers[node.scope]

    def _edges(self, node: Node) -> Iterator[dict[str, Any]]:
        child = self.numbers[node.name]
        for parent, when in node.after.items():
            yield {"parent": self.numbers[parent], "child": child, "on_end": when}
        if node.scope is not None and node.kind != "gate":
            yield {"parent": child, "child": self.numbers[node.scope], "on_end": "within"}

    def _stored(self, node: Node) -> dict[str, Any]:
        """What is kept of a step beside its columns, with numbers for names."""
        found: dict[str, Any] = {
            key: value
            for key in ("exact", "delay_s", "timeout_s", "items", "argument", "on_failure")
            if (value := getattr(node, key)) is not None and value is not False
        }
        for key in ("over", "result"):
            if getattr(node, key) is not None:
                found[key] = self.numbers[getattr(node, key)]
        if node.job is not None:
            found["job"] = node.job
            kwargs = node.job.get("kwargs", {})
            used = {name: self.numbers[name] for name in named_in(kwargs)}
            if used:
                found["job"] = {**node.job, "kwargs": renamed(kwargs, used)}
        return found


def store(flow: Workflow, rows: Rows) -> Work[tuple[str, bool]]:
    """Store a workflow: its id, and whether it is new.

    Raises:
        UnknownQueue: nobody declared the queue of a step.
    """
    yield from check_queues(rows.queues)
    id_ = str(uuid_utils.uuid7())
    known = {"unique_key": flow.unique_key}
    while not (
        yield Ask(
            "add_run",
            {"run": id_, "name": flow.name, "on_failure": flow.on_failure, "size": len(rows.nodes), **known},
        )
    ):
        found = yield Ask("find_by_key", known)
        if found:
            return found[0][0], False
    yield from store_steps(id_, rows)
    return id_, True


def store_steps(id_: str, rows: Rows) -> Work[None]:
    """Store the steps of a run, and begin those that wait for nothing. Raises what pushing their jobs raises."""
    ready = rows.ready(id_)
    first = [one for one in ready if one.kind == "job" and one.node.get("delay_s") is None]
    jobs: dict[int, UUID] = {}
    if first:
        for one, answer in zip(
            first, (yield PushJobs([job_of(one, one.node, {}, None) for one in first])), strict=True
        ):
            if not isinstance(answer, UUID):
                raise answer
            jobs[one.n] = answer
    yield Ask("add_steps", {"run": id_, "steps": json.dumps(rows.steps(jobs))})
    if rows.edges:
        yield Ask("add_edges", {"run": id_, "edges": json.dumps(rows.edges)})
    others = [one for one in ready if one.n not in jobs]
    if others:
        yield from Moving().ready(others).go()


def check_queues(queues: list[str]) -> Work[None]:
    """Raise UnknownQueue if nobody has declared one of these: a step would fail when its turn has come."""
    ((unknown, declared),) = yield Ask("unknown_queues", {"queues": queues})
    if unknown:
        raise UnknownQueue(
            f"Queue {unknown[0]!r}, which a step of this workflow is to go to, was not declared."
            f"{nearest(unknown[0], declared)} Declare it first: chancy.declare(Queue(…))."
        )


def _check(node: Node) -> None:
    """Raise InvalidJob, or InvalidWorkflow, if the job of a step cannot be."""
    if node.job is None:
        return
    try:
        made({**node.job, "kwargs": {}}, exact=node.exact)
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidWorkflow(f"The step {node.name!r} has a job that cannot be: {error}.") from None
