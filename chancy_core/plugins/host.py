"""Call plugins so that none of them can take the queue down."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import pluggy
import psycopg
from psycopg.pq import TransactionStatus

from chancy_core import hookspecs
from chancy_core.errors import PluginError
from chancy_core.job import Job, Outcome, QueuedJob
from chancy_core.log import log
from chancy_core.plugins.around import Around
from chancy_core.plugins.base import Plugin
from chancy_core.plugins.budget import Budget, Grant, as_budget
from chancy_core.plugins.calling import HookAbandoned, cut, within
from chancy_core.plugins.check import SPECS
from chancy_core.plugins.enforced import enforced_by
from chancy_core.plugins.load import Loaded
from chancy_core.plugins.tick import Tick
from chancy_core.queue import Queue
from chancy_core.store import Migration
from chancy_core.workerinfo import PluginStatus, WorkerStatus

T = TypeVar("T")

ON_COMPLETE_S: Final = 5.0
# Meanwhile no other worker claims from that queue.
CLAIM_BUDGET_S: Final = 2.0
ON_START_S: Final = 30.0
ON_STOP_S: Final = 10.0
# How much of an error is shown in a plugin's status; the log has all of it.
ERROR_SHOWN: Final = 200
# A hook that fails at every batch is reported so often, with the count of what was not reported.
REPORT_EVERY_S: Final = 60.0
# A hook that holds the event loop for longer holds up every job and duty of the worker.
HELD_MAX_S: Final = 1.0


class Implementation(NamedTuple):
    """One plugin's implementation of one hook, and the arguments that it takes."""

    plugin: str
    call: Callable[..., Any]
    arguments: tuple[str, ...]


