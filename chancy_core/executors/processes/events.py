"""Events of a child: written by its worker, which knows where they go, and in which form.

A child knows nothing of the logging set-up of its worker. Its own lines would stand between those of the worker, in
another form, or nowhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from chancy_core.executors.processes.frames import Wrote
from chancy_core.log import NAME, log
from chancy_core.values.storable import TRACEBACK_MAX, clean, noted

# An event of a child has no more fields than this.
FIELDS_MAX: Final = 20
NAME_MAX: Final = 100
_FORMATTER: Final = logging.Formatter()


class Forwarding(logging.Handler):
    """In the child: hands events to the worker.

    Args:
        say: sends a message to it.
    """

    def __init__(self, say: Callable[[Wrote], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over a record; whatever else writes to this logger is not an event, and has a text."""
        # An event that cannot be told must not cost the run.
        with suppress(Exception):
            traceback = record.exc_text or (_FORMATTER.formatException(record.exc_info) if record.exc_info else None)
            fields = getattr(record, "fields", {})
            self._say(
                Wrote(
                    record.levelno,
                    noted(getattr(record, "event", None) or record.getMessage()),
                    {str(key): _text(value) for key, value in list(fields.items())[:FIELDS_MAX]},
                    None if traceback is None else clean(traceback, TRACEBACK_MAX, keep_end=True),
                    f"{record.filename}:{record.lineno}",
                )
            )


def _text(value: object) -> str:
    try:
        return noted(str.__str__(str(value)))
    except Exception as error:  # noqa: BLE001 -- a value may say of itself whatever it likes
        return f"(a {type(value).__name__} that cannot be shown: {type(error).__name__})"


def forward_events(say: Callable[[Wrote], None]) -> None:
    """From now on, hand the events of this process to its worker."""
    logging.getLogger(NAME).addHandler(Forwarding(say))


def write_event(pid: int | None, wrote: Wrote) -> None:
    """In the worker: write an event of a child. It may be one that a job has made up, and is held to its bounds."""
    fields = {
        name[:NAME_MAX]: noted(value)
        for name, value in list(wrote.fields.items())[:FIELDS_MAX]
        if name.isidentifier() and name not in ("exc_info", "exc_text", "stack_info", "stacklevel")
    }
    traceback = None if wrote.traceback is None else clean(wrote.traceback, TRACEBACK_MAX, keep_end=True)
    write = log.error if wrote.level >= logging.ERROR else log.warning if wrote.level >= logging.WARNING else log.info
    fields |= {"child": str(pid), "written_at": noted(wrote.caller)}
    write(noted(wrote.event)[:NAME_MAX], exc_text=traceback, **fields)
