"""Events: records that name their caller, and lines of JSON that are one line whatever the values."""

from __future__ import annotations

import inspect
import io
import json
import logging
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import structlog
from support import captured_events

from chancy import Worker
from chancy_core.cli.logs import ConsoleFormatter, JsonFormatter, without_passwords
from chancy_core.log import log


class Colour(StrEnum):
    RED = "red"


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Sly(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "}\n{"


def written(formatter: logging.Formatter, write: Any) -> str:
    """What a handler of the logger `chancy` writes of the events that `write` logs."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger("chancy")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        write()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    return stream.getvalue()


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_a_record_names_the_file_and_line_of_whoever_wrote_the_event(level):
    """Not those of structlog, nor of chancy_core.log."""
    lines = []

    def write() -> None:
        lines.append(inspect.currentframe().f_lineno + 1)
        getattr(log, level)("thing_happened")

    found = written(logging.Formatter("%(filename)s:%(lineno)d %(funcName)s %(levelname)s %(name)s"), write)
    assert found == f"{Path(__file__).name}:{lines[0]} write {level.upper()} chancy\n"


def test_a_helper_may_name_its_own_caller():
    """`stacklevel=2` is whoever called the function that writes the event."""
    lines = []

    def helper() -> None:
        log.info("thing_happened", stacklevel=2)

    def write() -> None:
        lines.append(inspect.currentframe().f_lineno + 1)
        helper()

    assert written(logging.Formatter("%(lineno)d %(funcName)s"), write) == f"{lines[0]} write\n"


async def test_a_workers_events_name_its_files(chancy):
    """Those that tests of a real worker see, too."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("chancy").addHandler(handler)
    try:
        with captured_events():
            async with Worker(chancy):
                pass
    finally:
        logging.getLogger("chancy").removeHandler(handler)
    assert ("worker_started", "worker.py") in {(record.event, record.filename) for record in records}
    assert "log.py" not in {record.filename for record in records}


def test_an_event_has_its_fields_and_those_bound_to_the_context():
    """In the text in their order, and as a dict."""
    with captured_events() as events, structlog.contextvars.bound_contextvars(request="r1"):
        log.warning("thing_happened", b=1, a="x %s y")
    assert events == [{"event": "thing_happened", "log_level": "warning", "b": 1, "a": "x %s y", "request": "r1"}]
    text = written(logging.Formatter("%(message)s"), lambda: log.info("thing_happened", b=1, a="x %s\ny"))
    assert text == "thing_happened a='x %s\\ny' b=1\n"


def test_the_traceback_of_an_exception_is_in_the_record():
    """Of one that is given, of the one that is handled, or as a text that somebody has already."""

    def write() -> None:
        error = ValueError("given")
        log.error("thing_failed", exc_info=error)
        try:
            {}["handled"]
        except KeyError:
            log.error("thing_failed", exc_info=True)
        log.error("thing_failed", exc_info=error, exc_text="Traceback: as text")
        log.error("thing_went_well", exc_info=None)

    found = written(logging.Formatter("%(message)s"), write)
    assert "ValueError: given" in found
    assert "KeyError: 'handled'" in found
    assert found.endswith("thing_failed\nTraceback: as text\nthing_went_well\n")


def test_writing_an_event_never_raises():
    """Whatever its values, its handlers and filters do."""

    def no(record: logging.LogRecord) -> bool:
        raise RuntimeError("no")

    logger = logging.getLogger("chancy")
    logger.addFilter(no)
    try:
        log.error("thing_failed", value=Unshowable())
    finally:
        logger.removeFilter(no)
    found = written(logging.Formatter("%(message)s"), lambda: log.error("thing_failed", value=Unshowable()))
    assert found == "thing_failed (its fields could not be shown: RuntimeError)\n"


def test_a_disabled_logger_is_heard_and_a_level_is_heeded():
    """`dictConfig` disables loggers by default; whoever wants silence sets a level."""

    def write() -> None:
        logging.getLogger("chancy").disabled = True
        log.info("thing_happened")
        logging.getLogger("chancy").setLevel(logging.ERROR)
        log.warning("thing_not_heard")

    assert written(logging.Formatter("%(message)s"), write) == "thing_happened\n"


VALUES = [
    None,
    True,
    1,
    2**90,
    1.5,
    float("nan"),
    float("inf"),
    "text",
    "two\nlines\r\u2028\x00\x1b[31m",
    "half a character \ud800",
    b"\xff\x00",
    Colour.RED,
    Sly("text"),
    Unshowable(),
    object(),
    datetime(2026, 1, 1, tzinfo=UTC),
    {"a": {"b": {1: [float("-inf"), Unshowable()]}}},
    {(1, 2): {3}, None: frozenset()},
    "x" * 1_000_000,
    list(range(100_000)),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_line_of_json_is_one_line_whatever_its_values(value):
    """It can be read, and is of a bounded length."""
    found = written(JsonFormatter(), lambda: log.error("thing_failed", value=value, exc_info=ValueError("a\nb")))
    assert found.count("\n") == 1
    assert len(found) < 100_000
    line = json.loads(found, parse_constant=pytest.fail)
    assert (line["event"], line["level"], line["logger"]) == ("thing_failed", "error", "chancy")
    assert "value" in line
    assert "ValueError: a\nb" in line["exception"]


def test_a_line_of_json_has_a_time_a_caller_and_the_fields():
    """Fields that are called like something else that stands there have an underscore behind their names."""
    fields = {"count": 2, "level": "x", "event_": 1, "exception": "e", "timestamp": None}
    line = json.loads(written(JsonFormatter(), lambda: log.info("things_happened", **fields)))
    at = datetime.fromisoformat(line.pop("timestamp"))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert line.pop("caller").startswith("test_log_records.py:")
    assert line == {
        "level": "info", "logger": "chancy", "event": "things_happened",
        "count": 2, "level_": "x", "event_": 1, "exception_": "e", "timestamp_": None,
    }  # fmt: skip


def test_records_of_other_loggers_are_lines_too():
    """Their event is their message."""
    record = logging.LogRecord("asyncio", logging.ERROR, "/x/base.py", 7, "Task %s\nwas lost", ("t",), None)
    line = json.loads(JsonFormatter().format(record))
    assert (line["logger"], line["event"], line["caller"]) == ("asyncio", "Task t\nwas lost", "base.py:7")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql://ann:hunter2@db/app?x=1 now", "at postgresql://ann:***@db/app?x=1 now"),
        ("postgresql://ann:hu@nter2@db/app", "postgresql://ann:***@db/app"),
        ("postgresql://:hunter2@db", "postgresql://:***@db"),
        ("host=db password=hunter2 dbname=app", "host=db password=*** dbname=app"),
        ("host=db password = 'hun ter\\'2' dbname=app", "host=db password = *** dbname=app"),
        ("postgresql://db/app?user=a&password=hunter2&x=1", "postgresql://db/app?user=a&password=***&x=1"),
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"),
        ("redis://:hunter2@cache:6379", "redis://:***@cache:6379"),
        ("no secret at http://host:80/path, a@b.c", "no secret at http://host:80/path, a@b.c"),
        ("a = 1, passed = 2", "a = 1, passed = 2"),
    ],
)
def test_passwords_are_left_out(text, shown):
    """In whatever text they come: a job's error may quote its connection string."""
    assert without_passwords(text) == shown
    for formatter in (JsonFormatter(), ConsoleFormatter()):
        found = written(formatter, lambda: log.error("thing_failed", values=[text], exc_info=ValueError(text)))
        assert "hunter2" not in found
        assert "ter\\'2" not in found
