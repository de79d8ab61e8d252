"""Databases, connections and applications that are set up in another way: encodings, adapters, pipelines, isolation."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import multiprocessing
import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg.adapt import Dumper, Loader
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import set_json_dumps, set_json_loads

from chancy_core.app import Chancy
from chancy_core.errors import ChancyError, InvalidJob, InvalidQueue
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue

ECHO = Job(func="jobs.echo", kwargs={"value": 1})
EURO = ECHO.with_kwargs(value="5 €")
UMLAUT = ECHO.with_kwargs(value="Grüße")


@pytest.fixture
def database(dsn: str) -> Iterator[Callable[[str], str]]:
    """Makes a database of its own, with these options of CREATE DATABASE; its DSN."""
    with psycopg.connect(dsn, autocommit=True) as admin, ExitStack() as stack:

        def make(options: str) -> str:
            name = f"test_{secrets.token_hex(6)}"
            if options and admin.info.server_version >= 150_000:
                options += " LOCALE_PROVIDER libc"
            admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 {options}".encode())
            stack.callback(admin.execute, f"DROP DATABASE {name} WITH (FORCE)".encode())
            return make_conninfo(dsn, dbname=name)

        yield make


def encoded(name: str) -> str:
    return f"ENCODING '{name}' LC_COLLATE 'C' LC_CTYPE 'C'"


def new(dsn: str, **settings: Any) -> Chancy:
    return Chancy(dsn, discover=False, **settings)


# -- encodings -----------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "UTF8"])
@pytest.mark.parametrize("client", [None, "LATIN1", "SQL_ASCII"])
async def test_text_survives_whatever_the_database_and_the_client_are_encoded_in(
    database, monkeypatch, encoding, client
):
    """Jobs are stored and read in a database of each encoding, whatever PGCLIENTENCODING and the DSN say."""
    where = database(encoded(encoding))
    if client is not None:
        monkeypatch.setenv("PGCLIENTENCODING", client)
        where = make_conninfo(where, client_encoding=client)
    async with new(where) as chancy:
        await chancy.declare(Queue("q", tags=["a"]))
        reference = await chancy.push(UMLAUT)
        (many,) = await chancy.push_many("q", [UMLAUT])
        for pushed in (reference, many):
            assert (await pushed.get()).kwargs == {"value": "Grüße"}
        assert await chancy.cancel_job(reference, reason="süß")
        assert (await reference.get()).note == "süß"


async def test_a_character_that_the_database_lacks_fails_its_own_job_only(database):
    """Of pushes that are written together, the one with a euro sign is refused by name; its neighbours are stored."""
    async with new(database(encoded("LATIN1"))) as chancy:
        pushes = [chancy.push(EURO if number == 5 else ECHO) for number in range(10)]
        found = await asyncio.gather(*pushes, return_exceptions=True)
        assert [type(each) for each in found].count(InvalidJob) == 1
        assert "jobs.echo" in str(found[5])
        assert "UTF-8" in str(found[5])
        assert await chancy.count_jobs() == {"default": {"pending": 9}}


async def test_a_change_with_such_a_character_is_refused_by_name(database):
    """A reason and a queue's tags say so, too."""
    async with new(database(encoded("LATIN1"))) as chancy:
        reference = await chancy.push(ECHO)
        with pytest.raises(InvalidJob, match="reason"):
            await reference.cancel(reason="5 €")
        with pytest.raises(InvalidQueue, match="'q'"):
            await chancy.declare(Queue("q", tags=["€"]))


async def test_a_bulk_push_with_such_a_character_is_refused(database):
    """COPY refuses it as an InvalidJob, and stores nothing; so does the statement for unique keys."""
    async with new(database(encoded("LATIN1"))) as chancy:
        for job in (EURO, EURO.with_unique_key("k")):
            with pytest.raises(InvalidJob, match="UTF-8"):
                await chancy.push_many([ECHO, job])
        assert await chancy.count_jobs() == {}


