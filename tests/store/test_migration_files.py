"""Files of migrations: what would be passed over, or would make its tables elsewhere, is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from chancy import Migration, read_migrations
from chancy_core.errors import SchemaError
from chancy_core.store import run
from chancy_core.store.migrate import kernel_migrations, migrate
from chancy_core.store.sqltext import statements_in

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / f"migrations_of_{tmp_path.name.replace('-', '_')}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "0001_one.sql").write_text("SELECT 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


@pytest.mark.parametrize(
    "name",
    ["2_more.sql", "0002-more.sql", "0002_more.SQL", "0002.txt", "0002.sql", "0002_more.sql~", "002_more.sql",
     "more.sql", "0002_more.sql.orig", "0002 more.sql", "0002_.sql.txt", "0002_more"],
)  # fmt: skip
def test_a_file_that_looks_like_a_migration_is_not_passed_over(package, name):
    """The error names the file, and says how to call it."""
    (package / name).write_text("SELECT 2")
    with pytest.raises(SchemaError, match=r"call it 0001_what_it_does\.sql") as error:
        read_migrations("p", package.name)
    assert repr(name) in str(error.value)


@pytest.mark.parametrize("name", ["README.md", "notes.txt", ".gitignore", "__init__.pyi", "helper.py"])
def test_other_files_may_lie_beside_them(package, name):
    """What nobody takes for a migration is left alone."""
    (package / name).write_text("…")
    (package / "__pycache__").mkdir(exist_ok=True)
    assert [one.file for one in read_migrations("p", package.name)] == ["0001_one.sql"]


def test_files_are_read_in_the_order_of_their_numbers(package):
    """Five digits come after four."""
    for number in range(2, 12):
        (package / f"{number:04}_x.sql").write_text(f"SELECT {number}")
    assert [one.version for one in read_migrations("p", package.name)] == list(range(1, 12))
    (package / "00012_x.sql").write_text("SELECT 12")
    assert read_migrations("p", package.name)[-1].sql == "SELECT 12"
    (package / "0012_y.sql").write_text("SELECT 12")
    with pytest.raises(SchemaError, match=r"11, 12, 12\]: count from 1"):
        read_migrations("p", package.name)


def test_a_file_in_another_encoding_is_told(package):
    """The error names it."""
    (package / "0002_x.sql").write_bytes("SELECT 'ü'".encode("latin-1"))
    with pytest.raises(SchemaError, match=r"'0002_x\.sql' .* is not UTF-8"):
        read_migrations("p", package.name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("-- compatible: maybe\nSELECT 1", "begins with '-- compatible: maybe': write `-- compatible: yes`"),
        ("-- compatible:\nSELECT 1", "begins with '-- compatible:'"),
        ("-- without transaction\nSELECT 1; SELECT 2", "holds 2 statements: write one file for each"),
        ("-- without transaction\n-- nothing", "holds 0 statements"),
        ("-- without transaction\nVACUUM {schema}.jobs", "and is 'VACUUM {schema}.jobs'"),
        ("-- without transaction\nCREATE INDEX i ON {schema}.jobs (id)", "and is 'CREATE INDEX i"),
        ("-- without transaction\nCREATE INDEX CONCURRENTLY i ON jobs (id)", "CONCURRENTLY name ON {schema}."),
        ("-- without transaction\nDROP INDEX CONCURRENTLY {schema}.i", "DROP INDEX CONCURRENTLY IF EXISTS"),
    ],
)  # fmt: skip
def test_what_the_first_lines_say_is_checked(package, text, says):
    """What nobody understands, or could not be repeated after a crash, is refused before anything is applied."""
    (package / "0002_two.sql").write_text(text)
    with pytest.raises(SchemaError) as error:
        read_migrations("p", package.name)
    assert "Migration 2 of the plugin 'p' (0002_two.sql)" in str(error.value)
    assert says in str(error.value)


async def test_migrations_made_in_code_are_checked_as_well(new_chancy, schema):
    """Before anything is applied."""
    async with new_chancy() as chancy, chancy.pool.connection() as connection:
        wrong = Migration("p", 1, "-- without transaction\nVACUUM")
        with pytest.raises(SchemaError, match="Migration 1 of the plugin 'p' is to be applied without transaction"):
            await run(connection, migrate(schema, [*kernel_migrations(), wrong]))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CREATE TABLE notes (n int)", "CREATE TABLE notes (n int)"),
        ("CREATE TABLE {schema}.good (n int); CREATE TABLE notes (n int)", "CREATE TABLE notes (n int)"),
        ("CREATE VIEW notes AS SELECT 1 AS one", "CREATE VIEW notes"),
        ("CREATE SEQUENCE notes", "CREATE SEQUENCE notes"),
        ("CREATE TYPE notes AS ENUM ('a')", "CREATE TYPE notes"),
        ("CREATE FUNCTION notes() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION notes()"),
        ("ALTER TABLE jobs ADD COLUMN n int", "ALTER TABLE jobs"),
        ("INSERT INTO queues (name) VALUES ('x')", "INSERT INTO queues"),
        ("CREATE TABLE {schema}.a (n int REFERENCES jobs (id))", ""),
        ("CREATE INDEX i ON jobs (id)", "CREATE INDEX i ON jobs"),
        ("SELECT nowhere()", "SELECT nowhere()"),
    ],
)
async def test_a_name_without_its_schema_is_told(new_chancy, schema, query, text, shown):
    """It would be made in, or found in, whatever schema comes first in the role's search_path."""
    async with new_chancy() as chancy, chancy.pool.connection() as connection:
        # As many applications have it.
        await connection.execute(f"SET search_path = {schema}, public".encode())
        wrong = Migration("p", 1, text, "0001_notes.sql")
        with pytest.raises(SchemaError, match=r"A name without its schema in 0001_notes\.sql") as error:
            await run(connection, migrate(schema, [*kernel_migrations(), wrong]))
        assert shown in str(error.value)
        assert "Write {schema}. before each table" in str(error.value)
        assert (await (await connection.execute("SHOW search_path")).fetchone())[0] == f"{schema}, public"
        await connection.execute(b"RESET search_path")
    assert query("SELECT count(*) FROM pg_class WHERE relname = 'notes'") == [(0,)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" ;; -- a;\n /* b; */ ", []),
        ("SELECT 1;SELECT\n2", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';' , E'\\';' ; SELECT $a$ ; $$ ; $a$", ["SELECT ';' , E'\\';'", "SELECT $a$ ; $$ ; $a$"]),
        ('SELECT "a;--b" -- c;\n;', ['SELECT "a;--b"']),
    ],
)
def test_statements_end_where_they_end(text, found):
    """Semicolons and dashes that are quoted end nothing."""
    assert statements_in(text) == found
