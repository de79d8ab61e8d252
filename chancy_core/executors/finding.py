"""Finding a job's function without holding up the worker's event loop: what is not imported yet is, in a thread."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any, Final

from chancy_core.errors import CannotRunHere
from chancy_core.executors.functions import Function, Functions
from chancy_core.executors.shortage import NoThread
from chancy_core.values.queuedjob import QueuedJob

# What a module says that can be imported by a process's main thread only: it handles signals, or looks for a loop.
_MAIN_ONLY: Final = ("main thread", "event loop")


class Finder:
    """Finds functions for whoever runs on a loop: at once, if it is known; else once its module has been imported.

    Importing a module may take seconds, and runs code of its own. So a thread does it, and all jobs of that function
    wait for the same import, while the loop goes on, and with it the lease, claims, and other jobs. Each import has a
    thread of its own, for which nobody waits at the end: some imports never come to theirs.

    Args:
        functions: what is known.
    """

    def __init__(self, functions: Functions) -> None:
        self._functions: Final = functions
        # By its name, what came of the import: nothing, or what it raised.
        self._imports: Final[dict[str, asyncio.Future[BaseException | None]]] = {}

    async def find(self, job: QueuedJob) -> Function:
        """The function of `job`, as `Functions.find` finds it. Raises what that raises, or NoThread."""
        function = self._functions.find_known(job)
        if function is None:
            imported = self._imports.get(job.func) or self._import(job.func)
            # A job that is cancelled while it waits takes the import from nobody else.
            error = await asyncio.shield(imported)
            if error is not None:
                raise error
            function = self._functions.find(job)
        return function

    def _import(self, func: str) -> asyncio.Future[BaseException | None]:
        loop = asyncio.get_running_loop()
        imported = self._imports[func] = loop.create_future()

        def ended(error: BaseException | None) -> None:
            if error is not None and _wants_main(error):
                error = self._problem(func)
            self._imports.pop(func, None)
            imported.set_result(error)

        def work() -> None:
            error = self._problem(func)
            # The loop may have been closed meanwhile.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(ended, error)

        try:
            threading.Thread(target=work, name=f"chancy-import-{func}", daemon=True).start()
        except RuntimeError as error:
            ended(NoThread(f"no thread could be started to import {func}: {error}"))
        return imported

    def _problem(self, func: str) -> BaseException | None:
        """Import a function; what that raised, if it did."""
        try:
            self._functions.load(func)
        except BaseException as error:  # noqa: BLE001 -- an import may raise anything
            return error
        return None


def _wants_main(error: BaseException) -> bool:
    """Whether a module failed only because it was not imported by the main thread. Then it is, as it always was."""
    cause: Any = error.__cause__
    if not isinstance(error, CannotRunHere) or not isinstance(cause, ValueError | RuntimeError):
        return False
    return any(words in str(cause) for words in _MAIN_ONLY)
