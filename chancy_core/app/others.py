"""A caller's connection whose driver is not psycopg 3: asyncpg, psycopg2, or a session of SQLAlchemy above one of them.

A flow runs on it as on one of psycopg; only its steps are plain statements there, which the caller's own library sends.
So they are part of the caller's transaction, whatever that library does to begin one.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

import psycopg

from chancy_core.app import recipes
from chancy_core.store import Flow, Store
from chancy_core.store.flow import Step, drive, drive_sync
from chancy_core.store.literals import texts_of

T = TypeVar("T")
Rows: TypeAlias = list[tuple[Any, ...]]

_SAVEPOINT: Final = "SAVEPOINT chancy_push", "RELEASE SAVEPOINT chancy_push", "ROLLBACK TO SAVEPOINT chancy_push"
# Where the connection is in no transaction, because it commits each statement.
_TRANSACTION: Final = "BEGIN", "COMMIT", "ROLLBACK"
_UUID_OID: Final = 2950
_UNKNOWN_TABLES: Final = ("42P01", "42703", "3F000")
_FAILED: Final = "25P02"
_NO_TRANSACTION: Final = "25P01"


class Other:
    """A connection that is not awaited.

    Attributes:
        given: what it was found in, for errors.
        driver: the name of its driver.
    """

    def __init__(self, given: Any, driver: str, execute: Callable[[str], Rows]) -> None:
        self.given: Final = given
        self.driver: Final = driver
        self.execute: Final = execute

    def run(self, flow: Flow[T], store: Store, ours: str) -> T:
        """Run a flow.

        Args:
            flow: of steps that a caller's connection can do.
            store: its statements.
            ours: where the tables are, for errors.
        """
        lines = store.statement("insert_lines")

        def answer(step: Step) -> Rows:
            rows: Rows = []
            for text in texts_of(step, lines):
                try:
                    rows = self.execute(text)
                except Exception as error:  # noqa: BLE001 -- each library has its own
                    _raise_as_psycopg(error)
            return rows

        try:
            return drive_sync(flow, answer)
        except psycopg.Error as error:
            raise_own(error, store.schema, ours)

    @contextmanager
    def savepoint(self) -> Iterator[Other]:
        """A savepoint in the caller's transaction; a transaction of its own where he has none."""
        begin, end, undo = _SAVEPOINT
        try:
            self.execute(begin)
        except Exception as error:  # noqa: BLE001 -- each library has its own
            _check_begun(error)
            begin, end, undo = _TRANSACTION
            self.execute(begin)
        try:
            yield self
        except BaseException:
            # Where this fails, too, as on a connection that is gone, what was first is what there is to tell.
            with suppress(Exception):
                self.execute(undo)
            raise
        self.execute(end)


class AsyncOther:
    """A connection that is awaited. As `Other`."""

    def __init__(self, given: Any, driver: str, execute: Callable[[str], Awaitable[Rows]]) -> None:
        self.given: Final = given
        self.driver: Final = driver
        self.execute: Final = execute

    async def run(self, flow: Flow[T], store: Store, ours: str) -> T:
        """As `Other.run`."""
        lines = store.statement("insert_lines")

        async def answer(step: Step) -> Rows:
            rows: Rows = []
            for text in texts_of(step, lines):
                try:
                    rows = await self.execute(text)
                except Exception as error:  # noqa: BLE001 -- as above
                    _raise_as_psycopg(error)
            return rows

        try:
            return await drive(flow, answer)
        except psycopg.Error as error:
            raise_own(error, store.schema, ours)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[AsyncOther]:
        """As `Other.savepoint`."""
        begin, end, undo = _SAVEPOINT
        try:
            await self.execute(begin)
        except Exception as error:  # noqa: BLE001 -- as above
            _check_begun(error)
            begin, end, undo = _TRANSACTION
            await self.execute(begin)
        try:
            yield self
        except BaseException:
            # As above.
            with suppress(Exception):
                await self.execute(undo)
            raise
        await self.execute(end)


# -- how each library sends a statement ----------------------------------------------------


