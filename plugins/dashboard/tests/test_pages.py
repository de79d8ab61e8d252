"""Every page, with something to show and with nothing."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
from pathlib import Path

import pytest

from chancy import Chancy, Job, Queue, Worker
from chancy.plugins.cron import Cron
from chancy_dashboard import DashboardPlugin
from chancy_dashboard.door.redacting import HIDDEN, Redaction
from chancy_dashboard.pages import PAGES

DOCS = Path(__file__).parents[3] / "docs" / "how-to" / "write-a-page.md"
BLOCK = re.compile(r'^```\w+ title="(acme_owners/[^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)
STEADY = ["", "queues", "workers", "database", "plugins", "audit", "schedules"]


@pytest.mark.parametrize("path", STEADY)
async def test_a_page_has_something_to_say_when_there_is_nothing(browser, path):
    """And so has its JSON; each names itself."""
    page = await browser.get(f"/{path}")
    assert page.status_code == 200
    assert "<h1>" in page.text
    found = await browser.get(f"/api/{path}".rstrip("/"))
    assert found.headers["content-type"] == "application/json"
    assert isinstance(found.json(), dict)


async def test_workers_tell_what_they_run(browser, chancy, until):
    """By function, with their plugins; and on the first page as well."""
    started = asyncio.Event()

    async def hold():
        started.set()
        await asyncio.sleep(3600)

    sys.modules["held_jobs"] = type(sys)("held_jobs")
    sys.modules["held_jobs"].hold = hold  # type: ignore[attr-defined]
    await chancy.declare(Queue("mail"))
    async with Worker(chancy, name="mail-1", grace_s=0.1):
        await chancy.push(Job("held_jobs.hold", queue="mail"))
        await started.wait()

        async def shown() -> bool:
            (worker,) = (await browser.get("/api/workers")).json()["workers"]
            return worker["running"] == 1 and bool(worker["plugins"])

        await until(shown)
        (worker,) = (await browser.get("/api/workers")).json()["workers"]
        assert worker["runs"][0]["func"] == "held_jobs.hold"
        page = (await browser.get("/workers")).text
        assert "1 \N{MULTIPLICATION SIGN} held_<wbr>jobs.<wbr>hold" in page
        assert "<b>1</b> job runs" in page
        (now,) = [row for row in (await browser.get("/api/queues")).json()["queues"] if row["name"] == "mail"]
        assert now["running"] == 1


async def test_schedules_come_from_their_plugin(browser, chancy):
    """By the hook that anybody's pages come by: paused, resumed, run now, each with its permission and its audit."""
    await chancy.declare(Queue("mail"))
    await Cron.schedule(
        chancy, "30 2 * * *", Job("app.rollup", queue="mail"), name="night/ly", timezone="Europe/Berlin"
    )
    page = (await browser.get("/schedules")).text
    assert "At 02:30 every day" in page
    (one,) = (await browser.get("/api/schedules")).json()["schedules"]
    assert (one["name"], len(one["marks"])) == ("night/ly", 1)
    for action, paused in (("pause", True), ("resume", False)):
        sent = await browser.post(f"/do/{action}/schedules", data={"name": "night/ly"})
        assert sent.status_code == 303
        assert [found.paused for found in await Cron.get_schedules(chancy)] == [paused]
    await browser.post("/do/run/schedules", data={"name": "night/ly"})
    assert int(await chancy.count_jobs("func:app.rollup")) == 1
    missing = await browser.post("/do/run/schedules", data={"name": "weekly"})
    assert (missing.status_code, "weekly" in missing.text) == (409, True)
    entries = (await browser.get("/api/audit")).json()["entries"]
    assert [(entry["action"], entry["state"]) for entry in entries] == [
        ("run", "failed"), ("run", "done"), ("resume", "done"), ("pause", "done"),
    ]  # fmt: skip


async def test_the_example_of_the_documentation_works(serve, dsn, schema, tmp_path, monkeypatch):
    """A page with a button, a panel, JSON, a permission and an audit, in some thirty lines."""
    blocks = BLOCK.findall(DOCS.read_text())
    assert [name for name, _ in blocks] == [
        "acme_owners/__init__.py",
        "acme_owners/owners.html",
        "acme_owners/owner.html",
    ]
    assert len(blocks[0][1].splitlines()) <= 35
    for name, text in blocks:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    owners = importlib.import_module("acme_owners").Owners(teams={"mail": "the shop's team"})
    async with Chancy(dsn, schema=schema, plugins=[DashboardPlugin(), owners], discover=False) as chancy:
        await chancy.declare(Queue("mail"))
        browser = serve(chancy)
        assert "the shop&#39;s team" in (await browser.get("/owners")).text
        assert ">Owners</a>" in (await browser.get("/")).text
        assert "It belongs to <b>the shop&#39;s team</b>" in (await browser.get("/queues/mail")).text
        await chancy.push_many([Job("shop.mail", queue="mail"), Job("shop.other")])
        assert 'value="owners:team"' in (await browser.get("/jobs")).text
        table = (await browser.get("/jobs?col=state&col=owners:team")).text
        assert '<th scope="col">Team</th>' in table
        assert table.count('href="/jobs/owners">the shop&#39;s team</a>') == 1
        found = (await browser.get("/api/jobs?col=owners:team")).json()["jobs"]
        assert [one["cells"]["owners:team"] for one in found] == [
            None,
            {"text": "the shop's team", "link": "/jobs/owners"},
        ]
        sent = await browser.post("/do/hand-over/owners", data={"queue": "default", "team": "<i>ops</i>"})
        assert sent.status_code == 303
        assert "&lt;i&gt;ops&lt;/i&gt;" in (await browser.get("/owners")).text
        assert {"queue": "default", "team": "<i>ops</i>"} in (await browser.get("/api/owners")).json()
        reader = serve(chancy, read_only=True)
        assert "hand-over" not in (await reader.get("/owners")).text
        assert (await reader.post("/do/hand-over/owners", data={"queue": "mail", "team": "x"})).status_code == 403


