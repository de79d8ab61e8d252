"""What the `chancy` command writes to standard error: lines for a person, or JSON for whatever collects them."""

from __future__ import annotations

import io
import json
import logging
import math
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, TextIO

from chancy_core import log

AUTO: Final = "auto"
JSON: Final = "json"
CONSOLE: Final = "console"
VARIABLE: Final = "CHANCY_LOG_FORMAT"
FORMATS: Final = (AUTO, JSON, CONSOLE)
FORMAT_HELP: Final = "How events are written. Default: the setting log_format, or else JSON unless it is a terminal."
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
# What is the same in JSON; looked at by its very class, because most values are one of these.
_AS_THEY_ARE: Final = frozenset({bool, int, type(None)})
# Not the records' own: an application may have other names for the levels, with colours for instance.
_LEVELS: Final = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}
# No event has more; what somebody logs by mistake must not fill a disk with one line.
TEXT_MAX: Final = 20_000
ITEMS_MAX: Final = 1000
DEPTH_MAX: Final = 6
# Of a list in a line for a person, so many characters: an event with more of them would fill a screen.
LIST_MAX: Final = 160
# A login in a connection string, and a password in one of the other form or in a query: errors may quote them.
_LOGIN: Final = re.compile(r"(://[^\s:@/?#]*:)\S*(?=@)")
_PASSWORD: Final = re.compile(r"""(pass(?:word|wd)\w*\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&'"]+)""", re.IGNORECASE)


