"""What is logged, where it says that it comes from, in which form, and that no job can silence it."""
# ruff: noqa: ASYNC220 -- a process that is started takes no time

from __future__ import annotations

import asyncio
import inspect
import io
import json
import logging
import os
import pty
import signal
import subprocess
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner
from support import IMPORT_PATH, WITHIN_S, captured_events, until

from chancy import Job, Queue, Worker
from chancy_core.cli.group import chancy as command
from chancy_core.cli.logs import ConsoleFormatter, JsonFormatter, without_passwords
from chancy_core.log import log

RUDE = ("raises_beside", "configures", "configures_root", "forces", "disables", "breaks", "takes_stderr")
NOWHERE = "postgresql://ann:hunter2@127.0.0.1:1/app?connect_timeout=2"


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


# -- records -------------------------------------------------------------------------------


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


# -- lines ---------------------------------------------------------------------------------

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
    assert line.pop("caller").startswith("test_logs.py:")
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


# -- the command ---------------------------------------------------------------------------


def said(*options: str, worker: tuple[str, ...] = (), terminal: bool = False, folder: Path, **variables: str) -> str:
    """What `chancy worker` says of a database that is not there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHANCY_")}
    started = [sys.executable, "-m", "chancy_core.cli", "--dsn", NOWHERE, *options, "worker", *worker]
    ours, theirs = pty.openpty()
    try:
        with (folder / "stderr").open("w+b") as file:
            done = subprocess.run(
                started,
                check=False,
                stderr=theirs if terminal else file,
                env={**environment, **variables},
                cwd=folder,
                timeout=WITHIN_S,
            )
            file.seek(0)
            found = os.read(ours, 100_000) if terminal else file.read()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 1
    assert b"hunter2" not in found
    return found.decode()


@pytest.mark.parametrize(
    ("how", "is_json"),
    [
        ({}, True),
        ({"terminal": True}, False),
        ({"worker": ("--log-format", "console")}, False),
        ({"worker": ("--log-format", "json"), "terminal": True}, True),
        ({"CHANCY_LOG_FORMAT": "console"}, False),
        ({"CHANCY_LOG_FORMAT": "json", "terminal": True}, True),
    ],
)
def test_lines_are_json_unless_it_is_a_terminal_or_somebody_says_so(how, is_json, tmp_path):
    """The option, the variable, or what standard error is; also for the line that says why it cannot start."""
    found = said(**how, folder=tmp_path, CHANCY_NONSENSE="1")
    lines = found.splitlines()
    if is_json:
        events = [json.loads(line) for line in lines]
        assert [event["event"] for event in events] == ["variable_ignored", "command_failed"]
        assert events[1]["type"] == "DatabaseUnavailable"
    else:
        assert "WARNING variable_ignored" in lines[0]
        assert lines[-1].startswith(("DatabaseUnavailable: ", "\x1b[31mDatabaseUnavailable:"))


def test_a_file_sets_the_format_and_an_option_is_stronger(tmp_path):
    """As for every setting; `chancy --log-format` before the command does the same."""
    (tmp_path / "chancy.toml").write_text('[chancy]\nlog_format = "console"\n')
    assert said(folder=tmp_path).startswith("DatabaseUnavailable: ")
    assert json.loads(said("--log-format", "json", folder=tmp_path))["event"] == "command_failed"


def test_a_format_that_there_is_not_is_refused(tmp_path, monkeypatch):
    """With those that there are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHANCY_LOG_FORMAT", "yaml")
    done = CliRunner().invoke(command, ["config"])
    assert done.exit_code == 1
    assert "CHANCY_LOG_FORMAT" in done.output
    assert '"auto", "json" or "console"' in done.output


# -- jobs that silence ---------------------------------------------------------------------


async def test_no_job_silences_the_worker(chancy, dsn, schema, tmp_path):
    """`chancy worker` tells of everything after each of them, in lines of JSON, once."""
    path = tmp_path / "worker.log"
    with path.open("wb") as out:
        worker = subprocess.Popen(
            [sys.executable, "-m", "chancy_core.cli", "--dsn", dsn, "--schema", schema, "worker"],
            stdin=subprocess.DEVNULL,
            stderr=out,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": IMPORT_PATH, "CHANCY_DISCOVER": "false"},
        )

    def events(name: str) -> list[dict[str, Any]]:
        lines = path.read_text().splitlines(keepends=True)
        return [line for line in map(json.loads, (one for one in lines if one.endswith("\n"))) if line["event"] == name]

    try:
        for number, name in enumerate(RUDE):
            job = await (await chancy.push(Job(func=f"rude_jobs.{name}"))).wait(timeout=WITHIN_S)
            assert job.state == "succeeded", job.errors
            queue = f"after-{number}"
            await chancy.declare(Queue(queue))
            await until(lambda queue=queue: [one for one in events("queue_served") if one["queue"] == queue])
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, WITHIN_S) == 0
    finally:
        worker.kill()
        worker.wait()
    (thread, unraisable) = events("exception_not_caught")
    assert (thread["thread"], "ValueError: in a thread" in thread["exception"]) == ("beside", True)
    assert "__del__" in unraisable["raised_in"]
    assert len(events("worker_started")) == len(events("worker_stopping")) == len(events("worker_stopped")) == 1


async def test_a_program_of_ones_own_is_not_silenced_by_a_dict_config(dsn, schema, chancy):
    """There, logging is the program's; but no `disable_existing_loggers` by the way ends its events."""
    done = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "own_program",
        dsn,
        schema,
        "rude_jobs.configures",
        "jobs.noop",
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": IMPORT_PATH},
    )
    _, said = await asyncio.wait_for(done.communicate(), WITHIN_S)
    assert done.returncode == 0, said
    assert b"INFO own_program.py event_written after='rude_jobs.configures'" in said
    assert b"INFO worker.py worker_stopped" in said
