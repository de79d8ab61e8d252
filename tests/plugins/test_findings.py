"""The hook `findings`, and `find_problems`, which asks for it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg
import pytest
from hosting import RAISED
from making import plugin
from psycopg.conninfo import make_conninfo

from chancy import Chancy
from chancy.plugin import Finding, Severity, Subject, command_line, find_problems
from chancy_core.plugins import calling


def a_finding(id_: str, severity: Severity = Severity.WARNING, **changed: Any) -> Finding:
    fields = {"subject": Subject("queue", "mail"), "what": "Odd.", "why": "It matters.", "fix": "chancy config"}
    return Finding(id=id_, severity=severity, **{**fields, **changed})


def saying(name: str, answer: Any) -> Any:
    """A plugin that finds this."""

    async def findings(self, chancy):
        return answer

    return plugin(name, findings=findings)


async def test_findings_of_all_plugins_come_errors_first(new_chancy):
    """In plugin order, but for errors; of a Chancy that is open, and of one that is opened for it."""
    warning, error = a_finding("w"), a_finding("e", Severity.ERROR)
    chancy = new_chancy(plugins=[saying("a", [warning]), saying("b", [error]), saying("c", [])])
    async with chancy:
        assert await find_problems(chancy) == [error, warning]
    assert await find_problems(chancy) == [error, warning]
    with pytest.raises(Exception, match="has been closed"):
        _ = chancy.pool


@pytest.mark.parametrize("raised", RAISED, ids=repr)
async def test_findings_that_raise_are_a_finding(new_chancy, raised):
    """The plugin is named, with what it raised; the others are heard all the same, and the failure is counted."""

    async def fails(self, chancy):
        raise raised

    async with new_chancy(plugins=[plugin("broken", findings=fails), saying("good", [a_finding("w")])]) as chancy:
        found = await find_problems(chancy)
        assert [one.id for one in found] == ["plugin-cannot-say", "w"]
        assert found[0].subject == Subject("plugin", "broken")
        assert type(raised).__name__ in found[0].what
        assert chancy.plugins.failures["broken", "findings"] == 1


@pytest.mark.parametrize("answer", [None, "nothing", [None], a_finding("w"), [{"id": "w"}]], ids=repr)
async def test_findings_that_are_none_are_a_finding(new_chancy, answer):
    """What is no list of findings."""
    async with new_chancy(plugins=[saying("odd", answer)]) as chancy:
        (found,) = await find_problems(chancy)
        assert found.id == "plugin-cannot-say"
        assert "must return a list" in found.what


@pytest.mark.parametrize("deaf", [False, True])
async def test_findings_that_take_too_long_are_not_waited_for(new_chancy, monkeypatch, deaf):
    """Neither one that sleeps, nor one that swallows its cancellation and goes on: the answer comes long before."""
    monkeypatch.setattr(calling, "LETS_GO_WITHIN_S", 600.0)
    ends = asyncio.Event()

    async def slow(self, chancy):
        while not ends.is_set():
            try:
                await asyncio.wait_for(ends.wait(), 3600)
            except asyncio.CancelledError:
                if not deaf:
                    raise
        return []

    try:
        async with new_chancy(plugins=[plugin("a", findings=slow), saying("b", [a_finding("w")])]) as chancy:
            began = time.monotonic()
            found = await find_problems(chancy)
            took_s = time.monotonic() - began
    finally:
        ends.set()
    assert [one.id for one in found] == ["plugin-cannot-say", "w"]
    # Neither an hour, nor what a hook is given to let go.
    assert took_s < 300


async def test_findings_are_not_asked_for_where_the_schema_does_not_fit(new_chancy, query):
    """A plugin's tables may be missing there: that the schema does not fit is what there is to say."""

    async def never(self, chancy):
        raise AssertionError("it was asked")

    async with new_chancy(plugins=[plugin("eager", findings=never)]) as chancy:
        query("UPDATE {s}.migrations SET version = version + 90, oldest = 90 WHERE owner = 'kernel'")
        (found,) = await find_problems(chancy)
        assert found.id == "schema-ahead"
        assert found.severity is Severity.ERROR


async def test_findings_tell_once_of_a_database_that_goes_away_meanwhile(new_chancy):
    """Several plugins run into it; no plugin is to blame, and none is counted as failing."""

    async def cut(self, chancy):
        raise psycopg.errors.AdminShutdown("terminating connection")

    async with new_chancy(plugins=[plugin(name, findings=cut) for name in ("a", "b", "c")]) as chancy:
        (found,) = await find_problems(chancy)
        assert found.id == "database-refuses"
        assert found.subject.kind == "database"
        assert not chancy.plugins.failures


@pytest.mark.parametrize(
    ("changed", "id_", "told"),
    [
        ({"host": "/nowhere"}, "database-unreachable", "pg_isready -h /nowhere"),
        ({"dbname": "no_such_database"}, "database-missing", "createdb -h"),
        ({"user": "nobody_at_all"}, "database-refuses", "psql "),
    ],
)
async def test_a_database_that_cannot_be_reached_is_a_finding(dsn, changed, id_, told):
    """With its cause, and a command that shows more; a password is shown nowhere."""
    chancy = Chancy(make_conninfo(dsn, password="hunter2", **changed), discover=False)
    (found,) = await find_problems(chancy)
    assert found.id == id_
    assert told in found.fix
    assert "hunter2" not in str(found.to_dict())


async def test_a_database_that_does_not_answer_is_a_finding(new_chancy):
    """It is not waited for: somebody holds a lock on the registry."""
    async with new_chancy() as chancy, chancy.pool.connection() as other, other.transaction():
        await other.execute(f'LOCK TABLE "{chancy.settings.schema}".migrations'.encode())
        (found,) = await find_problems(chancy, within_s=1)
        assert found.id == "database-silent"


async def test_a_role_without_rights_is_told_the_grant(new_chancy, query, dsn, schema):
    """With its own name in it, so that it can be pasted; and it mends that."""
    async with new_chancy():
        pass
    role = f"visitor_{schema}"
    query(f"CREATE ROLE {role} LOGIN")
    try:
        chancy = Chancy(make_conninfo(dsn, user=role), schema=schema, discover=False)
        (found,) = await find_problems(chancy)
        assert found.id == "right-missing"
        query(found.fix)
        assert await find_problems(chancy) == []
    finally:
        query(f"DROP OWNED BY {role}")
        query(f"DROP ROLE {role}")


def test_a_command_line_means_the_same_database(tmp_path, monkeypatch):
    """What came from an argument is an option; what the command finds by itself is none; secrets are hidden."""
    monkeypatch.setenv("CHANCY_SCHEMA", "billing")
    assert command_line(Chancy(discover=False), "queue", "resume", "a b") == "chancy queue resume 'a b'"
    config = tmp_path / "billing.toml"
    config.write_text("[chancy]\n")
    chancy = Chancy("postgresql://app:hunter2@db1/app", schema="mail", config=config, discover=False)
    assert (
        command_line(chancy, "migrate")
        == f"chancy --config {config} --dsn 'postgresql://app:***@db1/app' --schema mail migrate"
    )
