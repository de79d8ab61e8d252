"""Functions that do to logging what libraries and jobs do, and worse."""

from __future__ import annotations

import contextlib
import io
import logging
import logging.config
import os
import sys
import threading
from typing import Any


def raises_beside() -> None:
    """In a thread, and where nobody can catch it."""

    class Broken:
        def __del__(self) -> None:
            raise ValueError("in __del__")

    thread = threading.Thread(target=fails, kwargs={"message": "in a thread"}, name="beside")
    thread.start()
    thread.join()
    Broken()


def configures() -> None:
    """As a library's own set-up does: loggers that exist already are disabled by default."""
    logging.config.dictConfig({"version": 1})


def configures_root() -> None:
    """Everything goes nowhere."""
    null = {"class": "logging.NullHandler"}
    root = {"handlers": ["null"], "level": "CRITICAL"}
    logging.config.dictConfig({"version": 1, "handlers": {"null": null}, "root": root, "loggers": {"chancy": root}})


def forces() -> None:
    logging.basicConfig(force=True, stream=io.StringIO())
    logging.getLogger().handlers.clear()


def disables() -> None:
    logging.disable(logging.CRITICAL)
    logger = logging.getLogger("chancy")
    logger.disabled = True
    logger.setLevel(logging.CRITICAL + 1)
    logger.propagate = False
    logger.handlers.clear()


def breaks() -> None:
    """Whatever handles a record raises."""

    def no(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no records")

    logging.setLogRecordFactory(no)
    logging.getLogger("chancy").addFilter(no)
    for handler in logging.getLogger().handlers:
        handler.addFilter(no)


def takes_stderr() -> None:
    with contextlib.suppress(OSError):
        sys.stderr.close()
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115


def fails(*, message: str) -> None:
    raise ValueError(message)
