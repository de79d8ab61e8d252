"""What a failure means: each SQLSTATE made for real where PostgreSQL can be made to give it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable

import psycopg
import pytest
from support import WITHIN_S, until

from chancy_core.errors import DatabaseUnavailable
from chancy_core.store.bounded import BoundedConnection
from chancy_core.store.connect import connect_sync
from chancy_core.store.weather import ConnectionGone, Fault, NoAnswer, fault_of, is_weather, of_no_use, text_of

DATA = (Fault.THIS_ONE, Fault.TOO_MUCH)
GONE = (Fault.GONE, Fault.GONE)
NOT_NOW = (Fault.NOT_NOW, Fault.NOT_NOW)
"""The verdicts for one row and for several."""

# SQLSTATE, what makes the server give it, and what follows. Statements are separated by `;;`.
MADE = [
    ("22P02", "SELECT 'x'::integer", DATA),
    ("22003", "SELECT 2147483647 + 1", DATA),
    ("22P05", "SELECT convert_to('€', 'LATIN1')", DATA),
    ("22007", "SELECT 'yesterdayish'::timestamptz", DATA),
    ("23505", "CREATE TEMP TABLE t (a int PRIMARY KEY);; INSERT INTO t VALUES (1), (1)", DATA),
    ("23514", "CREATE TEMP TABLE t (a int CHECK (a > 0));; INSERT INTO t VALUES (0)", DATA),
    ("23502", "CREATE TEMP TABLE t (a int NOT NULL);; INSERT INTO t VALUES (NULL)", DATA),
    ("21000", "SELECT (SELECT generate_series(1, 2))", DATA),
    ("P0001", "DO $$ BEGIN RAISE EXCEPTION 'not today'; END $$", DATA),
    ("54001", "SELECT repeat('[', 1000000)::json", DATA),
    (
        "54000",
        (
            "CREATE TEMP TABLE t (a text);; CREATE INDEX ON t (a);; "
            "INSERT INTO t SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) AS n"
        ),
        DATA,
    ),
    ("25006", "SET default_transaction_read_only = on;; CREATE TABLE nowhere (a int)", GONE),
    ("25P02", "BEGIN;; SELECT 1 / 0;; SELECT 1", GONE),
    ("25001", "BEGIN;; VACUUM", GONE),
    ("26000", "EXECUTE never_prepared", GONE),
    ("34000", "BEGIN;; FETCH FROM never_declared", GONE),
    ("3B001", "BEGIN;; RELEASE SAVEPOINT never_made", GONE),
    ("57P01", "SELECT pg_terminate_backend(pg_backend_pid())", GONE),
    (
        "0A000",
        "CREATE TEMP TABLE t (a int);; PREPARE p AS SELECT * FROM t;; EXECUTE p;; ALTER TABLE t ADD b int;; EXECUTE p",
        GONE,
    ),
    ("57014", "SET statement_timeout = 1;; SELECT pg_sleep(60)", NOT_NOW),
    ("55000", "CREATE TEMP SEQUENCE s;; SELECT currval('s')", NOT_NOW),
    ("42P01", "SELECT FROM never_created", NOT_NOW),
    ("42703", "SELECT never_added", NOT_NOW),
    ("42501", "SET ROLE pg_monitor;; CREATE TABLE pg_catalog.mine (a int)", NOT_NOW),
    ("58P01", "SELECT pg_read_file('/never/there')", NOT_NOW),
    # What a test cannot bring about, raised with its code.
    *(
        (state, f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$", verdicts)
        for state, verdicts in {
            "53000": NOT_NOW,
            "53100": NOT_NOW,  # disk full
            "53200": NOT_NOW,  # out of memory
            "53300": NOT_NOW,  # too many connections
            "53400": DATA,
            "40001": NOT_NOW,
            "40002": DATA,
            "40P01": NOT_NOW,
            "55P03": NOT_NOW,
            "55006": NOT_NOW,
            "58000": NOT_NOW,
            "58030": NOT_NOW,
            "XX000": DATA,
            "XX001": NOT_NOW,  # corrupted: no row's fault
            "XX002": NOT_NOW,
            "F0000": NOT_NOW,
            "HV000": NOT_NOW,
            "08006": GONE,
            "08P01": GONE,
            "57P02": GONE,
            "57P03": GONE,
            "57P04": GONE,
            "57P05": GONE,
            "25P03": GONE,
            "28000": GONE,
            "3D000": GONE,
            "24000": GONE,
            "09000": DATA,
            "27000": DATA,
            "2F000": DATA,
            "38000": DATA,
            "39000": DATA,
            "44000": DATA,
            "ZZ999": NOT_NOW,  # nobody knows it: it costs no data
        }.items()
    ),
]


def raised(dsn: str, script: str) -> psycopg.Error:
    """What the last statement of a script raises."""
    *first, last = script.split(";; ")
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in first:
            try:
                connection.execute(statement)
            except psycopg.errors.DivisionByZero:
                continue
        with pytest.raises(psycopg.Error) as found:
            connection.execute(last)
        return found.value


@pytest.mark.parametrize(("state", "script", "verdicts"), MADE, ids=[state for state, *_ in MADE])
def test_each_sqlstate_has_one_verdict(dsn: str, state: str, script: str, verdicts: tuple[Fault, Fault]):
    """Only what data is at fault for may cost data; whatever else the server says is waited out, or asked elsewhere."""
    error = raised(dsn, script)
    assert error.sqlstate == state
    assert (fault_of(error), fault_of(error, rows=2)) == verdicts
    assert is_weather(error) == (verdicts is not DATA)
    assert text_of(error)


async def test_two_that_wait_for_each_other_are_weather(dsn: str, schema: str):
    """A deadlock, made by two transactions: the one that the server ends may try again."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f'CREATE SCHEMA "{schema}"')
        admin.execute(f'CREATE TABLE "{schema}".t AS SELECT n FROM generate_series(1, 2) AS n')
    update = f'UPDATE "{schema}".t SET n = n WHERE n = %s'
    async with (
        await psycopg.AsyncConnection.connect(dsn) as one,
        await psycopg.AsyncConnection.connect(dsn) as other,
    ):
        for connection in (one, other):
            await connection.execute("SET deadlock_timeout = '10ms'")
        await one.execute(update, [1])
        await other.execute(update, [2])
        answers = await asyncio.gather(one.execute(update, [2]), other.execute(update, [1]), return_exceptions=True)
        (error,) = [answer for answer in answers if isinstance(answer, BaseException)]
        await one.rollback()
        await other.rollback()
    assert error.sqlstate == "40P01"
    assert fault_of(error, rows=5) is Fault.NOT_NOW


