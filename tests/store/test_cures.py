"""A failure of the database comes with what to do about it, wherever somebody reads of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from chancy import Job
from chancy_core.cli.group import chancy as command
from chancy_core.errors import DatabaseUnavailable
from chancy_core.store import tries
from chancy_core.store.cures import cure, with_cure
from chancy_core.store.weather import text_of

# SQLSTATE, its class in psycopg, and a word of what to do.
CURES = [
    ("53100", "DiskFull", "Free space on the disk"),
    ("53200", "OutOfMemory", "more memory"),
    ("53300", "TooManyConnections", "raise max_connections"),
    ("53400", "ConfigurationLimitExceeded", "Raise the limit"),
    ("53000", "InsufficientResources", "its log says of what"),
    ("57014", "QueryCanceled", "statement_timeout"),
    ("57P01", "AdminShutdown", "Somebody stopped the server"),
    ("57P02", "CrashShutdown", "look into its log"),
    ("57P03", "CannotConnectNow", "try again shortly"),
    ("57P04", "DatabaseDropped", "restore it"),
    ("57P05", "IdleSessionTimeout", "Raise idle_session_timeout"),
    ("55P03", "LockNotAvailable", "pg_blocking_pids"),
    ("55006", "ObjectInUse", "pg_blocking_pids"),
    ("40001", "SerializationFailure", "do it again"),
    ("40P01", "DeadlockDetected", "do it again"),
    ("25006", "ReadOnlySqlTransaction", "target_session_attrs=read-write"),
    ("25P02", "InFailedSqlTransaction", "roll it back"),
    ("25P03", "IdleInTransactionSessionTimeout", "keep it short"),
    ("42501", "InsufficientPrivilege", "GRANT"),
    ("42P01", "UndefinedTable", "chancy migrate"),
    ("42703", "UndefinedColumn", "chancy migrate"),
    ("42883", "UndefinedFunction", "chancy migrate"),
    ("3F000", "InvalidSchemaName", "chancy migrate"),
    ("3D000", "InvalidCatalogName", "createdb"),
    ("28000", "InvalidAuthorizationSpecification", "pg_hba.conf"),
    ("28P01", "InvalidPassword", "password"),
    ("26000", "InvalidSqlStatementName", "pooler = true"),
    ("42P05", "DuplicatePreparedStatement", "pooler = true"),
    ("08P01", "ProtocolViolation", "pooler = true"),
    ("58030", "IoError", "the server's log and its disks"),
    ("58P01", "UndefinedFile", "the server's log and its disks"),
    ("XX001", "DataCorrupted", "restore from a backup"),
    ("XX002", "IndexCorrupted", "restore from a backup"),
    ("F0000", "ConfigFileError", "Mend the server's configuration"),
]
RAISES = """
CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'it will not go' USING ERRCODE = '%s'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON {s}.jobs FOR EACH STATEMENT EXECUTE FUNCTION {s}.refuse()
"""


@pytest.fixture
def refusing(query: Callable[..., Any], schema: str) -> Callable[[str], None]:
    """Makes every push fail with an SQLSTATE."""

    def make(state: str) -> None:
        for statement in (RAISES % state).split(";\nCREATE TRIGGER"):
            query(statement if "FUNCTION" in statement[:30] else f"CREATE TRIGGER{statement}")

    return make


@pytest.mark.parametrize(("state", "name", "told"), CURES, ids=[state for state, *_ in CURES])
def test_each_failure_says_what_to_do(dsn: str, state: str, name: str, told: str):
    """In the line that logs have, and in the note that a traceback has; once, however often it is raised on."""
    with psycopg.connect(dsn, autocommit=True) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'it will not go' USING ERRCODE = '{state}'; END $$".encode())
    error = caught.value
    assert type(error).__name__ == name
    line = text_of(error)
    assert line.startswith("it will not go. ")
    assert told in line
    assert not line.endswith((".", "\n"))
    with_cure(error)
    with_cure(error)
    assert error.__notes__ == [f"{cure(error)}."]


@pytest.mark.parametrize("error", [psycopg.OperationalError("gone"), ValueError("x"), psycopg.errors.UniqueViolation()])
def test_where_nothing_is_known_nothing_is_added(error: Exception):
    """What has no SQLSTATE, what is about data, and what is no failure of the database."""
    assert cure(error) is None
    assert text_of(error) in (str(error), type(error).__name__)
    assert not hasattr(with_cure(error), "__notes__")


@pytest.mark.parametrize(("state", "name", "told"), [cure for cure in CURES if cure[0] in ("57014", "42501")])
async def test_a_push_that_cannot_be_tried_again_says_what_to_do(chancy, refusing, state, name, told):
    """The error stays what it is, and its traceback tells."""
    refusing(state)
    with pytest.raises(getattr(psycopg.errors, name)) as caught:
        await chancy.push(Job(func="a.b"))
    assert told in "".join(caught.value.__notes__)


@pytest.mark.parametrize(("state", "told"), [("53100", "Free space on the disk"), ("25006", "target_session_attrs")])
async def test_a_push_that_was_tried_for_long_enough_says_what_to_do(monkeypatch, chancy, refusing, state, told):
    """And that it was not done."""
    monkeypatch.setattr(tries, "AGAIN_S", 0.1)
    refusing(state)
    with pytest.raises(DatabaseUnavailable) as caught:
        await chancy.push(Job(func="a.b"))
    assert f"it will not go. {cure(caught.value.__cause__)}. It was not done." in str(caught.value)
    assert told in str(caught.value)


async def test_a_push_in_somebodys_transaction_says_what_to_do(chancy, dsn, refusing):
    """It is not tried again there, and the error is the driver's own."""
    refusing("53100")
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        with pytest.raises(psycopg.errors.DiskFull) as caught:
            await chancy.push(Job(func="a.b"), connection=connection)
    assert "Free space" in "".join(caught.value.__notes__)


def test_the_command_says_what_to_do_and_shows_no_traceback(dsn, schema, refusing):
    """One message for whoever typed it; exit code 1."""
    runner = CliRunner()
    assert runner.invoke(command, ["--dsn", dsn, "--schema", schema, "migrate"]).exit_code == 0
    refusing("42501")
    done = runner.invoke(command, ["--dsn", dsn, "--schema", schema, "push", "a.b"])
    assert done.exit_code == 1
    assert "InsufficientPrivilege: it will not go" in done.output
    assert "GRANT USAGE ON SCHEMA" in done.output
    assert "Traceback" not in done.output
    assert isinstance(done.exception, SystemExit)