def of_sqlalchemy(given: Any, connection: Any) -> Other:
    """A `Connection` of SQLAlchemy, found in `given`."""

    def execute(text: str) -> Rows:
        return _fetched(connection.exec_driver_sql(text, execution_options={"no_parameters": True}))

    return Other(given, connection.dialect.driver, execute)


def of_async_sqlalchemy(given: Any, connection: Any) -> AsyncOther:
    """An `AsyncConnection` of SQLAlchemy, found in `given`."""

    async def execute(text: str) -> Rows:
        sent = connection.exec_driver_sql(text, execution_options={"no_parameters": True})
        return _fetched(await _to_its_end(sent))

    return AsyncOther(given, connection.dialect.driver, execute)


async def _to_its_end(sent: Coroutine[Any, Any, T]) -> T:
    """What a statement answers. Cancelled meanwhile, this ends when the statement has.

    SQLAlchemy would give up the connection, with whatever the caller has written on it.
    """
    task = asyncio.ensure_future(sent)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def of_psycopg2(given: Any, connection: Any, plain: Any) -> Other:
    """A connection of psycopg2, found in `given`; `plain` is psycopg2's own class of cursors."""

    def execute(text: str) -> Rows:
        with connection.cursor(cursor_factory=plain) as cursor:
            cursor.execute(text)
            return _typed(cursor.description, cursor.fetchall()) if cursor.description else []

    return Other(given, "psycopg2", execute)


def of_asyncpg(given: Any) -> AsyncOther:
    """A connection of asyncpg, or what stands for one of a pool."""

    async def execute(text: str) -> Rows:
        return [tuple(row) for row in await given.fetch(text)]

    return AsyncOther(given, "asyncpg", execute)


def _fetched(result: Any) -> Rows:
    return _typed(result.cursor.description, result.fetchall()) if result.returns_rows else []


def _typed(description: Any, rows: Any) -> Rows:
    """The rows, with ids as ids: drivers that read them as texts do so with nothing else that flows look at."""
    ids = [place for place, column in enumerate(description or ()) if column[1] == _UUID_OID]
    if not ids:
        return [tuple(row) for row in rows]
    made = [list(row) for row in rows]
    for row in made:
        for place in ids:
            if isinstance(row[place], str):
                row[place] = uuid.UUID(row[place])
    return [tuple(row) for row in made]


# -- what went wrong -----------------------------------------------------------------------


def _raise_as_psycopg(error: Exception) -> NoReturn:
    told = as_psycopg(error)
    if told is error:
        # An error that was its own cause would be walked along for ever.
        raise error
    raise told from error


def as_psycopg(error: Exception) -> Exception:
    """The error that psycopg would have raised, which flows know; whatever the server did not say stays as it is."""
    state = _state_of(error)
    if state is None:
        return error
    try:
        kind = psycopg.errors.lookup(state)
    except KeyError:
        kind = psycopg.DatabaseError
    told = kind(str(getattr(error, "orig", None) or error))
    told.sqlstate = state
    return told


def _state_of(error: BaseException) -> str | None:
    """The SQLSTATE in an error of another driver, or of SQLAlchemy, which has the driver's in it."""
    orig = getattr(error, "orig", None) or error
    for name in ("sqlstate", "pgcode"):
        state = getattr(orig, name, None)
        if isinstance(state, str):
            return state
    # pg8000 has the fields of the server's answer by their letters.
    fields = orig.args[0] if orig.args else None
    return fields.get("C") if isinstance(fields, dict) else None


def raise_own(error: psycopg.Error, schema: str, ours: str) -> NoReturn:
    """Raise what the caller's own library has raised, which he knows; or what he can do about it."""
    cause = error.__cause__
    if not isinstance(cause, Exception) or _state_of(cause) is None:
        raise error
    if error.sqlstate in _UNKNOWN_TABLES:
        raise recipes.elsewhere(None, schema, ours) from cause
    if error.sqlstate == _FAILED:
        raise recipes.failed_before() from cause
    raise cause


def _check_begun(error: Exception) -> None:
    """Raise the error unless it says that there is no transaction that a savepoint could be in."""
    state = _state_of(error)
    if state == _FAILED:
        raise recipes.failed_before() from error
    if state != _NO_TRANSACTION:
        raise error