def of_client(make: Callable[[psycopg.Connection], object]) -> Callable[[str], BaseException]:
    def error(dsn: str) -> BaseException:
        with psycopg.connect(dsn, autocommit=True) as connection, pytest.raises(Exception) as found:
            make(connection)
        return found.value

    return error


def closed(connection: psycopg.Connection) -> None:
    connection.close()
    connection.execute("SELECT 1")


@pytest.mark.parametrize(
    ("error", "verdicts"),
    [
        (of_client(lambda c: c.execute("SELECT %s", ["a\x00"])), DATA),
        (of_client(lambda c: c.execute("SELECT %s", ["\ud800"])), DATA),
        (of_client(lambda c: c.execute("SELECT %s", [object()])), DATA),
        (of_client(closed), GONE),
        (lambda _: ConnectionGone("lost"), GONE),
        (lambda _: NoAnswer("silent"), GONE),
        (lambda _: DatabaseUnavailable("refused"), GONE),
        (lambda _: OSError(errno.EMFILE, "too many open files"), (None, None)),
        (lambda _: FileNotFoundError("a job's own"), (None, None)),
        (lambda _: TimeoutError(), (None, None)),
        (lambda _: KeyError("a mistake of ours"), (None, None)),
    ],
)
def test_what_is_not_from_the_server_has_its_verdict_too(dsn, error, verdicts):
    """A value that cannot be written is data's fault; files and mistakes say nothing about the database."""
    found = error(dsn)
    assert (fault_of(found), fault_of(found, rows=2)) == verdicts
    assert text_of(found)


async def test_a_session_that_the_server_ended_is_gone(dsn: str):
    """Terminated while nobody used it: the next use says that it is gone, and it is of no use."""
    connection: BoundedConnection = connect_sync(dsn, application_name="chancy test")
    with psycopg.connect(dsn, autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        await until(
            lambda: (
                not killer.execute(
                    "SELECT FROM pg_stat_activity WHERE pid = %s", [connection.info.backend_pid]
                ).rowcount
            ),
            WITHIN_S,
        )
    with pytest.raises(psycopg.Error) as found:
        connection.execute("SELECT 1")
    assert fault_of(found.value) is Fault.GONE
    assert of_no_use(connection)
