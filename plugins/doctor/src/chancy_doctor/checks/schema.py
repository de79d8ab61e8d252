"""What the schema lacks: rights of this role, and indexes that were built to their end."""

from __future__ import annotations

from psycopg.sql import Identifier

from chancy.plugin import Finding, Severity, Subject
from chancy_doctor.look import Look, named


async def check_rights(look: Look) -> list[Finding]:
    """A finding about the tables on which this role lacks a right."""
    rows = await look.rows("find_missing_rights", schema=look.schema)
    if not rows:
        return []
    schema, role = Identifier(look.schema).as_string(None), Identifier(rows[0][2]).as_string(None)
    return [
        Finding(
            id="right-missing",
            severity=Severity.ERROR,
            subject=Subject("schema", look.schema),
            what=f"The role {rows[0][2]} lacks rights in the schema {look.schema}: "
            + named([f"{', '.join(rights)} on {table}" for table, rights, _ in rows]),
            evidence={"tables": len(rows)},
            why="Whatever needs these rights fails: pushing, claiming, or recording what ran.",
            fix=f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};",
        )
    ]


async def check_indexes(look: Look) -> list[Finding]:
    """A finding for each index that the server does not use."""
    schema = Identifier(look.schema).as_string(None)
    return [
        Finding(
            id="index-invalid",
            severity=Severity.WARNING,
            subject=Subject("schema", look.schema),
            what=f"The index {index} of {table} is not valid: whoever built it was interrupted.",
            why="It costs every write, and serves no statement.",
            fix=f"REINDEX INDEX CONCURRENTLY {schema}.{Identifier(index).as_string(None)};",
        )
        for index, table in await look.rows("find_invalid_indexes", schema=look.schema)
    ]
