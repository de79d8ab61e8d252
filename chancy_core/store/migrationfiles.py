"""Migrations as they are written: files with a number, and what their first lines say of them."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from chancy_core.errors import SchemaError
from chancy_core.store.sqltext import normalized, statements_in

KERNEL: Final = "kernel"
_FILE: Final = re.compile(r"(\d{4,})_\w+\.sql")
# What looks like a migration: its name begins with a number, or holds `sql`.
_LOOKS_LIKE_ONE: Final = re.compile(r"\d.*|.*sql.*", re.IGNORECASE)
# The lines before the first statement that say something to us.
_COMPATIBLE: Final = re.compile(r"--\s*compatible\s*:\s*(.*?)\s*", re.IGNORECASE)
_OUTSIDE: Final = re.compile(r"--\s*without\s+transaction\s*", re.IGNORECASE)
# What may be done outside of a transaction: each of these can be repeated, and blocks nobody who reads or writes rows.
_CREATE_INDEX: Final = re.compile(
    r"CREATE (UNIQUE )?INDEX CONCURRENTLY (IF NOT EXISTS )?(?P<index>[a-z_][a-z0-9_]*) ON (ONLY )?\{schema\}\..*",
    re.IGNORECASE | re.DOTALL,
)
_DROP_INDEX: Final = re.compile(r"DROP INDEX CONCURRENTLY IF EXISTS \{schema\}\.[a-z_][a-z0-9_]*", re.IGNORECASE)
_VALIDATE: Final = re.compile(
    r"ALTER TABLE (ONLY )?\{schema\}\.[a-z_][a-z0-9_]* VALIDATE CONSTRAINT [a-z_][a-z0-9_]*", re.IGNORECASE
)
_CONCURRENTLY: Final = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)


class Migration(NamedTuple):
    """One step of one owner's tables.

    The lines of comment before its first statement may say of it:

    * `-- compatible: yes`: code that worked with the tables before works with them after it;
    * `-- without transaction`: it is one statement that cannot be, or must not be, part of a transaction.

    Attributes:
        owner: the kernel, or a plugin's name.
        version: counts up from 1, without gaps, for each owner.
        sql: one or more statements; `{schema}` stands for the quoted schema.
        file: the name of the file that it was read from, for errors.
    """

    owner: str
    version: int
    sql: str
    file: str = ""

    @property
    def compatible(self) -> bool:
        """Whether code that does not know of it works with the tables after it."""
        return _header(self.sql).compatible

    @property
    def in_transaction(self) -> bool:
        """Whether it is applied in one transaction with its neighbours."""
        return not _header(self.sql).outside

    @property
    def checksum(self) -> str:
        """What tells it from an edited one. Comments and white space do not count."""
        return _checksum(self.sql)

    @property
    def makes_index(self) -> str | None:
        """The name of the index that it makes outside of a transaction, if it does that."""
        found = None if self.in_transaction else _CREATE_INDEX.fullmatch(_statement(self))
        return found["index"].lower() if found else None

    @property
    def inside(self) -> str:
        """Its text for a transaction in which the tables are made: nobody waits for those yet."""
        return self.sql if self.in_transaction else _CONCURRENTLY.sub("", _statement(self), count=1)

    def __str__(self) -> str:
        whose = "the kernel" if self.owner == KERNEL else f"the plugin {self.owner!r}"
        return f"Migration {self.version} of {whose}" + (f" ({self.file})" if self.file else "")


class _Header(NamedTuple):
    compatible: bool = False
    outside: bool = False
    wrong: str = ""


def read_migrations(owner: str, package: str) -> list[Migration]:
    """The files `0001_….sql`, `0002_….sql` … of a package, in their order.

    Raises:
        SchemaError: there is none, a number is missing or given twice, a file that looks like a migration has another
            name, or its first lines say what nobody understands.
    """
    found = []
    for file in _files_of(owner, package):
        named = _FILE.fullmatch(file.name)
        if named is None:
            if _LOOKS_LIKE_ONE.fullmatch(file.name):
                raise SchemaError(
                    f"The file {file.name!r} in {package} is no migration of {owner}, because of its name: call it "
                    "0001_what_it_does.sql, with four digits, an underscore and .sql, or move it elsewhere."
                )
        elif int(named[1]) > 0:
            found.append(Migration(owner, int(named[1]), _text_of(file, package), file.name))
    found.sort(key=lambda migration: (migration.version, migration.file))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise SchemaError(
            f"The migrations of {owner} are numbered {[m.version for m in found]}: count from 1, without gaps."
        )
    for migration in found:
        check_migration(migration)
    if not found:
        raise _nothing_in(owner, package)
    return found


def _files_of(owner: str, package: str) -> list[Traversable]:
    try:
        return list(files(package).iterdir())
    except (FileNotFoundError, ModuleNotFoundError):
        raise _nothing_in(owner, package) from None


def _nothing_in(owner: str, package: str) -> SchemaError:
    return SchemaError(
        f"There is no migration of {owner} in {package}: is the name written as it is imported, and are the .sql files "
        "part of the distribution?"
    )


def kernel_migrations() -> list[Migration]:
    """The kernel's own."""
    return read_migrations(KERNEL, "chancy_core.store.migrations")


def check_migration(migration: Migration) -> None:
    """Raise SchemaError if a migration says what nobody understands, or cannot be applied as it asks."""
    wrong = _header(migration.sql).wrong
    if wrong:
        raise SchemaError(f"{migration} begins with {wrong!r}: write `-- compatible: yes`, or `-- compatible: no`.")
    if migration.in_transaction:
        return
    found = statements_in(migration.sql)
    if len(found) != 1:
        raise SchemaError(
            f"{migration} is to be applied without transaction and holds {len(found)} statements: write one file for "
            "each, because what was done before one of them fails could not be taken back."
        )
    if not any(form.fullmatch(found[0]) for form in (_CREATE_INDEX, _DROP_INDEX, _VALIDATE)):
        raise SchemaError(
            f"{migration} is to be applied without transaction, and is {found[0][:80]!r}. What can be repeated after a "
            "crash is CREATE INDEX CONCURRENTLY name ON {schema}.table …, DROP INDEX CONCURRENTLY IF EXISTS "
            "{schema}.name, and ALTER TABLE {schema}.table VALIDATE CONSTRAINT name. Anything else goes into a "
            "transaction: leave the line `-- without transaction` out."
        )


def _text_of(file: object, package: str) -> str:
    try:
        text: str = file.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    except UnicodeDecodeError as error:
        name = getattr(file, "name", "?")
        raise SchemaError(f"The migration {name!r} in {package} is not UTF-8: {error}. Save it as UTF-8.") from None
    return text


@lru_cache(maxsize=1024)
def _header(sql: str) -> _Header:
    compatible, outside, wrong = False, False, ""
    for line in map(str.strip, sql.splitlines()):
        if line and not line.startswith("--"):
            break
        said = _COMPATIBLE.fullmatch(line)
        if said and said[1].lower() not in ("yes", "no"):
            wrong = line
        elif said:
            compatible = said[1].lower() == "yes"
        outside = outside or _OUTSIDE.fullmatch(line) is not None
    return _Header(compatible, outside, wrong)


@lru_cache(maxsize=1024)
def _checksum(sql: str) -> str:
    return hashlib.sha256(normalized(sql).encode()).hexdigest()


def _statement(migration: Migration) -> str:
    (only,) = statements_in(migration.sql)
    return only
