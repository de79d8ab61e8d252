"""A schema that is not as its migrations made it: somebody dropped, changed or added something by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

from psycopg.sql import Identifier

from chancy.plugin import Finding, Severity, Subject
from chancy_doctor.look import Look, named

# What somebody adds to a table of ours may refuse rows, or change them; a column or an index more does neither.
_UNWANTED: Final = frozenset({"trigger", "constraint"})
_SHOWN: Final = 6


class Thing(NamedTuple):
    """Something in a schema; the fields are those of `read_made`."""

    kind: str
    relation: str
    name: str
    detail: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is, however it is."""
        return self[:3]

    def __str__(self) -> str:
        """How it is named in a sentence."""
        if not self.name:
            return f"the {self.kind} {self.relation}"
        where = "" if not self.relation else f" of {self.relation}"
        return f"the {self.kind} {self.name}{where}"


class Drift(NamedTuple):
    """How a schema differs from what was made.

    Attributes:
        missing: what is not there.
        changed: what is otherwise, with how it should be.
        added: what is there and should not be.
    """

    missing: list[Thing]
    changed: list[tuple[Thing, Thing]]
    added: list[Thing]

    def __bool__(self) -> bool:
        """Whether it differs at all."""
        return bool(self.missing or self.changed or self.added)

    @property
    def severe(self) -> bool:
        """Whether statements may fail by it, and not only be slow."""
        return any(not _is_plain_index(one) for one in (*self.missing, *(now for now, _ in self.changed), *self.added))


def _is_plain_index(one: Thing) -> bool:
    return one.kind == "index" and not one.detail.startswith("unique")


@lru_cache
def made_by(owner: str, version: int) -> frozenset[Thing] | None:
    """What an owner's migrations make, up to a version; None: nobody has written that down."""
    file = files("chancy_doctor.made").joinpath(f"{owner}-{version:04}.txt")
    if not file.is_file():
        return None
    return frozenset(Thing(*line.split("\t")) for line in file.read_text(encoding="utf-8").splitlines())


def compare(made: Iterable[Thing], found: Iterable[Thing]) -> Drift:
    """How what is found differs from what was made."""
    wanted = {one.key: one for one in made}
    there = {one.key: one for one in found}
    gone = {one.relation for one in wanted.values() if not one.name and one.key not in there}
    # With a table goes what belongs to it, which needs no line of its own.
    missing = [one for key, one in wanted.items() if key not in there and not (one.name and one.relation in gone)]
    ours = {one.relation for one in wanted.values() if one.kind == "table"}
    return Drift(
        missing=sorted(missing),
        changed=sorted((there[key], one) for key, one in wanted.items() if key in there and there[key] != one),
        added=sorted(one for key, one in there.items() if key not in wanted and one.relation in ours and _hurts(one)),
    )


def _hurts(one: Thing) -> bool:
    return one.kind in _UNWANTED or (one.kind == "column" and one.detail.endswith("not null"))


async def check(look: Look) -> list[Finding]:
    """A finding if the schema is not as the migrations made it that were applied; the tables of all who are known."""
    versions: Mapping[str, int] = dict(await look.rows("read_versions"))
    made = [made_by(owner, version) for owner, version in versions.items()]
    if made_by("kernel", versions.get("kernel", 0)) is None:
        # Of a newer Chancy, with which this code gets along.
        return []
    found = [Thing(*row) for row in await look.rows("read_made", schema=look.schema)]
    drift = compare([one for each in made if each is not None for one in each], found)
    if any(each is None for each in made):
        # Whoever made that may have added it.
        drift = drift._replace(added=[])
    return [_finding(look, drift)] if drift else []


def _finding(look: Look, drift: Drift) -> Finding:
    parts = [
        *([f"missing: {named([str(one) for one in drift.missing], _SHOWN)}"] if drift.missing else []),
        *([f"changed: {named([_changed(*pair) for pair in drift.changed], _SHOWN)}"] if drift.changed else []),
        *([f"added: {named([str(one) for one in drift.added], _SHOWN)}"] if drift.added else []),
    ]
    return Finding(
        id="schema-drifted",
        severity=Severity.ERROR if drift.severe else Severity.WARNING,
        subject=Subject("schema", look.schema),
        what=f"The schema {look.schema} is not as its migrations made it; {'; '.join(parts)}.",
        evidence={"missing": len(drift.missing), "changed": len(drift.changed), "added": len(drift.added)},
        why="Statements that rely on it fail, or rows are refused that should not be."
        if drift.severe
        else "Statements that rely on it read whole tables instead, so that claims become slow.",
        fix=_fix(look, drift),
    )


def _changed(now: Thing, made: Thing) -> str:
    return f"{now} is {now.detail or 'as usual'}, and was made {made.detail or 'without that'}"


def _fix(look: Look, drift: Drift) -> str:
    """The statement that undoes the first of it, where that can be said."""
    schema = Identifier(look.schema).as_string(None)
    for one in (*drift.missing, *(now for now, _ in drift.changed), *drift.added):
        table = f"{schema}.{Identifier(one.relation or one.name).as_string(None)}"
        if one in drift.added and one.kind in _UNWANTED:
            name = Identifier(one.name).as_string(None)
            return {
                "trigger": f"DROP TRIGGER {name} ON {table};",
                "constraint": f"ALTER TABLE {table} DROP CONSTRAINT {name};",
            }[one.kind]
        if one.detail == "unlogged":
            return f"ALTER TABLE {table} SET LOGGED;"
        if one.detail == "with row-level security":
            return f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;"
        if one.detail == "disabled":
            return f"ALTER TABLE {table} ENABLE TRIGGER {Identifier(one.name).as_string(None)};"
        if one in drift.missing and (again := _statement(look, one)):
            return again
    # A fresh one beside it shows how it should be.
    return f"{look.command('--schema', 'as_made', 'migrate')}; pg_dump --schema-only --schema as_made"


def _statement(look: Look, one: Thing) -> str | None:
    """How a migration made an index or a view, in one line; the last one that did."""
    optional = r"(?:CONCURRENTLY\s+)?(?:IF NOT EXISTS\s+)?"
    pattern = {
        "index": rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+{optional}{re.escape(one.name)}\s.*?;",
        "view": rf"CREATE\s+(?:OR REPLACE\s+)?VIEW\s+\{{schema\}}\.{re.escape(one.relation)}\s.*?;",
    }.get(one.kind)
    if pattern is None:
        return None
    found = None
    for migration in look.chancy.migrations():
        for match in re.finditer(pattern, re.sub(r"--.*", "", migration.sql) + ";", re.DOTALL):
            found = match[0]
    if found is None:
        return None
    return " ".join(found.replace("{schema}", Identifier(look.schema).as_string(None)).split())
