"""How a worker's process is told to stop: by signals, and by its supervisor. It ends, whatever it does."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from chancy_core.cli.supervised import Supervisor
from chancy_core.log import log
from chancy_core.worker import Stopped, Worker
from chancy_core.worker.signals import heeded_to_the_end

# A second signal ends the process within a second, whatever hangs.
SECOND_ENDS_WITHIN_S: Final = 0.9


class Told(asyncio.Event):
    """Set when the process has been told to stop.

    Attributes:
        code: the exit code, if it has to be ended now.
    """

    code: int = Stopped.AT_ONCE


class Heeding:
    """Heeds signals: the first one stops the worker in good order, the second one ends the process within a second.

    A process of a supervisor is ended at once only by that. Its supervisor passes on what it is told, and whoever
    signals every process of a service, as systemd does, reaches this one besides: two signals may be one wish.

    Args:
        worker: the worker.
        told: set when it is told to stop.
        supervisor: the supervisor, if the process has one.
    """

    def __init__(self, worker: Worker, told: Told, supervisor: Supervisor | None) -> None:
        self._worker: Final = worker
        self._told: Final = told
        self._supervisor: Final = supervisor
        self._loop: Final = asyncio.get_running_loop()
        self._heard = 0
        self._hurried = False

    def begin(self) -> None:
        """Heed them, until the process ends."""
        heeded_to_the_end(self.hear_signal)
        if self._supervisor is not None:
            self._supervisor.heard_by(self)

    def hear_signal(self) -> None:
        """Heed a signal, whoever sent it."""
        if self._supervisor is not None and self._supervisor.lives:
            self.stop()
            return
        self._heard += 1
        if self._heard > 1:
            self.stop_at_once()
        else:
            self.stop()

    def stop(self) -> None:
        """Stop in good order. Said again, it changes nothing."""
        self._on_loop(self._stop)

    def stop_at_once(self) -> None:
        """End within a second. Said again, it changes nothing."""
        if not self._hurried:
            self._hurried = True
            end_within(SECOND_ENDS_WITHIN_S, code=self._told.code, reason="told twice", worker=self._worker)
        self._on_loop(self._hurry)

    def _on_loop(self, tell: Callable[[], None]) -> None:
        # A closed loop: the worker has stopped, and the process is about to end.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(tell)

    def _stop(self) -> None:
        self._told.set()
        if not self._worker.stopping:
            self._worker.shut_down()

    def _hurry(self) -> None:
        self._stop()
        if not self._worker.told_twice:
            self._worker.shut_down()


def end_within(seconds: float, *, code: int, reason: str, worker: Worker | None = None) -> None:
    """End the process after so many seconds, if something that ignores being told to stop keeps it from ending."""

    def end() -> None:
        time.sleep(seconds)
        unwritten = worker.unwritten if worker is not None else 0
        log.error(
            "exit_forced",
            code=Stopped.UNWRITTEN if unwritten else code,
            reason=reason,
            unwritten=unwritten,
            hint="A task or a thread of a job or a plugin did not end, or the database did not answer.",
        )
        logging.shutdown()
        os._exit(Stopped.UNWRITTEN if unwritten else code)

    threading.Thread(target=end, name="chancy-end", daemon=True).start()
