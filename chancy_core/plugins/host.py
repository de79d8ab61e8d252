"""Call plugins so that none of them can take the queue down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import pluggy

from chancy_core import hookspecs
from chancy_core.errors import PluginError
from chancy_core.plugins.around import Around
from chancy_core.plugins.base import Plugin
from chancy_core.plugins.bringing import Bringing
from chancy_core.plugins.calling import HookAbandoned
from chancy_core.plugins.check import SPECS
from chancy_core.plugins.containing import Implementation, is_cancelled, is_ours, told
from chancy_core.plugins.finding import cannot_say, checked, together
from chancy_core.plugins.load import Loaded
from chancy_core.plugins.tick import Tick
from chancy_core.plugins.weather import HookPutOff, is_outage
from chancy_core.store.weather import text_of
from chancy_core.values.finding import Finding
from chancy_core.values.gauge import Gauge
from chancy_core.values.job import Job
from chancy_core.values.queuedjob import Outcome, QueuedJob
from chancy_core.values.raised import NO_ADVICE, Advice, Raised, advice_of
from chancy_core.values.ranges import DELAY_S
from chancy_core.values.verdicts import Verdict
from chancy_core.values.workerinfo import WorkerStatus

ON_OPEN_S: Final = 30.0
ON_START_S: Final = 30.0
ON_STOP_S: Final = 10.0
GAUGES_S: Final = 5.0


class PluginHost(Bringing):
    """The loaded plugins, and the only place that calls them.

    pluggy declares and orders. The calls are made here, because pluggy's own ends at the first exception and does not
    say whose it was.

    Attributes:
        changes_claimed: whether any of them may change jobs when they are claimed.
    """

    def __init__(self, loaded: Sequence[Loaded]) -> None:
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        # pluggy calls the last one registered first.
        for one in reversed(loaded):
            manager.register(one.plugin, one.name)
        super().__init__(loaded, {name: _ordered(manager, name) for name in SPECS})
        self.changes_claimed: Final = not all(_only_looks(one.call) for one in self._hooks["on_claim"])

    def implemented(self, plugin: str) -> list[str]:
        """The hooks that a plugin implements."""
        return [hook for hook, calls in self._hooks.items() if any(call.plugin == plugin for call in calls)]

    def status(self) -> WorkerStatus:
        """How the plugins do, for people to look at."""
        return WorkerStatus(
            leads=self.is_leader() if self.has("is_leader") else None,
            plugins=[self._status(one.plugin) for one in self.loaded],
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
                raise PluginError(f"The plugin {one.plugin!r} refused the push in on_push: {told(error)}") from error
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

    def on_recorded(self, outcomes: Sequence[Outcome], worker: Any) -> None:
        """Tell each plugin what has been recorded."""
        for one in self._hooks["on_recorded"]:
            try:
                self._timed(one, "on_recorded", outcomes=outcomes, worker=worker)
            except BaseException as error:  # noqa: BLE001 -- the outcomes are recorded, and others want to know too
                self._failed(one.plugin, "on_recorded", error)

    def on_failure(self, job: QueuedJob, error: Raised) -> Advice:
        """What the plugins want to become of a run that failed: the first that has an opinion."""
        for one in self._hooks["on_failure"]:
            try:
                answer = self._timed(one, "on_failure", job=job, error=error)
                if answer is not None:
                    return _advice(answer)
            except BaseException as broken:  # noqa: BLE001 -- others may know, and at last the job's own policy does
                self._failed(one.plugin, "on_failure", broken)
        return NO_ADVICE

    # -- the application's life, and the worker's ------------------------------------------

    async def on_open(self, chancy: Any) -> None:
        """Tell each plugin that its application is open. Raises PluginError, naming the one that failed."""
        for one in self._hooks["on_open"]:
            await self._must(ON_OPEN_S, one, "on_open", "did not open", chancy=chancy)

    def on_close(self, chancy: Any) -> None:
        """Tell each plugin that its application closes, in the opposite order."""
        for one in reversed(self._hooks["on_close"]):
            try:
                self._timed(one, "on_close", chancy=chancy)
            except BaseException as error:  # noqa: BLE001 -- it closes all the same
                self._failed(one.plugin, "on_close", error)

    async def on_start(self, worker: Any) -> None:
        """Let each plugin start. Raises PluginError, naming the one that would not."""
        for one in self._hooks["on_start"]:
            await self._must(ON_START_S, one, "on_start", "did not start", worker=worker)

    async def _must(self, seconds: float, one: Implementation, hook: str, complaint: str, **values: Any) -> None:
        """Call a coroutine hook without which nothing may begin."""
        try:
            await self._within(seconds, one, hook, **values)
        except BaseException as error:
            if is_ours(error):
                raise
            if not isinstance(error, HookAbandoned):
                self._failed(one.plugin, hook, error)
            raise PluginError(f"The plugin {one.plugin!r} {complaint}: {told(error)}") from error

    async def on_stop(self, worker: Any) -> None:
        """Let each plugin stop, in the opposite order."""
        for one in reversed(self._hooks["on_stop"]):
            await self._contained(ON_STOP_S, one, "on_stop", worker=worker)

    def ticking(self) -> list[Plugin]:
        """The plugins that want to tick."""
        names = {one.plugin for one in self._hooks["on_tick"]}
        return [one.plugin for one in self.loaded if one.name in names and one.plugin.interval]

    async def on_tick(self, plugin: Plugin, tick: Tick, hindered: Callable[[], Awaitable[bool]] | None = None) -> bool:
        """Let one plugin tick. Returns whether that went well.

        Args:
            plugin: the plugin.
            tick: what it is given.
            hindered: asked, when its time is over, whether it is the database that it waits for.

        Raises:
            HookPutOff: the database was not there for it.
        """
        one = next((one for one in self._hooks["on_tick"] if one.plugin == plugin.name), None)
        if one is None:
            return True
        self.last_tick_at[plugin.name] = tick.now
        self.ticks[plugin.name] += 1
        self._ticked_at[plugin.name] = time.monotonic()
        try:
            await self._within(plugin.tick_timeout_s, one, "on_tick", hindered, tick=tick)
        except HookAbandoned as error:
            if is_cancelled():
                raise asyncio.CancelledError from error
            return False
        except BaseException as error:
            if is_ours(error):
                raise
            self._went_wrong(plugin.name, "on_tick", error)
            if is_outage(error):
                raise HookPutOff(text_of(error)) from error
            return False
        return True

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

    # -- what is wrong ---------------------------------------------------------------------

    async def findings(
        self, chancy: Any, seconds: float, of_outage: Callable[[BaseException], Finding]
    ) -> list[Finding]:
        """What each plugin finds wrong now, in plugin order. One that cannot say is a finding itself.

        Args:
            chancy: the application, which is open.
            seconds: how long each plugin has.
            of_outage: makes the finding about a database that was not there for a plugin.
        """
        calls = self._hooks["findings"]
        asked = [(one.plugin, self._found(one, chancy, seconds, of_outage)) for one in calls]
        return await together(asked, seconds)

    async def _found(
        self, one: Implementation, chancy: Any, seconds: float, of_outage: Callable[[BaseException], Finding]
    ) -> list[Finding]:
        try:
            return checked(await self._within(seconds, one, "findings", chancy=chancy))
        except BaseException as error:
            if is_ours(error):
                raise
            if is_outage(error):
                return [of_outage(error)]
            if not isinstance(error, HookAbandoned):
                self._failed(one.plugin, "findings", error)
            return [cannot_say(one.plugin, told(error))]

    # -- how it stands -------------------------------------------------------------------------

    async def gauges(self, chancy: Any) -> list[tuple[str, Gauge]]:
        """The gauges of each plugin, with its name, in plugin order. Those of one that cannot say are left out.

        Args:
            chancy: the worker's.
        """
        found: list[tuple[str, Gauge]] = []
        for one in self._hooks["gauges"]:
            try:
                told_of = await self._within(GAUGES_S, one, "gauges", chancy=chancy)
                if not isinstance(told_of, list) or not all(isinstance(gauge, Gauge) for gauge in told_of):
                    raise TypeError(f"it must return a list of objects of the type Gauge, not {told_of!r:.200}")  # noqa: TRY301 -- as what it raises
            except BaseException as error:
                if is_ours(error):
                    raise
                if not isinstance(error, HookAbandoned):
                    self._failed(one.plugin, "gauges", error)
                continue
            found += [(one.plugin, gauge) for gauge in told_of]
        return found


def _ordered(manager: pluggy.PluginManager, hook: str) -> list[Implementation]:
    caller = getattr(manager.hook, hook)
    return [
        Implementation(found.plugin_name, found.function, tuple(found.argnames))
        for found in reversed(caller.get_hookimpls())
    ]


def _only_looks(function: Callable[..., Any]) -> bool:
    """Whether a hook says of itself, by `-> None`, that it changes nothing."""
    return getattr(function, "__annotations__", {}).get("return", Any) in (None, "None")


def _advice(answer: Any) -> Advice:
    if isinstance(answer, Verdict):
        told = Raised.of(answer)
        if told.wish is None:
            raise TypeError(told.message)
        return advice_of(told)
    delay_s = answer.total_seconds() if isinstance(answer, timedelta) else answer
    if not DELAY_S.holds(delay_s):
        allowed = f"None, seconds from 0 to {DELAY_S.high:,}, or a Retry, Snooze or Cancel"
        raise TypeError(f"it must return {allowed}, not {answer!r:.200}")
    return Advice(delay_s=float(delay_s))


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
