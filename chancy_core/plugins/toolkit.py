"""What every plugin needs: checks of its settings that say what is wrong, and a bound for a connection's silence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from chancy_core.errors import ConfigError, InvalidJob
from chancy_core.store.bounded import BoundedAsyncConnection
from chancy_core.values.jsonvalue import encode_checked
from chancy_core.values.ranges import Range


def check_number(
    name: str,
    value: object,
    low: float,
    high: float,
    *,
    above: bool = False,
    what: str = "a number",
    error: type[ValueError] = ConfigError,
) -> None:
    """Raise unless a setting is a number in its range; neither a truth value nor NaN is one.

    Args:
        name: what the setting is called.
        value: what it is set to.
        low: the least it may be.
        high: the most.
        above: whether `low` itself is too low.
        what: what such a number is, for the error.
        error: what is raised.

    Raises:
        ConfigError: with the name, the value, and the range.
    """
    _check(name, value, Range(low, high, what, above=above), error)


def check_seconds(
    name: str, value: object, low: float, high: float, *, above: bool = False, error: type[ValueError] = ConfigError
) -> None:
    """As `check_number`, for a setting in seconds."""
    check_number(name, value, low, high, above=above, what="seconds", error=error)


def check_whole(name: str, value: object, low: int, high: int, *, error: type[ValueError] = ConfigError) -> None:
    """As `check_number`, for a setting that is a whole number."""
    _check(name, value, Range(low, high, "a whole number", whole=True), error)


def check_text(name: str, value: object, *, most: int = 200, error: type[ValueError] = ConfigError) -> None:
    """Raise unless a setting is a text that people can read and PostgreSQL can store.

    Args:
        name: what the setting is called.
        value: what it is set to.
        most: how many characters it may have.
        error: what is raised.

    Raises:
        ConfigError: it is no string, empty, too long, or has characters that cannot be printed.
    """
    if not isinstance(value, str) or not value.strip() or len(value) > most or not value.isprintable():
        raise error(f"{name} is {value!r:.80}: give 1 to {most} printable characters.")


def check_json(name: str, value: object, *, error: type[ValueError] = ConfigError) -> None:
    """Raise unless a value is JSON that comes back from PostgreSQL as it was: the error names the part that is not.

    Raises:
        ConfigError: it is not, with the way to the part.
    """
    try:
        encode_checked(value, name)
    except InvalidJob as wrong:
        raise error(str(wrong)) from None


def _check(name: str, value: object, range_: Range, error: type[ValueError]) -> None:
    if not range_.holds(value):
        raise error(f"{name} is {value!r}: give {range_.expected}.")


@contextmanager
def answering_within(connection: psycopg.AsyncConnection[Any], seconds: float | None) -> Iterator[None]:
    """For the length of the block, how long the database may be silent on one of Chancy's connections.

    Then the connection is given up, and whoever waits on it gets an OperationalError.

    Args:
        connection: from `tick.connection()`, `chancy.connect()` or `chancy.pool`; on any other nothing changes.
        seconds: None: for ever, as for somebody who listens: nothing to hear is no sign of a lost connection.
    """
    if not isinstance(connection, BoundedAsyncConnection):
        yield
        return
    before, connection.deadline_s = connection.deadline_s, seconds
    try:
        yield
    finally:
        connection.deadline_s = before