def test_a_sync_push_with_such_a_character_is_refused(database):
    """The same without asyncio, and in the caller's transaction."""
    where = database(encoded("LATIN1"))
    with new(where) as chancy, psycopg.connect(where) as connection:
        for given in ({}, {"connection": connection}):
            with pytest.raises(InvalidJob, match="UTF-8"):
                chancy.sync_push(EURO, **given)
            connection.rollback()
        chancy.sync_push(ECHO)


@pytest.mark.parametrize("client", ["LATIN1", "SQL_ASCII", "WIN1252"])
@pytest.mark.parametrize("autocommit", [False, True])
async def test_a_callers_connection_may_have_any_encoding(chancy, dsn, client, autocommit):
    """A push on a connection with another client_encoding stores its text, and leaves the connection as it was."""
    where = make_conninfo(dsn, client_encoding=client)
    async with await psycopg.AsyncConnection.connect(where, autocommit=autocommit) as connection:
        reference = await chancy.push(EURO, connection=connection)
        unique = await chancy.push(EURO.with_unique_key("€"), connection=connection)
        (many,) = await chancy.push_many([EURO], connection=connection)
        shown = await (await connection.execute("SHOW client_encoding")).fetchone()
        assert shown[0] in (client, client.encode())
    for pushed in (reference, unique, many):
        assert (await pushed.get()).kwargs == {"value": "5 €"}


async def test_a_refused_push_leaves_the_callers_encoding(chancy, dsn):
    """After a push that fails, the caller's rollback brings the connection back as it was."""
    async with await psycopg.AsyncConnection.connect(make_conninfo(dsn, client_encoding="LATIN1")) as connection:
        with pytest.raises(LookupError):
            await chancy.push("nowhere", ECHO, connection=connection)
        await connection.rollback()
        assert await (await connection.execute("SHOW client_encoding")).fetchone() == ("LATIN1",)


# -- adapters ------------------------------------------------------------------------------


@pytest.fixture
def strange_adapters() -> Iterator[None]:
    """An application that reads and writes everything in its own way, on all of its connections."""

    class Upper(Dumper):
        def dump(self, value: Any) -> bytes:
            return str(value).upper().encode()

    class Lists(Dumper):
        def dump(self, value: Any) -> bytes:
            return json.dumps(value, default=str).encode()

    class Text(Loader):
        def load(self, data: Any) -> Any:
            return f"<{bytes(data).decode()}>"

    kept = psycopg.adapters._dumpers, psycopg.adapters._loaders, psycopg.adapters._dumpers_by_oid
    psycopg.adapters._dumpers = {key: dict(value) for key, value in kept[0].items()}
    psycopg.adapters._loaders = [dict(value) for value in kept[1]]
    psycopg.adapters._dumpers_by_oid = [dict(value) for value in kept[2]]
    for cls in (str, int, float, uuid.UUID, dt.datetime):
        psycopg.adapters.register_dumper(cls, Upper)
    psycopg.adapters.register_dumper(list, Lists)
    for name in ("uuid", "text", "json", "jsonb", "int4", "int8", "float8", "timestamptz", "bool", "text[]", "uuid[]"):
        psycopg.adapters.register_loader(name, Text)
    set_json_loads(lambda _: "nothing")
    set_json_dumps(lambda _: "null")
    yield
    set_json_loads(json.loads)
    set_json_dumps(json.dumps)
    psycopg.adapters._dumpers, psycopg.adapters._loaders, psycopg.adapters._dumpers_by_oid = kept


@pytest.mark.usefixtures("strange_adapters")
async def test_adapters_of_the_application_change_nothing(new_chancy, dsn):
    """Whatever an application registered for all of its connections, jobs go in and come out as they do without."""
    due = dt.datetime(2040, 1, 2, tzinfo=dt.UTC)
    job = ECHO.with_meta(a=[1]).with_scheduled_at(due).with_unique_key("kéy")
    async with new_chancy() as chancy:
        await chancy.declare(Queue("q", tags=["a", "b"], rate_limit=None))
        assert (await chancy.get_queue("q")).tags == ["a", "b"]
        async with await psycopg.AsyncConnection.connect(dsn, row_factory=dict_row) as connection:
            references = [
                await chancy.push(job),
                await chancy.push("q", job.with_unique_key("other"), connection=connection),
                *await chancy.push_many([ECHO, job.with_unique_key("third")], connection=connection),
            ]
        for reference in references:
            found = await reference.get()
            assert found.id == reference.identifier
            assert found.kwargs == {"value": 1}
        assert found.scheduled_at == due
        assert found.meta == {"a": [1]}
        await references[0].cancel()
        assert (await references[0].wait(timeout=60)).state == "cancelled"