class PluginHost:
    """The loaded plugins, and the only place that calls them.

    pluggy declares and orders. The calls are made here, because pluggy's own ends at the first exception and does not
    say whose it was.

    Attributes:
        loaded: the plugins, in order.
        enforced: the limits of queues that they enforce, by name.
        failures: how often each (plugin, hook) has failed.
        last_error: what each plugin raised last.
        last_tick_at: when each plugin last ticked, by the database's clock.
        ticks: how often each plugin has ticked.
    """

    def __init__(self, loaded: Sequence[Loaded]) -> None:
        self.loaded: Final = list(loaded)
        self.enforced: Final = enforced_by(self.loaded)
        self.failures: Final[Counter[tuple[str, str]]] = Counter()
        self.last_error: Final[dict[str, str]] = {}
        self.last_tick_at: Final[dict[str, Any]] = {}
        self.ticks: Final[Counter[str]] = Counter()
        self._ticked_at: Final[dict[str, float]] = {}
        self._failed_at: Final[dict[str, float]] = {}
        self._reported: dict[tuple[str, str], tuple[float, int]] = {}
        self._budgets_off: set[str] = set()
        self._told_held: dict[tuple[str, str], float] = {}
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        # pluggy calls the last one registered first.
        for one in reversed(self.loaded):
            manager.register(one.plugin, one.name)
        self._hooks: Final[dict[str, list[Implementation]]] = {name: _ordered(manager, name) for name in SPECS}

    def has(self, hook: str, plugin: str | None = None) -> bool:
        """Whether anybody implements a hook, or that plugin does, and it has not been switched off."""
        return any(plugin in (None, one.plugin) for one in self._hooks[hook])

    def implemented(self, plugin: str) -> list[str]:
        """The hooks that a plugin implements."""
        return [hook for hook, calls in self._hooks.items() if any(call.plugin == plugin for call in calls)]

    def status(self) -> WorkerStatus:
        """How the plugins do, for people to look at."""
        return WorkerStatus(
            leads=self.is_leader() if self.has("is_leader") else None,
            plugins=[self._status(one.name) for one in self.loaded],
        )

    def _status(self, plugin: str) -> PluginStatus:
        error = self.last_error.get(plugin)
        return PluginStatus(
            name=plugin,
            ticks=self.ticks[plugin],
            ticked_s_ago=_age_s(self._ticked_at.get(plugin)),
            failures=sum(count for (name, _), count in dict(self.failures).items() if name == plugin),
            error=None if error is None else _printable(error),
            failed_s_ago=_age_s(self._failed_at.get(plugin)),
        )

    # -- batches ---------------------------------------------------------------------------

    def on_push(self, jobs: list[Job]) -> list[Job]:
        """The jobs to be stored. Raises PluginError, naming the plugin."""
        for one in self._hooks["on_push"]:
            try:
                changed = self._timed(one, "on_push", jobs=list(jobs))
                jobs = _same_length(changed, jobs)
            except BaseException as error:
                # Whoever pushes learns it from the error; it may be a refusal that is meant.
                self._count(one.plugin, "on_push", error)
                raise PluginError(f"The plugin {one.plugin!r} refused the push in on_push: {_told(error)}") from error
        return jobs

    def on_claim(self, jobs: list[QueuedJob], worker: Any) -> list[QueuedJob]:
        """The jobs to be run."""
        for one in self._hooks["on_claim"]:
            try:
                jobs = _same_runs(self._timed(one, "on_claim", jobs=list(jobs), worker=worker), jobs)
            except BaseException as error:  # noqa: BLE001 -- the jobs run as they were claimed
                self._failed(one.plugin, "on_claim", error)
        return jobs

    def around(self) -> Around:
        """What plugins put round each run, in this process."""
        names = {one.plugin for one in self._hooks["around_job"]}
        return Around(
            [one.plugin for one in self.loaded if one.name in names],
            lambda plugin, error: self._failed(plugin, "around_job", error),
        )

    async def on_complete(self, outcomes: Sequence[Outcome], connection: psycopg.AsyncConnection[Any]) -> None:
        """Tell each plugin, in a savepoint of its own.

        Raises:
            HookAbandoned: one goes on although its time is over. It may still use the connection, which is cut.
        """
        for one in self._hooks["on_complete"]:
            try:
                async with connection.transaction():
                    await self._tell(one, outcomes, connection)
            except BaseException as error:
                if not self.has("on_complete", one.plugin):
                    # Whatever the broken transaction says on top of that.
                    raise _cancelled_or(HookAbandoned(f"the plugin {one.plugin!r} still has the connection")) from error
                if _is_ours(error):
                    raise
                self._failed(one.plugin, "on_complete", error)

    async def _tell(
        self, one: Implementation, outcomes: Sequence[Outcome], connection: psycopg.AsyncConnection[Any]
    ) -> None:
        try:
            await self._within(ON_COMPLETE_S, one, "on_complete", outcomes=outcomes, connection=connection)
        except HookAbandoned:
            await cut(connection)
            raise

    def on_recorded(self, outcomes: Sequence[Outcome], worker: Any) -> None:
        """Tell each plugin what has been recorded."""
        for one in self._hooks["on_recorded"]:
            try:
                self._timed(one, "on_recorded", outcomes=outcomes, worker=worker)
            except BaseException as error:  # noqa: BLE001 -- the outcomes are recorded, and others want to know too
                self._failed(one.plugin, "on_recorded", error)

    def blame(self, hook: str, error: BaseException) -> None:
        """A transaction failed with this hook's plugins in it, and cannot be told whose fault it was."""
        for one in self._hooks[hook]:
            self._failed(one.plugin, hook, error)

    # -- limits ----------------------------------------------------------------------------

    async def claim_budget(self, queue: Queue, wanted: int, connection: psycopg.AsyncConnection[Any]) -> Grant:
        """How many jobs may be claimed now: the smallest answer. Raises only if the connection is lost."""
        smallest = Budget(wanted)
        tell = []
        for one in self._hooks["claim_budget"]:
            well, budget = await self._budget_of(one, queue, wanted, connection)
            if not well:
                return Grant(0, None, roll_back=True)
            if budget is None:
                continue
            if budget.taken is not None:
                tell.append((one.plugin, budget.taken))
            if budget.count < smallest.count:
                smallest = budget
            if budget.count == 0:
                break
        failed = connection.info.transaction_status is TransactionStatus.INERROR
        return Grant(smallest.count, smallest.again_in_s, tuple(tell), roll_back=failed)

    async def tell_taken(self, grant: Grant, count: int, connection: psycopg.AsyncConnection[Any]) -> bool:
        """Tell those who want to know how many jobs were claimed. Returns False if that failed: nothing may be."""
        for plugin, taken in grant.tell:

            async def tell(taken: Callable[[int], Awaitable[None]] = taken) -> None:
                await taken(count)
                _check_in_transaction(connection)

            if not await self._in_claim(plugin, tell, connection):
                return False
        return True

    async def _budget_of(
        self, one: Implementation, queue: Queue, wanted: int, connection: psycopg.AsyncConnection[Any]
    ) -> tuple[bool, Budget | None]:
        budget: Budget | None = None

        async def ask() -> None:
            nonlocal budget
            answer = await _call(one, queue=queue, wanted=wanted, connection=connection)
            promised = self._enforces(one.plugin).intersection(queue.limited_by)
            if answer is None and promised:
                raise TypeError(f"it enforces {', '.join(sorted(promised))}, and gave no number")
            budget = None if answer is None else as_budget(answer)
            _check_in_transaction(connection, may_have_failed=budget is not None and budget.count == 0)

        return await self._in_claim(one.plugin, ask, connection), budget

    def _enforces(self, plugin: str) -> frozenset[str]:
        return enforced_by(one for one in self.loaded if one.name == plugin)

    async def _in_claim(
        self, plugin: str, call: Callable[[], Awaitable[Any]], connection: psycopg.AsyncConnection[Any]
    ) -> bool:
        """Call a plugin in a claim's transaction, which it must leave open. Returns whether that went well."""
        if plugin in self._budgets_off:
            return False
        try:
            await within(CLAIM_BUDGET_S, call, lambda held_s: self._held(plugin, "claim_budget", held_s))
        except HookAbandoned as error:
            # Not called again, and not forgotten either: without its word nothing may be claimed.
            self._budgets_off.add(plugin)
            self._tell_off(plugin, "claim_budget", error)
            await cut(connection)
            raise _cancelled_or(psycopg.OperationalError(f"the connection was cut in claim_budget: {error}")) from error
        except BaseException as error:
            if _is_ours(error):
                raise
            if connection.broken:
                # Weather, and nobody's fault.
                raise psycopg.OperationalError(f"the connection was lost in claim_budget: {_told(error)}") from error
            self._failed(plugin, "claim_budget", error)
            return False
        return True

    # -- the worker's life -----------------------------------------------------------------

    async def on_start(self, worker: Any) -> None:
        """Let each plugin start. Raises PluginError, naming the one that would not."""
        for one in self._hooks["on_start"]:
            try:
                await self._within(ON_START_S, one, "on_start", worker=worker)
            except BaseException as error:
                if _is_ours(error):
                    raise
                if not isinstance(error, HookAbandoned):
                    self._failed(one.plugin, "on_start", error)
                raise PluginError(f"The plugin {one.plugin!r} did not start: {_told(error)}") from error

    async def on_stop(self, worker: Any) -> None:
        """Let each plugin stop, in the opposite order."""
        for one in reversed(self._hooks["on_stop"]):
            await self._contained(ON_STOP_S, one, "on_stop", worker=worker)

    def ticking(self) -> list[Plugin]:
        """The plugins that want to tick."""
        names = {one.plugin for one in self._hooks["on_tick"]}
        return [one.plugin for one in self.loaded if one.name in names and one.plugin.interval]

    async def on_tick(self, plugin: Plugin, tick: Tick) -> bool:
        """Let one plugin tick. Returns whether that went well."""
        one = next((one for one in self._hooks["on_tick"] if one.plugin == plugin.name), None)
        if one is None:
            return True
        self.last_tick_at[plugin.name] = tick.now
        self.ticks[plugin.name] += 1
        self._ticked_at[plugin.name] = time.monotonic()
        return await self._contained(plugin.tick_timeout_s, one, "on_tick", tick=tick)

    def is_leader(self) -> bool:
        """Whether this worker leads; True where nobody has an opinion."""
        for one in self._hooks["is_leader"]:
            try:
                answer = self._timed(one, "is_leader")
            except BaseException as error:  # noqa: BLE001 -- whoever cannot say does not lead
                self._failed(one.plugin, "is_leader", error)
                return False
            if answer is not None:
                return bool(answer)
        return True

    # -- what plugins bring ----------------------------------------------------------------

    def migrations(self) -> list[Migration]:
        """Every plugin's migrations, in plugin order. Raises PluginError."""
        found: list[Migration] = []
        for one in self._hooks["migrations"]:
            brought = self._brought(one, "migrations", Migration)
            versions = [migration.version for migration in brought]
            if any(migration.owner != one.plugin for migration in brought) or versions != [
                *range(1, len(versions) + 1)
            ]:
                raise PluginError(
                    f"The plugin {one.plugin!r} brings migrations {[(m.owner, m.version) for m in brought]}: each "
                    "owner must be its name, and the versions count from 1."
                )
            found.extend(brought)
        return found

    def commands(self) -> list[Any]:
        """Every plugin's commands. Raises PluginError."""
        return [command for one in self._hooks["commands"] for command in self._brought(one, "commands", object)]

    def _brought(self, one: Implementation, hook: str, kind: type[T]) -> list[T]:
        try:
            brought = list(_call(one))
        except BaseException as error:
            raise PluginError(f"The plugin {one.plugin!r} failed in {hook}: {_told(error)}") from error
        if not all(isinstance(item, kind) for item in brought):
            raise PluginError(f"The plugin {one.plugin!r} returned {brought!r} from {hook}.")
        return brought

    # -- containment -----------------------------------------------------------------------

    async def _contained(self, seconds: float, one: Implementation, hook: str, **values: Any) -> bool:
        try:
            await self._within(seconds, one, hook, **values)
        except HookAbandoned as error:
            if _is_cancelled():
                raise asyncio.CancelledError from error
            return False
        except BaseException as error:
            # Only a cancellation that was asked of this very task is the kernel's own.
            if _is_ours(error):
                raise
            self._failed(one.plugin, hook, error)
            return False
        return True

    async def _within(self, seconds: float, one: Implementation, hook: str, **values: Any) -> None:
        """Call a coroutine hook. One that goes on although it was cancelled is switched off."""
        try:
            await within(seconds, lambda: _call(one, **values), lambda held_s: self._held(one.plugin, hook, held_s))
        except HookAbandoned as error:
            self._switch_off(one.plugin, hook, error)
            raise

    def _switch_off(self, plugin: str, hook: str, error: HookAbandoned) -> None:
        self._hooks[hook] = [one for one in self._hooks[hook] if one.plugin != plugin]
        self._tell_off(plugin, hook, error)

    def _tell_off(self, plugin: str, hook: str, error: HookAbandoned) -> None:
        self._count(plugin, hook, error)
        log.error(
            "hook_switched_off",
            plugin=plugin,
            hook=hook,
            reason=_told(error),
            hint="This process does not call it again. It must let CancelledError pass.",
        )

    def _timed(self, one: Implementation, hook: str, **values: Any) -> Any:
        start = time.monotonic()
        try:
            return _call(one, **values)
        finally:
            self._held(one.plugin, hook, time.monotonic() - start)

    def _held(self, plugin: str, hook: str, held_s: float) -> None:
        now = time.monotonic()
        if held_s > HELD_MAX_S and now - self._told_held.get((plugin, hook), float("-inf")) >= REPORT_EVERY_S:
            self._told_held[plugin, hook] = now
            log.warning(
                "hook_blocked",
                plugin=plugin,
                hook=hook,
                held_s=round(held_s, 3),
                hint="Nothing else ran meanwhile: a hook must not block.",
            )

    def _count(self, plugin: str, hook: str, error: BaseException) -> None:
        self.failures[plugin, hook] += 1
        self.last_error[plugin] = f"{hook}: {_told(error)}"
        self._failed_at[plugin] = time.monotonic()

    def _failed(self, plugin: str, hook: str, error: BaseException) -> None:
        self._count(plugin, hook, error)
        key = (plugin, hook)
        now = time.monotonic()
        reported_at, reported = self._reported.get(key, (float("-inf"), 0))
        if now - reported_at >= REPORT_EVERY_S:
            self._reported[key] = (now, self.failures[key])
            log.error(
                "hook_failed",
                plugin=plugin,
                hook=hook,
                failures=self.failures[key] - reported,
                error=_told(error),
                exc_info=(type(error), error, error.__traceback__),
            )


