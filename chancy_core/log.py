"""Structured events, through the standard library's logging: an application decides where they go, as for any library.

An event is named in the past tense and has fields. In the text of its record it reads `jobs_rescued failed=0
runnable_again=3`; the record's attribute `fields` has them as a dict, for JSON formatters.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import structlog

NAME: Final = "chancy"
_logger: Final = logging.getLogger(NAME)
# Not `logging.getLevelName`: an application may have other names for the levels, with colours for instance.
_METHODS: Final = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
}


class Log:
    """Writes events, with their fields; those that the level of the logger `chancy` lets pass."""

    def debug(self, event: str, **fields: Any) -> None:
        """What happened to one job, or costs nothing to leave out."""
        _write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """What happened to a batch, or to the worker."""
        _write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What somebody may have to look after."""
        _write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """What somebody has to look after. `exc_info` adds a traceback."""
        _write(logging.ERROR, event, fields)


log: Final = Log()


def _write(level: int, event: str, fields: dict[str, Any]) -> None:
    if not _logger.isEnabledFor(level):
        return
    try:
        write = getattr(_events(), _METHODS[level])
    except Exception:  # noqa: BLE001 -- no file can be opened any more, say, which is what the event is about
        plain = {"exc_info": fields.pop("exc_info", None), "extra": {"event": event, "fields": fields}}
        _logger.log(level, "%s %s", event, fields, **plain)
    else:
        write(event, **fields)


@cache
def _events() -> structlog.stdlib.BoundLogger:
    # With the first event that is written, and not before: with structlog comes rich, where that is installed, and most
    # processes that push have nothing to say. Together they are a fifth of what importing all of Chancy takes.
    import structlog  # noqa: PLC0415

    render = structlog.processors.KeyValueRenderer(sort_keys=True)

    def to_record(logger: Any, method: str, event: MutableMapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        name = event.pop("event")
        passed = {key: event.pop(key) for key in ("exc_info", "stack_info", "stacklevel") if key in event}
        text = f"{name} {render(logger, method, dict(event))}" if event else str(name)
        extra = {"event": name, "fields": dict(event)}
        # The text is an argument, not the format: it may contain a %.
        return ("%s", text), {**passed, "extra": extra}

    found: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        _logger,
        processors=[structlog.contextvars.merge_contextvars, to_record],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return found
