"""`around_job`: what plugins put round a run, entered where the job runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Final, NamedTuple

from chancy_core.errors import PluginError
from chancy_core.log import log
from chancy_core.plugins.base import Plugin
from chancy_core.values.queuedjob import QueuedJob

Failed = Callable[[str, BaseException], None]
_NOTHING: Final = nullcontext()


def _logged(plugin: str, error: BaseException) -> None:
    log.error("hook_failed", plugin=plugin, hook="around_job", exc_info=error)


class _Hook(NamedTuple):
    plugin: str
    call: Any
    takes_job: bool


class Around:
    """The `around_job` hooks of some plugins, in order.

    Args:
        plugins: those that implement it. In a child process they are copies.
        failed: told of a context that could not be entered or left; by default that is logged.
    """

    def __init__(self, plugins: Sequence[Plugin] = (), failed: Failed = _logged) -> None:
        self.plugins: Final = tuple(plugins)
        self._hooks: Final = [_hook(plugin) for plugin in plugins]
        self._failed = failed

    def entered(self, job: QueuedJob) -> AbstractContextManager[Any]:
        """The contexts round one run of `job`, as one.

        Raises:
            PluginError: on entering, if one cannot be entered; those before it are left again.
        """
        return _Entered(self._hooks, job, self._failed) if self._hooks else _NOTHING


class _Entered:
    def __init__(self, hooks: Sequence[_Hook], job: QueuedJob, failed: Failed) -> None:
        self._hooks = hooks
        self._job = job
        self._failed = failed
        self._open: list[tuple[str, AbstractContextManager[Any]]] = []

    def __enter__(self) -> None:
        for hook in self._hooks:
            try:
                context = _called(hook, self._job)
                if context is not None:
                    context.__enter__()
                    self._open.append((hook.plugin, context))
            except BaseException as error:
                self._failed(hook.plugin, error)
                problem = PluginError(
                    f"The plugin {hook.plugin!r} failed in around_job, so the attempt failed: "
                    f"{type(error).__name__}: {error}"
                )
                self.__exit__(type(problem), problem, None)
                raise problem from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # What a plugin raises on leaving is its own affair, and so is what it returns: the run's outcome stands.
        while self._open:
            name, context = self._open.pop()
            try:
                context.__exit__(kind, error, traceback)
            except BaseException as broken:  # noqa: BLE001
                if broken is not error:
                    self._failed(name, broken)


def _hook(plugin: Plugin) -> _Hook:
    call: Any = plugin.around_job  # type: ignore[attr-defined]
    # The signature, not the code: `@contextmanager` puts a function of its own round the plugin's.
    return _Hook(plugin.name, call, "job" in inspect.signature(call).parameters)


def _called(hook: _Hook, job: QueuedJob) -> AbstractContextManager[Any] | None:
    found: AbstractContextManager[Any] | None = hook.call(job=job) if hook.takes_job else hook.call()
    if found is not None and not (hasattr(found, "__enter__") and hasattr(found, "__exit__")):
        raise TypeError(f"it must return a context manager or None, not {found!r:.60}")
    return found