@pytest.mark.usefixtures("strange_adapters")
def test_adapters_of_the_application_change_nothing_without_asyncio(new_chancy, dsn):
    """The same for the twins, and on a caller's sync connection."""
    with new_chancy() as chancy, psycopg.connect(dsn, row_factory=dict_row) as connection:
        references = [
            chancy.sync_push(ECHO),
            chancy.sync_push(ECHO.with_unique_key("k"), connection=connection),
            *chancy.sync_push_many([ECHO], connection=connection),
        ]
        connection.commit()
        assert [reference.sync_get().id for reference in references] == [each.identifier for each in references]


# -- pipelines -----------------------------------------------------------------------------


async def test_pushes_in_a_pipeline_of_the_caller(chancy, dsn):
    """Single pushes work in pipeline mode; a bulk push is refused, with what to do."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection, connection.pipeline():
        plain = await chancy.push(ECHO, connection=connection)
        unique = [await chancy.push(ECHO.with_unique_key("k"), connection=connection) for _ in range(2)]
        with pytest.raises(ChancyError, match="pipeline"):
            await chancy.push_many([ECHO], connection=connection)
    assert [reference.created for reference in unique] == [True, False]
    assert (await plain.get()).kwargs == {"value": 1}
    assert await chancy.count_jobs() == {"default": {"pending": 2}}


async def test_an_unknown_queue_in_a_pipeline_is_told_at_once(chancy, dsn):
    """An error belongs to its push, not to the end of the pipeline."""
    with pytest.raises(LookupError):
        async with await psycopg.AsyncConnection.connect(dsn) as connection, connection.pipeline():
            await chancy.push("nowhere", ECHO, connection=connection)


def test_sync_pushes_in_a_pipeline_of_the_caller(new_chancy, dsn):
    """The same without asyncio."""
    with new_chancy() as chancy:
        with psycopg.connect(dsn) as connection, connection.pipeline():
            reference = chancy.sync_push(ECHO, connection=connection)
            with pytest.raises(ChancyError, match="pipeline"):
                chancy.sync_push_many([ECHO], connection=connection)
        assert reference.sync_get().kwargs == {"value": 1}


# -- isolation -----------------------------------------------------------------------------

LEVELS = ["read committed", "repeatable read", "serializable"]


def _open(where: str, start: Any, ended: Any) -> None:
    start.wait()
    try:
        with new(where) as chancy:
            chancy.sync_push(ECHO)
        ended.put(None)
    except BaseException as error:
        ended.put(repr(error))
        raise


@pytest.mark.parametrize("level", LEVELS)
def test_processes_that_open_at_once_all_succeed(database, level):
    """Whatever the default isolation is, several processes set up the schema together."""
    where = database("")
    with psycopg.connect(where, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'".encode())
    context = multiprocessing.get_context("spawn")
    start, ended = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_open, args=(where, start, ended)) for _ in range(4)]
    for process in processes:
        process.start()
    try:
        assert [ended.get(timeout=90) for _ in processes] == [None] * 4
    finally:
        for process in processes:
            process.join(60)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("pooler", [False, True])
async def test_pushes_and_changes_work_at_every_default_isolation(database, level, pooler):
    """Pushes of one key at once, and changes, meet no serialization failure of the database's making."""
    where = database("")
    with psycopg.connect(where, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'".encode())
    async with new(where, pooler=pooler) as chancy, new(where, pooler=pooler) as other:
        for number in range(10):
            job = ECHO.with_unique_key(f"k{number}")
            found = await asyncio.gather(chancy.push(job), other.push(job), chancy.push_many([job]), other.push(ECHO))
            assert found[0] == found[1]
            await asyncio.gather(found[0].cancel(), other.cancel_job(found[1]))
