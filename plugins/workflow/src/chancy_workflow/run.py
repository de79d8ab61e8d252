"""`Run`: the handle of a workflow that was pushed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import msgspec

from chancy.plugin import check_text, nearest
from chancy_workflow import acting, reading_runs
from chancy_workflow.errors import InvalidWorkflow, RunNotFound
from chancy_workflow.steps import PATH_MOST
from chancy_workflow.work import Ask, Work, run, run_sync

if TYPE_CHECKING:
    from chancy import Chancy, QueuedJob
    from chancy_workflow.acting import Mode
    from chancy_workflow.flow import Workflow
    from chancy_workflow.status import RunStatus

T = TypeVar("T")
OWN: Final = msgspec.UNSET
# Whoever waits for a run looks this often: soon after the push, and less often later.
LOOK_FIRST_S: Final = 0.02
LOOK_LAST_S: Final = 0.5
PAGE: Final = 1000
CANCEL_AT_ONCE: Final = 1000


class Run:
    """The handle of a run: of a workflow that was pushed.

    `str(run)` is its id; `Run(chancy, text)` makes it again, in any process.

    Attributes:
        id: the run, a UUIDv7.
        created: False if a run with the same unique key was under way, and this is that one.
    """

    __slots__ = ("_chancy", "created", "id")

    def __init__(self, chancy: Chancy, id_: UUID | str, *, created: bool = True) -> None:
        self.id: Final = UUID(reading_runs.run_id(id_))
        self.created: Final = created
        self._chancy: Final = chancy

    def __repr__(self) -> str:
        return f"<Run {self.id}>"

    def __str__(self) -> str:
        return str(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @classmethod
    def of(cls, chancy: Chancy, job: QueuedJob) -> Run:
        """The run that a job is a step of: `Run.of(context.chancy, context)` in the job itself.

        Raises:
            RunNotFound: it is a step of none.
        """
        known = job.meta.get("workflow")
        if not isinstance(known, dict) or "run" not in known:
            raise RunNotFound(f"The job {job.id} is no step of a workflow.")
        return cls(chancy, known["run"])

    # -- looking ---------------------------------------------------------------------------

    async def status(self) -> RunStatus:
        """The run as it stands, with its steps, but without their results. Raises RunNotFound."""
        return await self._do(reading_runs.read_status(str(self.id), results=False))

    def sync_status(self) -> RunStatus:
        """As `status`, for code without asyncio."""
        return self._do_sync(reading_runs.read_status(str(self.id), results=False))

    async def wait(self, *, timeout: float | None = None) -> RunStatus:
        """Wait until it has ended: as it stands then, with the results of its steps.

        Args:
            timeout: seconds; None: as long as it takes.

        Raises:
            TimeoutError: it has not ended by then.
            RunNotFound: there is no such run.
        """
        for pause_s in self._pauses(timeout):
            if await self._do(reading_runs.read_state(str(self.id))) != "running":
                return await self._do(reading_runs.read_status(str(self.id), results=True))
            await asyncio.sleep(pause_s)
        raise self._late(timeout)

    def sync_wait(self, *, timeout: float | None = None) -> RunStatus:
        """As `wait`, for code without asyncio."""
        for pause_s in self._pauses(timeout):
            if self._do_sync(reading_runs.read_state(str(self.id))) != "running":
                return self._do_sync(reading_runs.read_status(str(self.id), results=True))
            time.sleep(pause_s)
        raise self._late(timeout)

    async def result(self, name: str) -> Any:
        """What a step returned; of a map the list, in order. None unless it has succeeded.

        Raises:
            InvalidWorkflow: the run has no such step.
            RunNotFound: there is no such run.
        """
        return self._result(name, await self._do(self._find(name)))

    def sync_result(self, name: str) -> Any:
        """As `result`, for code without asyncio."""
        return self._result(name, self._do_sync(self._find(name)))

    async def results(self, name: str) -> AsyncIterator[Any]:
        """What the jobs of a map returned, in order, read in pages: for lists that are too long for an argument.

        A job that has not succeeded has None.
        """
        check_text("The name of the step", name, most=PATH_MOST, error=InvalidWorkflow)
        after = -1
        while page := await self._do(reading_runs.read_part_results(str(self.id), name, after, PAGE)):
            for after, result in page:  # noqa: B007 -- the last one is where the next page begins
                yield result

    def sync_results(self, name: str) -> Iterator[Any]:
        """As `results`, for code without asyncio."""
        check_text("The name of the step", name, most=PATH_MOST, error=InvalidWorkflow)
        after = -1
        while page := self._do_sync(reading_runs.read_part_results(str(self.id), name, after, PAGE)):
            for after, result in page:  # noqa: B007
                yield result

    async def workflow(self) -> Workflow:
        """The workflow that was pushed, with what was added since, as it can be drawn, written, and pushed again.

        Raises:
            RunNotFound: there is no such run.
        """
        from chancy_workflow.rebuilding import read_workflow  # noqa: PLC0415 -- few do

        return await self._do(read_workflow(str(self.id)))

    def sync_workflow(self) -> Workflow:
        """As `workflow`, for code without asyncio."""
        from chancy_workflow.rebuilding import read_workflow  # noqa: PLC0415

        return self._do_sync(read_workflow(str(self.id)))

    # -- acting ----------------------------------------------------------------------------

    async def signal(self, name: str, value: Any = None, *, connection: Any = OWN) -> None:
        """Send a signal to the step that waits for it, or will.

        Args:
            name: the step.
            value: JSON: the step's result.
            connection: a connection of your own, as for `push`: the signal is sent if and only if its transaction
                commits. A worker goes on with the run within a second after that.

        Raises:
            RunNotFound: there is no such run.
            InvalidWorkflow: no step waits for such a signal, or the value is no JSON.
            RunState: the run, or the step, has ended; or the signal was sent before.
        """
        await self._act(acting.signal(str(self.id), name, value, own=connection is OWN), connection)

    def sync_signal(self, name: str, value: Any = None, *, connection: Any = OWN) -> None:
        """As `signal`, for code without asyncio."""
        self._act_sync(acting.signal(str(self.id), name, value, own=connection is OWN), connection)

    async def cancel(self, reason: str | None = None, *, handlers: bool = True) -> bool:
        """Stop the run: what runs is cancelled, and what waits is skipped.

        Args:
            reason: why, for those who look at it later.
            handlers: whether steps that come after a failure or an end (`when="failed"`, `when="finished"`) still run,
                as `except` and `finally` do, and what comes after them. False: nothing begins any more.

        Returns:
            Whether it was under way. It has ended when its last job has.

        Raises:
            RunNotFound: there is no such run.
            InvalidWorkflow: the reason is no text, or has a NUL character in it.
        """
        done = await self._act(acting.cancel(str(self.id), reason, handlers=handlers))
        while jobs := await self._do(self._stopped()):
            await self._chancy.cancel_jobs([row[0] for row in jobs], reason=jobs[0][1].strip() or None)
        return done

    def sync_cancel(self, reason: str | None = None, *, handlers: bool = True) -> bool:
        """As `cancel`, for code without asyncio."""
        done = self._act_sync(acting.cancel(str(self.id), reason, handlers=handlers))
        while jobs := self._do_sync(self._stopped()):
            self._chancy.sync_cancel_jobs([row[0] for row in jobs], reason=jobs[0][1].strip() or None)
        return done

    async def retry(self, mode: Mode = "failed", *, from_: str | None = None) -> int:
        """Let a run that has ended go on: in a new attempt, with the results of all that does not run again.

        Args:
            mode: what runs again. "failed": what failed, was cancelled, expired or was skipped. "below": what comes
                after that too, also if it succeeded. "all": everything.
            from_: the name of a step: this one, and what comes after it, instead.

        Returns:
            The number of the attempt.

        Raises:
            RunNotFound: there is no such run.
            RunState: it still runs; nothing of it failed; or its unique key is taken by another run.
            InvalidWorkflow: there is no such mode, or no such step.
        """
        return await self._act(acting.retry(str(self.id), mode, from_))

    def sync_retry(self, mode: Mode = "failed", *, from_: str | None = None) -> int:
        """As `retry`, for code without asyncio."""
        return self._act_sync(acting.retry(str(self.id), mode, from_))

    async def extend(self, flow: Workflow, *, before: str | Iterable[str] = ()) -> bool:
        """Add the steps of a workflow to the run: mostly in one of its jobs, which has found out what is to be done.

        It may be done again: steps whose names are there already are the same ones, and are left as they are. So an
        attempt that is retried adds nothing twice. The name, the key and the `on_failure` of the workflow do not count.

        Args:
            flow: what to add. Its steps may name each other, and begin at once.
            before: names of steps of the run that wait, and are to wait for these, too.

        Returns:
            Whether they are new.

        Raises:
            RunNotFound: there is no such run.
            RunState: it has ended, or is being stopped; or a step of `before` does not wait any more.
            InvalidWorkflow: some of the names are there already, and others are not; or there is no step `before`.
            UnknownQueue: nobody declared the queue of a step.
        """
        from chancy_workflow.extending import extend  # noqa: PLC0415 -- few do

        return await self._act(extend(str(self.id), flow, [before] if isinstance(before, str) else before))

    def sync_extend(self, flow: Workflow, *, before: str | Iterable[str] = ()) -> bool:
        """As `extend`, for code without asyncio."""
        from chancy_workflow.extending import extend  # noqa: PLC0415

        return self._act_sync(extend(str(self.id), flow, [before] if isinstance(before, str) else before))

    # -- how -------------------------------------------------------------------------------

    async def _act(self, work: Work[T], connection: Any = OWN) -> T:
        from chancy_workflow.pushing import transaction  # noqa: PLC0415 -- which makes runs

        async with transaction(self._chancy, connection) as own:
            return await run(self._chancy, own, work)

    def _act_sync(self, work: Work[T], connection: Any = OWN) -> T:
        from chancy_workflow.pushing import transaction_sync  # noqa: PLC0415

        with transaction_sync(self._chancy, connection) as own:
            return run_sync(self._chancy, own, work)

    async def _do(self, work: Work[T]) -> T:
        return await self._act(work)

    def _do_sync(self, work: Work[T]) -> T:
        return self._act_sync(work)

    def _stopped(self) -> Work[list[tuple[UUID, str, str]]]:
        return (yield Ask("find_stopped", {"runs": [str(self.id)], "limit": CANCEL_AT_ONCE}))

    def _find(self, name: str) -> Work[Any]:
        check_text("The name of the step", name, most=PATH_MOST, error=InvalidWorkflow)
        found = yield from reading_runs.read_result(str(self.id), name)
        if found is not None:
            return found
        yield from reading_runs.read_state(str(self.id))
        names = [row[1] for row in (yield Ask("read_graph", {"run": str(self.id)}))]
        return None, names

    @staticmethod
    def _result(name: str, found: tuple[str | None, Any]) -> Any:
        state, value = found
        if state is None:
            raise InvalidWorkflow(f"The run has no step {name!r:.120}.{nearest(str(name), value)}")
        return value

    @staticmethod
    def _pauses(timeout: float | None) -> Iterator[float]:
        deadline = None if timeout is None else time.monotonic() + timeout
        pause_s = LOOK_FIRST_S
        while True:
            left_s = pause_s if deadline is None else deadline - time.monotonic()
            yield max(min(pause_s, left_s), 0.0)
            if deadline is not None and left_s <= 0:
                return
            pause_s = min(pause_s * 1.3, LOOK_LAST_S)

    def _late(self, timeout: float | None) -> TimeoutError:
        return TimeoutError(
            f"Run {self.id} has not ended within {timeout} s. It goes on: look with `await run.status()`."
        )
