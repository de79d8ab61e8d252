"""Structured events, through the standard library's logging: an application decides where they go, as for any library.

An event is named in the past tense and has fields. In the text of its record it reads `jobs_rescued failed=0
runnable_again=3`; the record's attribute `fields` has them as a dict, for JSON formatters. The record's file and line
are those of whoever wrote the event.

Jobs share the process of a worker, and do to logging what they like. Events survive it: see `Log` and `keep`.
"""

from __future__ import annotations

import logging
import sys
import traceback
from contextlib import suppress
from functools import cache
from types import FrameType, TracebackType
from typing import Any, Final, NamedTuple, TypeAlias

NAME: Final = "chancy"
_logger: Final = logging.getLogger(NAME)
# From the frame that asks for its caller's to whoever wrote the event: `_record`, `_write`, `Log.info`, and the writer.
_DEPTH: Final = 3
_Raised: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]


class Log:
    """Writes events, with their fields; those that the level of the logger `chancy` lets pass.

    Writing never raises. The logger's `disabled` is not heeded: `dictConfig` and `fileConfig` set it by default, in
    whatever library or job they are called. To hear nothing, set a level.

    These fields are not shown as such: `exc_info` (an exception, or True for the one that is being handled) adds a
    traceback; `exc_text` is its text, if somebody has it already; `stacklevel`, counted from one, names a caller
    further up; `stack_info=True` adds the stack.
    """

    def hears(self, level: int) -> bool:
        """Whether anybody hears of events of this level, for those whose fields cost something."""
        if _logger.disabled:
            _logger.disabled = False
        return (_kept is not None and level >= _kept.level) or _logger.isEnabledFor(level)

    def debug(self, event: str, /, **fields: Any) -> None:
        """What happened to one job, or costs nothing to leave out."""
        _write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        """What happened to a batch, or to the worker."""
        _write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        """What somebody may have to look after."""
        _write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """What somebody has to look after. `exc_info` adds a traceback."""
        _write(logging.ERROR, event, fields)


log: Final = Log()


def below(logger: logging.Logger | None) -> logging.Logger:
    """Write events below a logger of the application's: to its handlers, and from its level on.

    There is one logger of events in a process, so the last that was given holds.

    Args:
        logger: that one; None: leave everything as it is, which is below the root logger.

    Returns:
        The logger to set levels and handlers on: the one that was given, or `chancy`.
    """
    if logger is None or logger is _logger:
        return _logger
    above: logging.Logger | None = logger
    while above is not None and above is not _logger:
        above = above.parent
    if above is None:
        _logger.parent = logger
        # Loggers remember which levels they let pass, until a level is set.
        _logger.setLevel(_logger.level)
    return logger


class _Kept(NamedTuple):
    """A handler that gets events, whatever becomes of the logger; and from which level on."""

    handler: logging.Handler
    level: int


_kept: _Kept | None = None


def keep(handler: logging.Handler | None, level: int = logging.INFO) -> None:
    """Give each event to this handler, too, whatever anybody does to logging; None: to none any more.

    For a process that is a worker and nothing else. A job's `dictConfig` replaces the handlers of the root logger,
    `logging.disable` silences all of them, and a level may be set by anyone. The records it gets have the attribute
    `kept`, so that another handler for the same place can leave them out.
    """
    global _kept  # noqa: PLW0603 -- one process, one log
    _kept = None if handler is None else _Kept(handler, level)


def is_kept() -> bool:
    """Whether a handler is kept: this process is a worker and nothing else."""
    return _kept is not None


def _write(level: int, event: str, fields: dict[str, Any]) -> None:
    if _logger.disabled:
        _logger.disabled = False
    kept = _kept is not None and level >= _kept.level
    heard = _logger.isEnabledFor(level)
    if not (kept or heard):
        return
    record = _record(level, event, fields)
    if kept and _kept is not None:
        record.kept = True
        with suppress(Exception):
            _kept.handler.handle(record)
    if heard:
        # A filter, or a handler of somebody's own, may raise: that is no reason to stop working.
        with suppress(Exception):
            _logger.handle(record)


def _record(level: int, event: str, fields: dict[str, Any]) -> logging.LogRecord:
    raised = _raised(fields.pop("exc_info", None))
    raised_text = fields.pop("exc_text", None)
    frame = _writer(fields.pop("stacklevel", 1))
    stack = "".join(traceback.format_stack(frame)).rstrip() if fields.pop("stack_info", False) else None
    with suppress(Exception):
        # What is bound to the context. Perhaps no file can be opened any more, which is what the event is about.
        fields = dict(_structlog()[0](None, "", fields))
    code = frame.f_code
    # Not made by the factory, which a job may have replaced. The text is an argument: it may contain a %.
    text = (_Text(event, fields),)
    record = logging.LogRecord(NAME, level, code.co_filename, frame.f_lineno, "%s", text, raised, code.co_name, stack)
    record.exc_text = raised_text
    record.event, record.fields = event, fields
    return record


def _writer(stacklevel: int) -> FrameType:
    """The frame of whoever wrote the event."""
    frame: FrameType = sys._getframe(_DEPTH + 1)  # noqa: SLF001 -- as the standard library's findCaller does
    while stacklevel > 1 and frame.f_back is not None:
        frame = frame.f_back
        stacklevel -= 1
    return frame


def _raised(exc_info: Any) -> _Raised | None:
    error = sys.exc_info()[1] if exc_info is True else exc_info
    if isinstance(error, tuple):
        error = error[1] if len(error) > 1 else None
    return (type(error), error, error.__traceback__) if isinstance(error, BaseException) else None


def text(event: str, fields: dict[str, Any]) -> str:
    """The text of an event with these fields."""
    return str(_Text(event, fields))


class _Text:
    """The text of an event, made when somebody wants it: lines of JSON have no use for it."""

    __slots__ = ("_event", "_fields")

    def __init__(self, event: str, fields: dict[str, Any]) -> None:
        self._event = event
        self._fields = fields

    def __str__(self) -> str:
        if not self._fields:
            return self._event
        try:
            return f"{self._event} {self._shown()}"
        except Exception as error:  # noqa: BLE001 -- a value's repr may raise
            return f"{self._event} (its fields could not be shown: {type(error).__name__})"

    def __repr__(self) -> str:
        return repr(str(self))

    def _shown(self) -> str:
        try:
            return str(_structlog()[1](None, "", dict(self._fields)))
        except OSError:
            return repr(self._fields)


@cache
def _structlog() -> tuple[Any, Any]:
    # With the first event that is written, and not before: with structlog comes rich, where that is installed, and most
    # processes that push have nothing to say. Together they are a fifth of what importing all of Chancy takes.
    import structlog  # noqa: PLC0415

    return structlog.contextvars.merge_contextvars, structlog.processors.KeyValueRenderer(sort_keys=True)