def _ordered(manager: pluggy.PluginManager, hook: str) -> list[Implementation]:
    caller = getattr(manager.hook, hook)
    return [
        Implementation(found.plugin_name, found.function, tuple(found.argnames))
        for found in reversed(caller.get_hookimpls())
    ]


def _call(one: Implementation, **values: Any) -> Any:
    return one.call(**{name: values[name] for name in one.arguments})


def _check_in_transaction(connection: psycopg.AsyncConnection[Any], *, may_have_failed: bool = False) -> None:
    status = connection.info.transaction_status
    if status is not TransactionStatus.INTRANS and not (may_have_failed and status is TransactionStatus.INERROR):
        raise PluginError(f"it must leave the transaction of the claim as it is, and left it {status.name}")


def _is_ours(error: BaseException) -> bool:
    return isinstance(error, asyncio.CancelledError) and _is_cancelled()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _cancelled_or(error: Exception) -> BaseException:
    return asyncio.CancelledError() if _is_cancelled() else error


def _told(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "it took too long"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _age_s(moment: float | None) -> float | None:
    return None if moment is None else time.monotonic() - moment


def _printable(text: str) -> str:
    """One line that any terminal and any database takes."""
    return "".join(char if char.isprintable() else " " for char in text[:ERROR_SHOWN])


def _same_length(changed: Any, jobs: list[Job]) -> list[Job]:
    if changed is None:
        return jobs
    if not isinstance(changed, list) or len(changed) != len(jobs) or not all(isinstance(j, Job) for j in changed):
        raise TypeError(f"it must return None or a list of {len(jobs)} jobs, not {changed!r:.200}")
    return changed


def _same_runs(changed: Any, jobs: list[QueuedJob]) -> list[QueuedJob]:
    if changed is None:
        return jobs
    wanted = {(job.id, job.claims) for job in jobs}
    if (
        not isinstance(changed, list)
        or len(changed) != len(jobs)
        or not all(isinstance(job, QueuedJob) for job in changed)
        or {(job.id, job.claims) for job in changed} != wanted
    ):
        raise TypeError(f"it must return None or the {len(jobs)} jobs it was given, not {changed!r:.200}")
    return changed
