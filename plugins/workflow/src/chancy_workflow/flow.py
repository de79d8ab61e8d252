"""`Workflow`: a graph of steps, built by its methods, and pushed as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from chancy.plugin import check_json, check_text, check_whole
from chancy_workflow.checking import (
    IN_FLIGHT_MOST,
    Before,
    check_items,
    edges,
    job_with_refs,
    known,
    moved,
    needs_result,
    of_job,
    own,
    seconds_of,
)
from chancy_workflow.errors import InvalidWorkflow
from chancy_workflow.steps import BEGIN, Node, OnFailure, Step, When, check_name, check_path

if TYPE_CHECKING:
    from chancy import Chancy
    from chancy_workflow.run import Run

# More is no graph any more that anybody looks at, and its push would take minutes: a map has no such bound.
STEPS_MOST: Final = 100_000
ON_FAILURE: Final = ("finish", "cancel")


class Workflow:
    """A graph of steps: which jobs run after which, and what of their results they are given.

    ```python
    flow = Workflow("import", unique_key="import:eu")
    pages = flow.add("list", list_pages.job.with_kwargs(feed="eu"))
    parse = flow.map("parse", parse_page.job, over=pages, argument="page")
    flow.add("load", load_rows.job.with_kwargs(rows=parse))
    run = await chancy.push(flow)
    ```

    A step is added after the steps that it depends on, so there are no cycles. What was added is never changed; the
    same workflow may be pushed any number of times, each time as a run of its own.

    Args:
        name: what it is called, in lists and in the dashboard.
        unique_key: at most one run with this key is under way: pushed again meanwhile, `push` returns that run.
        on_failure: what becomes of the rest when a step has failed and no other step catches that. "finish": what does
            not depend on it goes on. "cancel": what runs is stopped, and what waits is skipped, but for the steps
            that come after a failure or an end.

    Raises:
        InvalidWorkflow: a name, a key or a word that cannot be.
    """

    def __init__(self, name: str, *, unique_key: str | None = None, on_failure: OnFailure = "finish") -> None:
        check_text("The name of a workflow", name, error=InvalidWorkflow)
        if unique_key is not None:
            check_text("unique_key", unique_key, error=InvalidWorkflow)
        if on_failure not in ON_FAILURE:
            raise InvalidWorkflow(f"on_failure is {on_failure!r:.60}: give 'finish' or 'cancel'.")
        self.name: Final = str(name)
        self.unique_key: Final = unique_key
        self.on_failure: Final[OnFailure] = on_failure
        self.nodes: Final[dict[str, Node]] = {}

    def __repr__(self) -> str:
        return f"<Workflow {self.name!r}: {len(self.nodes)} steps>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workflow) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # steps can be added

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Step:
        """The step of this name. Raises InvalidWorkflow, with the nearest one, if there is none."""
        return Step(self, known(self, name))

    # -- adding ----------------------------------------------------------------------------

    def add(
        self,
        name: str,
        job: Any,
        *,
        after: Before | Iterable[Before] = (),
        when: When = "succeeded",
        delay: timedelta | float | None = None,
        at: datetime | None = None,
    ) -> Step:
        """Add a step: a job.

        Args:
            name: unique in the workflow.
            job: a `Job`, or a function decorated with `@job`. A step among its arguments, at any depth, is replaced by
                that step's result, and comes before this one.
            after: the steps that come before it; `load.failed` and `load.finished` say on which condition.
            when: the condition for those that say none. "succeeded"; "failed": failed, cancelled or expired;
                "finished": ended in whatever way, or skipped.
            delay: how long to wait once its turn has come.
            at: not before this moment; it needs a time zone.

        Raises:
            InvalidWorkflow: with the step, what is wrong, and what to do.
            InvalidJob: `at` has no time zone.
        """
        job = job_with_refs(self, check_name(name), job)
        if at is not None:
            job = job.with_scheduled_at(at)
        delay_s = seconds_of(f"The step {name!r}: delay", delay)
        if delay_s is not None and job.scheduled_at is not None:
            raise InvalidWorkflow(f"The step {name!r} has a delay and a time: give one of them.")
        return self._put(of_job(self, name, job, edges(self, name, after, when), kind="job", delay_s=delay_s))

    def map(
        self,
        name: str,
        job: Any,
        *,
        over: Step | Iterable[Any],
        argument: str | None = "item",
        max_in_flight: int | None = None,
        after: Before | Iterable[Before] = (),
        when: When = "succeeded",
    ) -> Step:
        """Add a step that runs one job for each item of a list. Its result is the list of their results, in order.

        Args:
            name: unique in the workflow.
            job: the job of each item.
            over: the items, or the step whose result is the list of them.
            argument: the argument that gets the item. None: each item is a dict of arguments.
            max_in_flight: how many of the jobs may be live at a time. None: all of them.
            after: as for `add`.
            when: as for `add`.

        Raises:
            InvalidWorkflow: as `add`.
        """
        job = job_with_refs(self, check_name(name), job)
        if argument is not None:
            check_text(f"The step {name!r}: argument", argument, error=InvalidWorkflow)
        if max_in_flight is not None:
            check_whole(f"The step {name!r}: max_in_flight", max_in_flight, 1, IN_FLIGHT_MOST, error=InvalidWorkflow)
        before = edges(self, name, after, when)
        items = None
        source = None
        if isinstance(over, Step):
            source = own(self, name, over)
            needs_result(self.nodes, name, source)
            before.setdefault(source, "succeeded")
        else:
            if isinstance(over, str | bytes | Mapping) or not isinstance(over, Iterable):
                raise InvalidWorkflow(f"The step {name!r}: over is {over!r:.60}: give a list, or a step.")
            items = list(over)
            check_json(f"The step {name!r}: over", items, error=InvalidWorkflow)
            check_items(name, items, argument)
        return self._put(
            of_job(
                self,
                name,
                job,
                before,
                kind="map",
                over=source,
                items=items,
                argument=argument,
                max_in_flight=max_in_flight,
            )
        )

    def wait(
        self,
        name: str,
        *,
        after: Before | Iterable[Before] = (),
        when: When = "succeeded",
        timeout: timedelta | float | None = None,
    ) -> Step:
        """Add a step that waits for a signal of its name: `run.signal(name, value)`. Its result is that value.

        It takes no slot of a worker. A signal that comes before its turn is kept.

        Args:
            name: unique in the workflow.
            after: as for `add`.
            when: as for `add`.
            timeout: how long to wait once its turn has come. Then it has `expired`, as a job that was started too late.

        Raises:
            InvalidWorkflow: as `add`.
        """
        check_name(name)
        timeout_s = seconds_of(f"The step {name!r}: timeout", timeout)
        return self._put(Node(name=name, kind="wait", after=edges(self, name, after, when), timeout_s=timeout_s))

    def include(
        self,
        name: str,
        flow: Workflow,
        *,
        after: Before | Iterable[Before] = (),
        when: When = "succeeded",
        result: Step | str | None = None,
    ) -> Step:
        """Add another workflow as a step. Its steps are called `name/step` here.

        It is copied as it is now. It has ended when all of its steps have, and has failed if one of them failed and
        none of its own caught that. Its `on_failure` counts for its own steps; its unique key does not count.

        Args:
            name: unique in the workflow.
            flow: the other workflow.
            after: as for `add`, for all of its steps.
            when: as for `add`.
            result: the step of it whose result is that of the whole.

        Raises:
            InvalidWorkflow: as `add`; or it has no steps.
        """
        check_name(name)
        if not isinstance(flow, Workflow):
            raise InvalidWorkflow(f"The step {name!r} includes {flow!r:.60}: give a Workflow.")
        if not flow.nodes:
            raise InvalidWorkflow(f"The step {name!r} includes {flow!r}: add steps to it first.")
        if isinstance(result, Step) and result.flow is not flow:
            raise InvalidWorkflow(f"The step {name!r}: result is {result!r}, which is no step of {flow!r}.")
        wanted = None if result is None else flow[result.name if isinstance(result, Step) else result].name
        before = edges(self, name, after, when)
        self._room(name, len(flow.nodes) + 2)
        names = {inner: check_path(f"{name}/{inner}") for inner in flow.nodes}
        inside = list(flow.nodes.values())
        gate = f"{name}/{BEGIN}"
        if before:
            self.nodes[gate] = Node(name=gate, kind="gate", after=before, scope=name)
        for node in inside:
            inner = moved(node, name, names)
            if before:
                inner = msgspec.structs.replace(inner, after={gate: "succeeded", **inner.after})
            self.nodes[inner.name] = inner
        self.nodes[name] = Node(
            name=name,
            kind="group",
            on_failure=flow.on_failure,
            result=None if wanted is None else names[wanted],
        )
        return Step(self, name)

    # -- pushing, writing, reading -----------------------------------------------------------

    async def push_with(self, chancy: Chancy, **how: Any) -> Run:
        """What `chancy.push(flow, connection=…)` does."""
        from chancy_workflow.pushing import push  # noqa: PLC0415 -- to describe a workflow takes no database

        return await push(self, chancy, **how)

    def sync_push_with(self, chancy: Chancy, **how: Any) -> Run:
        """What `chancy.sync_push(flow, connection=…)` does."""
        from chancy_workflow.pushing import sync_push  # noqa: PLC0415

        return sync_push(self, chancy, **how)

    def to_dict(self) -> dict[str, Any]:
        """The workflow as what JSON has."""
        return {
            "name": self.name,
            "unique_key": self.unique_key,
            "on_failure": self.on_failure,
            "steps": msgspec.to_builtins(list(self.nodes.values())),
        }

    def to_json(self) -> str:
        """The same as JSON text, of which `from_json` makes the workflow again."""
        return msgspec.json.encode(self.to_dict()).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Workflow:
        """The workflow that `to_json` has written, or somebody by hand; its steps may come in any order.

        Raises:
            InvalidWorkflow: it is no JSON, or no workflow: which step, what is wrong; for a cycle, its steps.
        """
        from chancy_workflow.reading import read  # noqa: PLC0415 -- few read

        return read(text)

    def to_text(self) -> str:
        """The workflow for a terminal: a line for each step, below those that it comes after."""
        from chancy_workflow.drawing import to_text  # noqa: PLC0415 -- few draw

        return to_text(self)

    def to_mermaid(self) -> str:
        """The workflow as a flowchart of Mermaid, for GitHub and the like."""
        from chancy_workflow.drawing import to_mermaid  # noqa: PLC0415

        return to_mermaid(self)

    def to_svg(self) -> str:
        """The workflow as a picture."""
        from chancy_workflow.picture.svg import to_svg  # noqa: PLC0415

        return to_svg(self)

    def _put(self, node: Node) -> Step:
        self._room(node.name, 1)
        self.nodes[node.name] = node
        return Step(self, node.name)

    def _room(self, name: str, count: int) -> None:
        if name in self.nodes:
            raise InvalidWorkflow(
                f"There are two steps {name!r} in the workflow {self.name!r}: give each its own name."
            )
        if len(self.nodes) + count > STEPS_MOST:
            raise InvalidWorkflow(
                f"With the step {name!r} the workflow {self.name!r} has more than {STEPS_MOST:,} steps, which is the "
                "most: use a map, whose jobs do not count."
            )
