"""The dashboard and the database: it goes away, is slow, or does not fit; and it never feels who looks."""

from __future__ import annotations

import asyncio

import pytest
from gate import Gate

from chancy import Chancy, Queue
from chancy_dashboard.plugin import DashboardPlugin
from chancy_dashboard.reading import connections


@pytest.fixture
async def gate(dsn, chancy):
    """A way to the test's database that can be closed."""
    one = Gate(dsn)
    await one.open()
    yield one
    await one.shut()


async def test_a_database_that_goes_away_is_told_and_comes_back(serve, chancy, gate, until):
    """With what was read before; and nothing has to be started anew."""
    await chancy.declare(Queue("mail"))
    browser = serve(Chancy(gate.dsn, schema=chancy.settings.schema))
    assert (await browser.get("/queues")).status_code == 200
    await gate.shut()

    async def status() -> int:
        return (await browser.get("/queues")).status_code

    async def is_away() -> bool:
        return await status() == 503

    await until(is_away)
    away = await browser.get("/queues")
    assert "The database does not answer" in away.text
    assert "What you see was read" in away.text
    assert "mail" in away.text
    assert away.headers["retry-after"]
    # A page that nobody has looked at before has nothing to show, and says why.
    other = await browser.get("/workers")
    assert other.status_code == 503
    assert "Nothing was read before" in other.text
    assert (await browser.get("/api/queues")).status_code == 503
    # Nothing can be done meanwhile.
    assert (await browser.post("/do/pause/queues/mail")).status_code in (409, 503)
    await gate.open()

    async def is_back() -> bool:
        return await status() == 200

    await until(is_back)
    assert (await browser.post("/do/pause/queues/mail")).status_code == 303


async def test_a_dashboard_starts_before_its_database(serve, chancy, gate, until):
    """And is there when that is."""
    await gate.shut()
    browser = serve(Chancy(gate.dsn, schema=chancy.settings.schema))
    assert (await browser.get("/")).status_code == 503
    await gate.open()

    async def is_there() -> bool:
        return (await browser.get("/")).status_code == 200

    await until(is_there)


async def test_a_schema_that_does_not_fit_is_told_and_not_changed(serve, dsn, query):
    """To look makes no tables."""
    browser = serve(Chancy(dsn, schema="nobody_made_this_one", discover=False, plugins=[DashboardPlugin()]))
    page = await browser.get("/queues")
    assert page.status_code == 503
    assert "chancy --schema nobody_made_this_one migrate" in page.text
    assert query("SELECT count(*) FROM pg_namespace WHERE nspname = 'nobody_made_this_one'") == [(0,)]


async def test_what_takes_longer_than_a_second_is_given_up_and_named(browser, chancy, query, monkeypatch):
    """The rest of the page is shown; the server has stopped the statement."""
    await chancy.declare(Queue("mail"))
    monkeypatch.setattr(connections, "STATEMENT_TIMEOUT_S", 0.3)
    real = connections.SQL.dicts

    async def slow(connection, schema, name, **params):
        if name == "find_waiting":
            await connection.execute("SELECT pg_sleep(600)")
        return await real(connection, schema, name, **params)

    monkeypatch.setattr(connections.SQL, "dicts", slow)
    page = await browser.get("/queues")
    assert page.status_code == 200
    assert "Not looked up in time: waiting" in page.text
    assert 'href="/queues/mail"' in page.text


async def test_whoever_looks_can_change_nothing(serve, chancy, monkeypatch):
    """The connections of pages are read-only, few, and its own."""
    from chancy_dashboard import Dashboard  # noqa: PLC0415

    monkeypatch.setattr(connections, "STATEMENT_TIMEOUT_S", 1.0)
    dashboard = Dashboard(chancy)
    look = await dashboard.reader.look()
    try:
        await dashboard.reader.ready()
        async with look.pool.connection() as connection:
            cursor = await connection.execute("SHOW transaction_read_only")
            assert await cursor.fetchone() == ("on",)
            cursor = await connection.execute("SHOW statement_timeout")
            assert await cursor.fetchone() == ("1s",)
        assert look is not chancy
        assert look.settings.pool_max_size == 4
    finally:
        await dashboard.close()


async def test_many_viewers_are_one_reader(serve, chancy, monkeypatch):
    """Fifty who look at the same page at once, and some moments later, ask the database once."""
    asked = 0
    real = connections.SQL.dicts

    async def counted(connection, schema, name, **params):
        nonlocal asked
        asked += name == "find_waiting"
        return await real(connection, schema, name, **params)

    monkeypatch.setattr(connections.SQL, "dicts", counted)
    monkeypatch.setattr("chancy_dashboard.reading.snapshots.FOR_S", 3600.0)
    browser = serve()
    pages = await asyncio.gather(*(browser.get("/queues") for _ in range(50)))
    assert {page.status_code for page in pages} == {200}
    assert asked == 1
    # What somebody does is seen at once.
    await browser.post("/do/declare/queues", data={"name": "mail"})
    assert 'href="/queues/mail"' in (await browser.get("/queues")).text
    assert asked == 2


async def test_a_private_server_without_a_schema_is_told(serve, tmp_path, monkeypatch):
    """As on a new machine: what to type, and no error of ours; and then it is there."""
    from chancy.errors import NotOpen, SchemaError  # noqa: PLC0415

    new = Chancy(discover=False, plugins=[DashboardPlugin()])

    async def refuses(chancy):
        raise SchemaError("The schema 'chancy' has not been set up: `chancy migrate`.")

    monkeypatch.setattr(connections, "opened", refuses)
    with pytest.raises(NotOpen):
        _ = new.dsn
    page = await serve(new).get("/queues")
    assert page.status_code == 503
    assert "`chancy migrate`" in page.text
    assert 'http-equiv="refresh"' in page.text
