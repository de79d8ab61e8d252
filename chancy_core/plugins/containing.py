"""Contain what plugins do wrong: count it, report it once in a while, switch off what cannot be stopped."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from chancy_core.log import log
from chancy_core.plugins.base import Plugin
from chancy_core.plugins.calling import HookAbandoned, within
from chancy_core.plugins.weather import LostInHook, is_outage
from chancy_core.store.weather import text_of
from chancy_core.values.storable import one_line
from chancy_core.values.workerinfo import PluginStatus

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


class Containment:
    """The hooks that are called, and what is known of those who implement them.

    Attributes:
        failures: how often each (plugin, hook) has failed.
        last_error: what each plugin raised last.
        last_tick_at: when each plugin last ticked, by the database's clock.
        ticks: how often each plugin has ticked.
    """

    def __init__(self, hooks: dict[str, list[Implementation]]) -> None:
        self._hooks: Final = hooks
        self.failures: Final[Counter[tuple[str, str]]] = Counter()
        self.last_error: Final[dict[str, str]] = {}
        self.last_tick_at: Final[dict[str, Any]] = {}
        self.ticks: Final[Counter[str]] = Counter()
        self._ticked_at: Final[dict[str, float]] = {}
        self._failed_at: Final[dict[str, float]] = {}
        self._reported: dict[tuple[str, str], tuple[float, int]] = {}
        self._told_held: dict[tuple[str, str], float] = {}
        self._told_put_off: dict[tuple[str, str], float] = {}
        self._off: Final[dict[str, set[str]]] = {}

    def _status(self, plugin: Plugin) -> PluginStatus:
        name = plugin.name
        failed_s_ago = age_s(self._failed_at.get(name))
        error = self.last_error.get(name)
        if (trouble := plugin.trouble()) is not None:
            # It lasts, and so says more than what was raised some time ago.
            error, failed_s_ago = trouble, 0.0
        return PluginStatus(
            name=name,
            ticks=self.ticks[name],
            ticked_s_ago=age_s(self._ticked_at.get(name)),
            failures=sum(count for (one, _), count in dict(self.failures).items() if one == name),
            error=None if error is None else one_line(error, ERROR_SHOWN),
            failed_s_ago=failed_s_ago,
            off=sorted(self._off.get(name, ())),
        )

    def blame(self, hook: str, error: BaseException, plugin: str | None = None) -> None:
        """A transaction failed with this hook's plugins in it, or with one, and nobody can tell whose fault it was."""
        if isinstance(error, LostInHook):
            # It can: nobody's.
            return
        for one in self._hooks[hook]:
            if plugin in (None, one.plugin):
                self._failed(one.plugin, hook, error)

    async def _contained(self, seconds: float, one: Implementation, hook: str, **values: Any) -> bool:
        try:
            await self._within(seconds, one, hook, **values)
        except HookAbandoned as error:
            if is_cancelled():
                raise asyncio.CancelledError from error
            return False
        except BaseException as error:
            # Only a cancellation that was asked of this very task is the kernel's own.
            if is_ours(error):
                raise
            self._went_wrong(one.plugin, hook, error)
            return False
        return True

    async def _within(
        self,
        seconds: float,
        one: Implementation,
        hook: str,
        hindered: Callable[[], Awaitable[bool]] | None = None,
        **values: Any,
    ) -> Any:
        """Call a coroutine hook. One that goes on although it was cancelled is switched off."""
        more = () if hindered is None else (hindered,)
        try:
            return await within(
                seconds,
                lambda: call_hook(one, **values),
                lambda held_s: self._held(one.plugin, hook, held_s),
                *more,
            )
        except HookAbandoned as error:
            self._switch_off(one.plugin, hook, error)
            raise

    def _switch_off(self, plugin: str, hook: str, error: HookAbandoned) -> None:
        self._hooks[hook] = [one for one in self._hooks[hook] if one.plugin != plugin]
        self._tell_off(plugin, hook, error)

    def _tell_off(self, plugin: str, hook: str, error: HookAbandoned) -> None:
        self._count(plugin, hook, error)
        self._off.setdefault(plugin, set()).add(hook)
        log.error(
            "hook_switched_off",
            plugin=plugin,
            hook=hook,
            reason=told(error),
            hint="This process does not call it again. It must let CancelledError pass.",
        )

    def _timed(self, one: Implementation, hook: str, **values: Any) -> Any:
        start = time.monotonic()
        try:
            return call_hook(one, **values)
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
        self.last_error[plugin] = f"{hook}: {told(error)}"
        self._failed_at[plugin] = time.monotonic()

    def _went_wrong(self, plugin: str, hook: str, error: BaseException) -> None:
        """Count what a hook raised as its failure, unless it was the database that was not there for it."""
        if is_outage(error):
            self._put_off(plugin, hook, error)
        else:
            self._failed(plugin, hook, error)

    def _put_off(self, plugin: str, hook: str, error: BaseException) -> None:
        now = time.monotonic()
        if now - self._told_put_off.get((plugin, hook), float("-inf")) >= REPORT_EVERY_S:
            self._told_put_off[plugin, hook] = now
            log.warning("hook_put_off", plugin=plugin, hook=hook, error=text_of(error))

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
                error=told(error),
                exc_info=(type(error), error, error.__traceback__),
            )


def call_hook(one: Implementation, **values: Any) -> Any:
    """Call an implementation with those of these values that it takes."""
    return one.call(**{name: values[name] for name in one.arguments})


def is_ours(error: BaseException) -> bool:
    """Whether an error is a cancellation that was asked of this very task."""
    return isinstance(error, asyncio.CancelledError) and is_cancelled()


def is_cancelled() -> bool:
    """Whether this task is being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def cancelled_or(error: Exception) -> BaseException:
    """What to raise instead of an error: this task's own cancellation, if there is one."""
    return asyncio.CancelledError() if is_cancelled() else error


def told(error: BaseException) -> str:
    """An error in a line."""
    if isinstance(error, TimeoutError) and not str(error):
        return "it took too long"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def age_s(moment: float | None) -> float | None:
    """Seconds since a moment of the monotonic clock."""
    return None if moment is None else time.monotonic() - moment