@pytest.mark.parametrize("answer", [None, ["x"], {1: "x"}, "raise"])
async def test_a_broken_column_leaves_its_table(serve, dsn, schema, answer):
    """It is empty, and the page says which one."""
    from chancy import hookimpl  # noqa: PLC0415
    from chancy.plugin import Plugin, WebColumn  # noqa: PLC0415

    async def load(visit, jobs):
        return 1 / 0 if answer == "raise" else answer

    class Broken(Plugin):
        name = "broken"

        @hookimpl
        def columns(self):
            return [WebColumn(name="odd", title="Odd", load=load)]

    async with Chancy(dsn, schema=schema, plugins=[DashboardPlugin(), Broken()], discover=False) as chancy:
        pushed = await chancy.push(Job("shop.mail"))
        page = await serve(chancy).get("/jobs?col=broken:odd")
        assert page.status_code == 200
        assert str(pushed.identifier) in page.text
        assert "Partial.</b> Not looked up in time: Odd" in page.text


@pytest.mark.parametrize("broken", ["load", "template", "panel"])
async def test_a_broken_page_breaks_no_other(serve, dsn, schema, tmp_path, monkeypatch, broken):
    """It says whose it is, and why."""
    from chancy import hookimpl  # noqa: PLC0415
    from chancy.plugin import Plugin, WebPage, WebPanel  # noqa: PLC0415

    async def load(visit):
        return 1 / 0 if broken != "template" else {}

    class Broken(Plugin):
        name = "broken"

        @hookimpl
        def pages(self):
            return [WebPage(path="odd", title="Odd", load=load, template="chancy_dashboard.templates/nothing.html")]

        @hookimpl
        def panels(self):
            return [WebPanel(page="audit", name="odd", title="Odd", load=load, template="nowhere/x.html")]

    async with Chancy(dsn, schema=schema, plugins=[DashboardPlugin(), Broken()], discover=False) as chancy:
        browser = serve(chancy)
        audit = await browser.get("/audit")
        assert audit.status_code == 200
        assert "Odd failed" in audit.text
        if broken != "panel":
            odd = await browser.get("/odd")
            assert odd.status_code == 500
            assert "brought by the plugin &#39;broken&#39;" in odd.text


async def test_what_there_is_as_json_is_described(browser, serve, chancy):
    """By OpenAPI, made of the pages: each path answers, or is an action of one."""
    await chancy.declare(Queue("mail"))
    found = (await browser.get("/api/openapi.json")).json()
    assert found["openapi"] == "3.1.0"
    assert "/do/pause/queues/{name}" in found["paths"]
    for path in ("/api", "/api/queues", "/api/queues/{name}", "/api/workers"):
        assert "get" in found["paths"][path]
        assert (await browser.get(path.replace("{name}", "mail"))).status_code == 200
    assert (await serve(authorize=lambda request: None).get("/api/openapi.json")).status_code == 403


def test_secrets_are_hidden_by_their_keys():
    """However they are spelled and nested; what is not secret is as it was, and what is long stays exact."""
    given = {
        "user": 7, "big": 2**80, "API-Key": "k", "nested": [{"db_password": "p", "note": None}], "token": {"a": 1},
        "empty": {"secret": ""}, "author": "ada",
    }  # fmt: skip
    assert Redaction()(given) == {
        "user": 7, "big": 2**80, "API-Key": HIDDEN, "nested": [{"db_password": HIDDEN, "note": None}], "token": HIDDEN,
        "empty": {"secret": ""}, "author": "ada",
    }  # fmt: skip
    assert Redaction(["user"], lambda value: {**value, "seen": True})({"user": 1, "token": 2}) == {
        "user": HIDDEN, "token": 2, "seen": True,
    }  # fmt: skip
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    assert HIDDEN in str(Redaction()(deep))


def test_pages_are_modules_of_their_own():
    """No path twice, and each that is in the navigation has a heading there."""
    assert len({page.path for page in PAGES}) == len(PAGES)
    assert {page.group for page in PAGES} <= {"Now", "Plans", "System", None}
