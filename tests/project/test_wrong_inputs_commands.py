"""Wrong command lines: each ends in one line to act on and a code that is not 0, and changes nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from nonsense import tables
from support import IMPORT_PATH, SHARED

from chancy import Job, Queue

SOME = "01a220a5-0000-77eb-8433-50797778fbc1"
# What is written after `chancy`, and what must be said.
ROWS: dict[str, list[tuple[list[str], str]]] = {
    "chancy": [
        (["nope"], "No such command 'nope'"),
        (["cron", "list"], "No such command 'cron'. It comes with the plugin cron … pip install chancy-cron"),
        (["prune"], "pip install chancy-pruner"),
        (["misc", "migrate"], "No such command 'misc' … is done by `chancy migrate`"),
        (["--nope", "queue", "list"], "No such option '--nope'"),
        (["--dsn"], "Option '--dsn' requires an argument"),
        (
            ["--dsn", "nonsense", "queue", "list"],
            "not a PostgreSQL connection string … postgresql://user:password@host",
        ),
        (["--dsn", "mysql://h/x", "queue", "list"], "it begins with mysql, and Chancy needs PostgreSQL"),
        (["--dsn", "", "queue", "list"], "argument dsn is empty … give a connection string"),
        (
            ["--dsn", "postgresql://127.0.0.1:1/x", "queue", "list"],
            "127.0.0.1:1, database x … Check that the server runs",
        ),
        (["--schema", "my app", "queue", "list"], "schema is 'my app' … lower-case letters"),
        (["--schema", "", "queue", "list"], "argument schema is empty … the name of a schema"),
        (
            ["--config", "nope.toml", "queue", "list"],
            "nope.toml, named by the argument config, cannot be read: No such",
        ),
        (["--config", "/tmp", "queue", "list"], "--config … '/tmp' is a directory"),
        (["--log-level", "loud", "queue", "list"], "--log-level … 'loud' is not one of 'debug', 'info'"),
        (["--log-format", "xml", "queue", "list"], "--log-format … 'xml' is not one of 'auto', 'json'"),
        (["--schema", "a\udcff", "queue", "list"], "schema"),
    ],
    "push": [
        (["push"], "Missing argument 'FUNC'"),
        (["push", "app.f", "more"], "unexpected extra argument (more)"),
        (["push", ""], "func is empty"),
        (["push", "app f"], "func is 'app f' … 'package.module.function'"),
        (["push", "app.f\udcff"], "func 'app.f\\udcff' contains a lone surrogate"),
        (["push", "app.f", "--queue", "nope"], "Queue 'nope' … 'default', 'mail'"),
        (["push", "app.f", "--queue", "mial"], "'mial' … Did you mean 'mail'?"),
        (["push", "app.f", "--queue", ""], "queue is empty"),
        (["push", "app.f", "--queue", "a\udcff"], "lone surrogate"),
        (["push", "app.f", "--kwargs"], "Option '--kwargs' requires an argument"),
        (["push", "app.f", "--kwargs", "{"], '--kwargs is \'{\', which is not JSON … {"name": "Alice"}'),
        (["push", "app.f", "--kwargs", "to=x"], "--kwargs is 'to=x', which is not JSON"),
        (["push", "app.f", "--kwargs", "{'to': 1}"], "--kwargs is \"{'to': 1}\", which is not JSON"),
        (["push", "app.f", "--kwargs", '{"a": NaN}'], "--kwargs is '{\"a\": NaN}', which is not JSON"),
        (["push", "app.f", "--kwargs", "[1]"], "kwargs is [1] … a mapping"),
        (["push", "app.f", "--kwargs", '"x"'], "kwargs is 'x' … a mapping"),
        (["push", "app.f", "--kwargs", '{"a": "\\u0000"}'], "kwargs['a'] contains a NUL character"),
        (["push", "app.f", "--priority", "high"], "--priority … 'high': give a whole number from -2,147,483,648"),
        (["push", "app.f", "--priority", "1.5"], "--priority … '1.5': give a whole number"),
        (["push", "app.f", "--priority", "99999999999"], "--priority … to 2,147,483,647"),
        (["push", "app.f", "--max-attempts", "0"], "--max-attempts … '0': give a whole number from 1"),
        (["push", "app.f", "--unique-key", ""], "unique_key is empty"),
        (["push", "app.f", "--limit", "memory"], "--limit is 'memory': give memory=BYTES or time=SECONDS"),
        (["push", "app.f", "--limit", "memory=1GB"], "--limit is 'memory=1GB': give memory=BYTES"),
        (["push", "app.f", "--limit", "cpu=5"], "Limit type 'cpu' is unknown … 'memory' and 'time'"),
        (["push", "app.f", "--limit", "time=0"], "Limit time is 0: give a number of seconds above zero"),
        (["push", "app.f", "--limit", "time=nan"], "Limit time is nan"),
        (["push", "app.f", "--limit", "time=1", "--limit", "time=2"], "two of the same type … Keep one of each"),
        (["push", "app.f", "--timeout", "5"], "--timeout is given, but not --wait"),
        (["push", "app.f", "--wait", "--timeout", "soon"], "--timeout … 'soon': give seconds from 0"),
        (["push", "app.f", "--wait", "--timeout", "nan"], "--timeout … 'nan': give seconds from 0"),
        (["push", "app.f", "--prioritty", "5"], "No such option '--prioritty'"),
    ],
    "job": [
        (["job"], "Missing argument 'ID'"),
        (["job", "x"], "'x' is not the id of a job … the text of a UUID"),
        (["job", SOME], f"There is no job {SOME} in "),
        (["job", SOME, "--cancel"], f"There is no job {SOME}"),
        (["job", SOME, "--retry"], f"{SOME} was not brought back"),
        (["job", SOME, "--cancel", "--retry"], "--cancel and --retry exclude each other"),
        (["job", SOME, "--reason", "x"], "--reason is given, but not --cancel"),
        (["job", SOME, "--cancel", "--reason", ""], "reason is empty"),
        (["job", "\udcff"], "is not the id of a job"),
    ],
    "queue": [
        (["queue", "nope"], "No such command 'nope'"),
        (["queue", "list", "mail"], "unexpected extra argument (mail)"),
        (["queue", "declare"], "Missing argument 'NAME'"),
        (["queue", "declare", "my mail"], "Queue name 'my mail' … letters, digits"),
        (["queue", "declare", "q", "--concurrency", "0"], "--concurrency … '0': give a whole number from 1 to 10,000"),
        (["queue", "declare", "q", "--concurrency", "many"], "--concurrency … 'many': give a whole number"),
        (["queue", "declare", "q", "--tag", "("], "Queue 'q' … tag '(' is not a regular expression"),
        (["queue", "declare", "q", "--executor", "threds"], "Queue 'q' … 'threds' … Did you mean 'threaded'?"),
        (["queue", "declare", "q", "--executor", "subinterpreter"], "Queue 'q' … is not there yet"),
        (["queue", "declare", "q", "--rate-limit", "5"], "Queue 'q' … rate_limit is 5 … pip install chancy-limits"),
        (["queue", "declare", "q", "--rate-limit", "0"], "--rate-limit … '0': give a whole number from 1"),
        (["queue", "declare", "q", "--polling-interval", "nan"], "--polling-interval … 'nan': give seconds above 0"),
        (["queue", "declare", "q", "--rate-limit-window", "0"], "--rate-limit-window … '0': give seconds from 0.1"),
        (["queue", "declare", "q", "--global-concurrency", "x"], "--global-concurrency … 'x': give a whole number"),
        (["queue", "pause"], "Missing argument 'NAME'"),
        (["queue", "pause", "nope"], "Queue 'nope' … 'default', 'mail'"),
        (["queue", "pause", ""], "The queue's name is empty"),
        (["queue", "pause", "a\udcff"], "lone surrogate"),
        (["queue", "pause", "mail", "--until", "tomorrow"], "--until … 'tomorrow'"),
        (["queue", "pause", "mail", "--until", ""], "--until … ''"),
        (["queue", "pause", "mail", "--until", "2030-01-01T00:00"], "2030-01-01T00:00:00, without a time zone"),
        (["queue", "resume", "nope"], "Queue 'nope'"),
        (["queue", "resume", "a\udcff"], "lone surrogate"),
        (["queue", "delete", "nope"], "Queue 'nope'"),
        (["queue", "delete", "a\udcff"], "lone surrogate"),
        (["queue", "delete", "default"], "'default' cannot be deleted … Pause it instead"),
    ],
    "worker": [
        (["worker", "more"], "unexpected extra argument (more)"),
        (["worker", "--concurrency", "0"], "--concurrency … '0': give a whole number from 1"),
        (["worker", "--grace", "-1"], "--grace … '-1': give seconds from 0"),
        (["worker", "--grace", "nan"], "--grace … 'nan': give seconds from 0"),
        (["worker", "--name", ""], "is empty: give a name of 1 to 255 characters"),
        (["worker", "--tag", ""], "[0] is empty: give a list of words"),
        (["worker", "--tag", "a\nb"], "is 'a … b': give a list of words"),
        (["worker", "--tag", "a\udcff"], "give a list of words"),
        (["worker", "--log-format", "xml"], "--log-format … 'xml' is not one of"),
        (["worker", "--tags", "gpu"], "No such option '--tags'"),
    ],
    "jobs": [
        (["jobs", "nope:x"], "'nope:x': there is no field 'nope' … One of them is: id, state"),
        (["jobs", "state:done"], "there is no state 'done' … succeeded, failed"),
        (["jobs", "state:"], "state has no value there: write state:VALUE"),
        (["jobs", ":"], "a field stands before the colon, as in state:failed"),
        (["jobs", "since:sometime"], "'sometime' is no time: give how long ago it was"),
        (["jobs", "priority:high"], "priority is 'high': give a whole number"),
        (["jobs", "x" * 10_001], "The filter has 10,001 characters"),
        (["jobs", "a\udcff"], "stands in no filter"),
        (["jobs", "--limit", "0"], "--limit … '0': give a whole number from 1"),
        (["jobs", "--columns", "nope"], "'nope' is no column … There are: id, state"),
        (["retry"], "Say which jobs: chancy retry state:failed"),
        (["retry", "nope:x"], "there is no field 'nope'"),
        (["cancel", ""], "Say which jobs"),
        (["cancel", "\udcff"], "stands in no filter"),
        (["delete"], "Say which jobs: chancy delete"),
        (["move", SOME], "Say what is to change: --queue, --priority"),
        (["move", SOME, "--priority", "x"], "--priority … 'x': give a whole number"),
    ],
    "others": [
        (["queues", "mail"], "unexpected extra argument (mail)"),
        (["workers", "mine"], "unexpected extra argument (mine)"),
        (["status", "now"], "unexpected extra argument (now)"),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        (["db", "nope"], "No such command 'nope'"),
        (["migrate", "--plan", "--sql"], "--plan, --sql and --check exclude each other"),
        (["migrate", "more"], "unexpected extra argument (more)"),
        (["migrate", "--to", "3"], "No such option '--to'"),
        (["config", "more"], "unexpected extra argument (more)"),
        (["plugins", "--all"], "No such option '--all'"),
    ],
}


def said(commands: list[list[str]], environment: dict[str, str]) -> list[dict[str, Any]]:
    """What each command said, and its exit code."""
    done = subprocess.run(
        [sys.executable, str(SHARED / "forked_commands.py")],
        input=json.dumps(commands),
        env={**os.environ, **environment, "PYTHONPATH": IMPORT_PATH, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return json.loads(done.stdout)


def wrong_with(result: dict[str, Any], says: str) -> str | None:
    """What is wrong with the answer to a wrong command line; None: nothing."""
    text = re.sub(r"\s+", " ", result["out"] + result["err"].replace('\\"', '"'))
    if result["code"] == 0:
        return f"exit code 0: {text}"
    if "Traceback" in text:
        return f"a traceback: {text}"
    missing = [part for part in says.split(" … ") if part not in text]
    return f"not said: {missing}: {text}" if missing else None


@pytest.mark.parametrize("command", ROWS)
async def test_a_wrong_command_line_is_told_and_changes_nothing(chancy, dsn, schema, command):
    """In words to act on, without a traceback; no row and no queue is another than before."""
    await chancy.declare(Queue("mail"))
    await chancy.push(Job("jobs.noop"))
    before = await tables(chancy), await chancy.get_all_queues()
    rows = ROWS[command]
    results = said([arguments for arguments, _ in rows], {"CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema})
    wrong = {
        " ".join(arguments): problem
        for (arguments, says), result in zip(rows, results, strict=True)
        if (problem := wrong_with(result, says)) is not None
    }
    assert wrong == {}
    assert (await tables(chancy), await chancy.get_all_queues()) == before


def test_the_table_can_fail(dsn, schema):
    """A command that succeeds, one that says something else, and one with a traceback are found."""
    (good,) = said([["config"]], {"CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema})
    assert wrong_with(good, "").startswith("exit code 0")
    (bad,) = said([["nope"]], {"CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema})
    assert "not said: ['yes']" in wrong_with(bad, "nope … yes")
    assert wrong_with({"code": 1, "out": "", "err": "Traceback (most"}, "").startswith("a traceback")
