"""The SQL files, ready for one schema."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

from psycopg.sql import Identifier

from chancy_core.errors import ConfigError, PluginError, nearest

# PostgreSQL cuts identifiers at 63 bytes without a word; the NOTIFY channel carries the schema's name after a prefix.
SCHEMA_PATTERN: Final = re.compile(r"[a-z_][a-z0-9_]{0,47}")

# What several statements share, in a file of its own: `{parts/name}` stands for it.
_PART: Final = re.compile(r"\{(parts/\w+)\}")


def check_schema(schema: str) -> str:
    """`schema`, if it can be one.

    Raises:
        ConfigError: it cannot, with the rule.
    """
    if not SCHEMA_PATTERN.fullmatch(schema):
        raise ConfigError(
            f"schema is {schema!r}: use 1 to 48 lower-case letters, digits and underscores, not starting with a digit."
        )
    if schema.startswith("pg_") or schema == "information_schema":
        raise ConfigError(
            f"schema is {schema!r}: PostgreSQL keeps names in pg_, and information_schema, for itself. Give another, "
            'such as "chancy".'
        )
    return schema


@cache
def _text(package: str, name: str) -> str:
    try:
        source = files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    except (FileNotFoundError, ModuleNotFoundError):
        raise PluginError(f"There is no statement {name!r} in {package}.{_advice(name, package)}") from None
    # Comments explain the file to its reader; the server need not parse them at every call.
    lines = (line.split("--", 1)[0].rstrip() for line in source.splitlines())
    text = "\n".join(line for line in lines if line).strip().removesuffix(";")
    return _PART.sub(lambda part: _text(package, part[1]), text)


def _advice(name: str, package: str) -> str:
    """What to do about a statement that is not there."""
    try:
        known = [file.name.removesuffix(".sql") for file in files(package).iterdir() if file.name.endswith(".sql")]
    except (FileNotFoundError, ModuleNotFoundError):
        return f" There is no such folder: is {package} written as it is imported, and part of the distribution?"
    return nearest(name, known)


def read_statements(schema: str, package: str = "chancy_core.store.sql") -> None:
    """Read every statement of a package now, so that a process keeps those that belong to its code.

    Whoever upgrades an installation in place changes the files under the processes that run.
    """
    for file in files(package).iterdir():
        if file.name.endswith(".sql"):
            statement(file.name.removesuffix(".sql"), schema, package)


@cache
def statement(name: str, schema: str, package: str = "chancy_core.store.sql") -> bytes:
    """The statement in `name.sql` of `package`, with `{schema}` and the parts that it names filled in.

    `schema` has passed `check_schema`, so quoting it makes it safe.
    """
    return _text(package, name).replace("{schema}", Identifier(schema).as_string(None)).encode()
