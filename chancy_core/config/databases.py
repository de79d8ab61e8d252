"""A database as Django's settings describe it: what `DATABASES["default"]` holds is as good as a DSN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chancy_core.errors import ConfigError

_KEYWORDS: Final = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
# What stands in OPTIONS for Django, and not for libpq.
_OF_DJANGO: Final = frozenset(
    {"assume_role", "client_encoding", "cursor_factory", "isolation_level", "pool", "server_side_binding"}
)
_OTHERS: Final = ("mysql", "sqlite", "oracle", "mssql")


def is_database(value: object) -> bool:
    """Whether this is such a dict, and not just any."""
    return isinstance(value, Mapping) and "NAME" in value


def dsn_of(database: Mapping[str, Any]) -> str:
    """The connection string for a database of Django's settings.

    Raises:
        ConfigError: its ENGINE is another than PostgreSQL, or its OPTIONS are no dict.
    """
    engine, options = str(database.get("ENGINE", "")), database.get("OPTIONS") or {}
    if any(other in engine for other in _OTHERS):
        raise ConfigError(f"argument dsn is a dict with ENGINE {engine!r}: Chancy needs a database of PostgreSQL.")
    if not isinstance(options, Mapping):
        raise ConfigError(f"argument dsn is a dict with OPTIONS of type {type(options).__name__}: give a dict.")
    given = {ours: database.get(theirs) for theirs, ours in _KEYWORDS.items()}
    given.update({key: value for key, value in options.items() if key not in _OF_DJANGO})
    # Without anything, libpq's own defaults: a DSN that says nothing would be none.
    pairs = {"client_encoding": "UTF8", **{key: value for key, value in given.items() if value not in (None, "")}}
    return " ".join(f"{key}={_quoted(value)}" for key, value in pairs.items())


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"
