"""The Chancy of a job: its worker's, or one of its own where no worker is, with the same settings."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chancy_core.errors import NotOpen, PluginError

if TYPE_CHECKING:
    from chancy_core.app import Chancy

NOBODY_S = (
    "This run has no Chancy: whoever called run_job gave it settings without one. Those that an executor has of its "
    "worker, self.settings.for_elsewhere(), have one."
)


class Elsewhere:
    """What it takes to have the Chancy of a worker in another process. It can be pickled.

    Whatever is in it is for those who use it: a child whose jobs do not push loads no plugin for that.

    Args:
        settings: those of the worker's Chancy, with the database that is in use.
        plugins: the plugins that were given to it by hand; the others are found there as here.
    """

    def __init__(self, settings: Any, plugins: Sequence[Any]) -> None:
        self._settings = settings
        self._plugins: list[bytes] = []
        self._problem: str | None = None
        for plugin in plugins:
            try:
                self._plugins.append(pickle.dumps(plugin))
            except Exception as error:  # noqa: BLE001 -- told to whoever pushes there, and to nobody else
                self._problem = _cannot(plugin.name, error)

    def __call__(self) -> Chancy:
        """A Chancy for this process, which opens itself.

        Raises:
            PluginError: a plugin cannot be here, so that what is pushed would differ.
        """
        from chancy_core.app import Chancy  # noqa: PLC0415 -- for those who push; it brings the database along

        if self._problem is not None:
            raise PluginError(self._problem)
        plugins = []
        for pickled in self._plugins:
            try:
                plugins.append(pickle.loads(pickled))  # noqa: S301 -- from the worker itself
            except Exception as error:
                raise PluginError(_cannot("given by hand", error)) from error
        return Chancy(config=self._settings, plugins=plugins)


def elsewhere(chancy: Chancy | None) -> Elsewhere | None:
    """What takes the Chancy of a worker to another process."""
    return None if chancy is None else Elsewhere(replace(chancy.settings, dsn=chancy.dsn), chancy.added)


class Own:
    """The Chancy of a process in which jobs of a worker run, made for the first of them that asks for it.

    Args:
        source: makes it; None: whoever runs these jobs has none.
    """

    def __init__(self, source: Callable[[], Chancy] | None) -> None:
        self._source = source
        self._made: Chancy | None = None
        self._making = threading.Lock()

    def __call__(self) -> Chancy:
        """That Chancy. Raises NotOpen, PluginError."""
        if self._source is None:
            raise NotOpen(NOBODY_S)
        with self._making:
            if self._made is None:
                self._made = self._source()
        return self._made

    def close(self) -> None:
        """Close it, if anybody has asked for it."""
        if self._made is not None:
            self._made.sync_close()


def _cannot(name: str, error: Exception) -> str:
    return (
        f"The plugin {name!r} cannot be sent to child processes, so a job there cannot push as its worker would: "
        f"{type(error).__name__}: {error}. Install it as a package, or let the job run in a thread."
    )