class ConsoleFormatter(logging.Formatter):
    """Time, level, text; a traceback follows in lines of its own."""

    def __init__(self) -> None:
        which = "" if _process is None else f"[{_process}] "
        super().__init__(f"%(asctime)s %(levelname)-7s {which}%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record."""
        return without_passwords(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- as the standard library calls it
        """The first line of a record: of a long list as much as somebody reads; all of it is in the line of JSON."""
        fields: dict[str, Any] = getattr(record, "fields", {})
        with suppress(Exception):  # what a value says of itself may fail, which the text of the record tells
            shortened = {key: short for key, value in fields.items() if (short := _shortened(value))}
            if shortened:
                record.message = log.text(getattr(record, "event", record.name), {**fields, **shortened})
        return super().formatMessage(record)


def _shortened(value: Any) -> list[Any] | None:
    """A list whose text is long, with a word for its end; None: it can be shown as it is."""
    if not isinstance(value, list | tuple) or len(str(value)) <= LIST_MAX:
        return None
    shown: list[Any] = []
    for item in value:
        # The first is shown however long it is: that there are more says nothing alone.
        if shown and len(str([*shown, item])) > LIST_MAX:
            break
        shown.append(item)
    left = len(value) - len(shown)
    return [*shown, f"… {left:,} more"] if left else None


class JsonFormatter(logging.Formatter):
    """One line of JSON for each record, whatever its values are.

    `timestamp` (UTC), `level`, `logger`, `event`, `caller` (file and line), `process` if the worker has several, then
    the event's fields; `exception` is the traceback. A field that is called like one of these has an underscore behind
    its name. Of other loggers, `event` is the message.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": _LEVELS.get(record.levelno) or record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", None) or record.getMessage(),
            "caller": f"{record.filename}:{record.lineno}",
        }
        if _process is not None:
            line["process"] = _process
        exception = self._exception(record)
        taken = {*line, "exception", "stack"}
        for key, value in getattr(record, "fields", {}).items():
            line[f"{key}_" if key in taken else str(key)] = value
        if exception:
            line["exception"] = exception
        if record.stack_info:
            line["stack"] = record.stack_info
        return _encode({key: _jsonable(value, DEPTH_MAX) for key, value in line.items()})

    def _exception(self, record: logging.LogRecord) -> str | None:
        if not record.exc_text and record.exc_info:
            record.exc_text = self.formatException(record.exc_info)
        return record.exc_text


def _jsonable(value: Any, depth: int) -> Any:
    """A value as JSON has it; what JSON does not have, as text."""
    kind = type(value)
    if kind is str:
        return without_passwords(_cut(value))
    if kind in _AS_THEY_ARE:
        return value
    return _made_jsonable(value, depth)


def _made_jsonable(value: Any, depth: int) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if depth > 0 and isinstance(value, Mapping):
        return {_text(key): _jsonable(item, depth - 1) for key, item in list(value.items())[:ITEMS_MAX]}
    if depth > 0 and isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item, depth - 1) for item in list(value)[:ITEMS_MAX]]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    return without_passwords(_text(value))


def _text(value: Any) -> str:
    try:
        return _cut(str.__str__(value if isinstance(value, str) else str(value)))
    except Exception as error:  # noqa: BLE001 -- a value may say of itself whatever it likes, or nothing
        return f"(a {type(value).__name__} that cannot be shown: {type(error).__name__})"


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]} … ({len(text):,} characters)"


def without_passwords(text: str) -> str:
    """A text without the passwords of connection strings that it quotes."""
    if "://" in text:
        text = _LOGIN.sub(r"\1***", text)
    if "=" in text and "pass" in text.lower():
        text = _PASSWORD.sub(r"\1***", text)
    return text


class SafeHandler(logging.StreamHandler[TextIO]):
    """Writes one record after the other, each in one piece; one that cannot be formatted is told in a line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, while none of the processes that share the log writes."""
        if _lock is None:
            super().emit(record)
            return
        import fcntl  # noqa: PLC0415 -- not on Windows, where there are no several processes

        # A pipe takes 4 KB in one piece; a line with a traceback is longer.
        fcntl.lockf(_lock, fcntl.LOCK_EX)
        try:
            super().emit(record)
        finally:
            fcntl.lockf(_lock, fcntl.LOCK_UN)

    def flush(self) -> None:
        """Write what is left; to a stream that somebody has closed, nothing."""
        with suppress(ValueError):
            super().flush()

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, by whichever formatter is in force."""
        try:
            return super().format(record)
        except Exception as error:  # noqa: BLE001 -- an exception's own text may raise
            name = str(getattr(record, "event", record.name))
            told = {"level": record.levelname.lower(), "event": name, "problem": f"not shown: {type(error).__name__}"}
            return json.dumps(told) if is_json() else f"{record.levelname} {name} ({told['problem']})"


class Others(logging.Handler):
    """For the root logger: what the worker's own handler has not written yet."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        if not getattr(record, "kept", False):
            _handler().handle(record)


_current: SafeHandler | None = None
# The log of several processes: which of them this is, and the file that is locked while one of them writes.
_process: int | None = None
_lock: int | None = None


def _handler() -> SafeHandler:
    global _current  # noqa: PLW0603 -- one process, one standard error
    if _current is None:
        _current = SafeHandler(sys.stderr)
        _current.setFormatter(ConsoleFormatter())
    return _current


def set_up(level: str, form: str | None) -> Callable[[], None]:
    """Write to standard error: events from this level on, and warnings of other libraries.

    Returns a function that puts the level back. A command is not always a process: Django's `call_command` runs one in
    a program that goes on, and some of them listen to less than this level while they run.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: what the command line says; None: nothing. What a file says is not known before it has been read.
    """
    _handler().setStream(sys.stderr)
    use(form or os.environ.get(VARIABLE, AUTO))
    logging.basicConfig(handlers=[Others()], level=logging.WARNING)
    logger = logging.getLogger(log.NAME)
    before = logger.level
    logger.setLevel(level.upper())
    return lambda: logger.setLevel(before)


def use(form: str) -> None:
    """Write in this form from now on: `auto`, `json` or `console`."""
    handler = _handler()
    if form not in (JSON, CONSOLE):
        form = CONSOLE if _is_terminal(handler.stream) else JSON
    handler.setFormatter(JsonFormatter() if form == JSON else ConsoleFormatter())


def share(lock: int, process: int | None) -> None:
    """From now on several processes write this log, a line at a time.

    Args:
        lock: the descriptor of a file that all of them have open.
        process: which of them this is, from one; None: it only supervises.
    """
    global _lock, _process
    _lock, _process = lock, process
    _handler().setFormatter(JsonFormatter() if is_json() else ConsoleFormatter())


def is_json() -> bool:
    """Whether lines are JSON now."""
    return isinstance(_handler().formatter, JsonFormatter)


def keep() -> None:
    """This process is a worker: its events are written whatever jobs do to logging, or to `sys.stderr`."""
    handler = _handler()
    try:
        descriptor = os.dup(handler.stream.fileno())
    except (OSError, io.UnsupportedOperation, AttributeError):
        pass
    else:
        handler.setStream(open(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1))  # noqa: SIM115, PTH123
    log.keep(handler, logging.getLogger(log.NAME).level)
    logging.captureWarnings(True)
    threading.excepthook = lambda told: _not_caught(told.exc_value, thread=getattr(told.thread, "name", None))
    sys.excepthook = lambda _type, error, _traceback: _not_caught(error)
    sys.unraisablehook = lambda told: _not_caught(told.exc_value, raised_in=_text(told.object))


def _not_caught(error: BaseException | None, **where: str | None) -> None:
    """What a thread of a job has raised, say: an event as well, because several lines are none in JSON."""
    if not isinstance(error, SystemExit):
        log.log.error("exception_not_caught", exc_info=error, **where)


def tell(error: BaseException) -> None:
    """Tell why the command ends: to a person, or to whatever collects a worker's events."""
    text = "\n".join([str(error).strip(), *getattr(error, "__notes__", ())])
    if log.is_kept() and is_json():
        log.log.error("command_failed", type=_name_of(error), error=text)
    else:
        from rich.console import Console  # noqa: PLC0415 -- as long to import as a question to the database takes
        from rich.markup import escape  # noqa: PLC0415

        Console(stderr=True, soft_wrap=True).print(f"[red]{_name_of(error)}:[/red] {escape(text)}")


def _name_of(error: BaseException) -> str:
    """The name under which an error is known."""
    return next(cls.__name__ for cls in type(error).__mro__ if not cls.__name__.startswith("_"))


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False
