"""`chancy db start | stop | status | psql`: the embedded PostgreSQL, by hand."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from commands import COLUMNS, Commands, Done

from chancy_core.cli.db import psql_of
from chancy_core.embedded import acquire, keeping


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where a server lives that is this test's own."""
    # A short name that, unlike `tmp_path`, the user of root's server can enter.
    folder = Path(tempfile.mkdtemp(prefix="chancy-test-", dir="/tmp")).resolve()
    folder.chmod(0o755)
    yield folder / "pg"
    keeping.stop(folder / "pg", force=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def db(run: Commands, directory: Path) -> Callable[..., Done]:
    """Runs `chancy db`, where no database is named."""
    del run.environment["CHANCY_DSN"]
    run.environment["CHANCY_EMBEDDED_DIR"] = str(directory)
    return lambda *arguments, **more: run("db", *arguments, **more)


def test_it_goes_on_until_it_is_stopped(db, directory):
    """The server that a command started was gone a moment after it; this one stays, and its data stay after it."""
    assert db("status").code == 13
    assert not directory.exists()
    started = db("start")
    assert (started.code, "It goes on until: chancy db stop" in started.out) == (0, True)
    told = db("status", "--json")
    assert (told.code, told.json["running"], told.json["kept"]) == (0, True, True)
    with psycopg.connect(told.json["dsn"], autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    again = db("start", "--json")
    assert (again.code, again.json["dsn"]) == (0, told.json["dsn"])
    assert db("stop").code == 0
    stopped = db("status", "--json")
    assert (stopped.code, stopped.json["running"], stopped.json["made"], stopped.json["dsn"]) == (13, False, True, None)
    assert "does not run." in db("stop").out
    assert db("psql", "-Atc", "SELECT seven FROM kept").out == "7\n"


def test_while_others_use_it_stopping_waits_for_them(db, directory):
    """It says so, and how to stop it all the same."""
    assert db("start").code == 0
    with acquire(directory) as share:
        done = db("stop")
        assert (done.code, "is in use by others" in done.words) == (1, True)
        assert "chancy db stop --force" in done.err
        status = db("status")
        assert (status.code, "as long as somebody uses it" in status.out) == (0, True)
        assert db("stop", "--force").code == 0
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(share.dsn)


def test_psql_is_opened_on_the_database_in_use(run, query, schema):
    """With the schema in its search path, its own options, and its exit code."""
    assert run("migrate").code == 0
    done = run("db", "psql", "-Atc", "SELECT name FROM queues_v1")
    assert (done.code, done.out) == (0, "default\n")
    assert run("db", "psql", "-c", "SELECT nothing").code == 1
    assert run("db", "psql", "-At", given="SELECT current_schema;\n").out == f"{schema}\n"


def test_a_password_is_no_argument_of_a_process():
    """Where everybody on the machine could read it."""
    command, environment = psql_of("postgresql://me:hunter2@db.example/app?options=-c%20jit%3Doff", 'odd " name')
    assert "hunter2" not in " ".join(command)
    assert environment["PGPASSWORD"] == "hunter2"
    parts = psycopg.conninfo.conninfo_to_dict(command[1].removeprefix("--dbname="))
    assert (parts["host"], parts["user"], parts["dbname"]) == ("db.example", "me", "app")
    assert parts["options"] == '-c jit=off -c search_path="odd\\ ""\\ name",public'


def test_in_a_terminal_the_state_is_shown(run, db, directory):
    """Each fact on a line of its own."""
    done = run.terminal("db", "status")
    assert (done.code, done.out.splitlines()[0]) == (13, "state      does not run")
    assert len(done.out.splitlines()[1]) <= COLUMNS
    assert "(nothing is there yet)" in done.out


def test_another_database_that_is_in_use_is_told(db):
    """Whoever looks at the embedded one may wonder where the jobs are."""
    done = db("status", env={"CHANCY_DSN": "postgresql://me:hunter2@db.example/app"})
    assert "It is not the database in use here, which CHANCY_DSN names: db.example, database app." in done.err
    assert "hunter2" not in done.err + done.out
    assert db("status").err == ""


def test_where_it_cannot_run_it_says_why(run, db, directory):
    """A directory of somebody else's things is none for it."""
    directory.mkdir()
    (directory / "letter.txt").write_text("dear diary")
    for command in ("start", "status"):
        done = db(command)
        assert done.code in (1, 13)
    assert "is not empty and was not made by Chancy" in db("start").words
    assert [path.name for path in directory.iterdir()] == ["letter.txt"]


def test_the_document_has_every_fact(db, directory):
    """For programs."""
    told = json.loads(db("status", "--json").out)
    assert told.keys() == {"directory", "version", "made", "running", "kept", "pid", "dsn", "log"}
    assert told["directory"] == str(directory)
