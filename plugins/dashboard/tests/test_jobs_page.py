"""Jobs are found by a query, a page at a time, and what is done to them is counted and confirmed first."""

from __future__ import annotations

import re
from typing import Any

import httpx
from operating import failed, mails

from chancy import Chancy, Job, Queue
from chancy_dashboard import Access


def ids_in(page: httpx.Response) -> list[str]:
    return re.findall(r'name="id" value="([0-9a-f-]{36})"', page.text)


def link(page: httpx.Response, rel: str) -> str | None:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page.text)
    return None if found is None else found[1].replace("&amp;", "&")


async def test_pages_go_both_ways_and_show_each_job_once(browser, chancy: Chancy):
    """Older, older, newer, newer: the same pages again, and nothing between them is left out."""
    refs = await mails(chancy, 60)
    page = await browser.get("/jobs?q=func:app.mail&limit=25")
    pages = [ids_in(page)]
    while (older := link(page, "next")) is not None:
        page = await browser.get(older)
        pages.append(ids_in(page))
    assert sorted(one for ids in pages for one in ids) == sorted(str(ref.identifier) for ref in refs)
    assert [len(ids) for ids in pages] == [25, 25, 10]
    page = await browser.get(str(link(page, "prev")))
    assert ids_in(page) == pages[1]
    page = await browser.get(str(link(page, "prev")))
    assert ids_in(page) == pages[0]
    assert link(page, "prev") is None


async def test_the_address_says_all_and_the_page_says_what_it_cannot_read(browser, chancy: Chancy):
    """Columns, values of arguments, the query: a bookmark shows the same. A slip is told where, and nothing is lost."""
    await chancy.push(Job(func="app.mail", kwargs={"user": {"id": 7}, "password": "hush"}, priority=3))
    page = await browser.get("/jobs?q=kwargs.user.id:7&col=priority&col=kwargs.user.id,kwargs.password")
    assert '<th scope="col" class="n">Priority</th>' in page.text
    assert re.search(r'data-l="kwargs.user.id"><span>7</span>', page.text)
    assert "hush" not in page.text
    assert "hush" not in (await browser.get("/api/jobs?q=kwargs.user.id:7&col=kwargs.password")).text
    wrong = await browser.get("/jobs", params={"q": 'stat:failed queue:"<b>"'})
    assert wrong.status_code == 200
    assert "there is no field" in wrong.text
    assert 'value="stat:failed queue:&#34;&lt;b&gt;&#34;"' in wrong.text


async def test_an_id_alone_is_found_and_states_are_counted_beside_the_page(browser, chancy: Chancy, query):
    """Pasted from a log it is that job; the counts are of all states, whichever is looked at."""
    (ref, *_) = await failed(chancy, query, 3)
    await mails(chancy, 2)
    both = {"failed": 3, "pending": 2}
    for text, jobs, states in (("state:failed", 3, both), ("", 5, both), (str(ref.identifier), 1, {"failed": 1})):
        found = (await browser.get("/api/jobs", params={"q": text})).json()
        assert len(found["jobs"]) == jobs
        assert {one["state"]: one["value"] for one in found["counts"] if one["value"]} == states


COMPLETIONS = {
    "st": ["state:"],
    "-st": ["-state:"],
    "state:fai": ["state:failed"],
    "func:x state:failed,pen": ["state:failed,pending"],
    "func:mai": ["func:app.mail"],
    "queue:m": ["queue:mail"],
    "error:x": [],
    "nonsense:x": [],
}


async def test_completions_are_what_there_is(browser, chancy: Chancy):
    """Fields, states, and the names of this database."""
    await chancy.declare(Queue("mail"))
    await mails(chancy, 1)
    for text, options in COMPLETIONS.items():
        found = (await browser.get("/api/complete", params={"q": text})).json()["options"]
        assert [one["value"] for one in found] == options, text


async def act(browser: httpx.AsyncClient, word: str, path: str = "jobs", **form: Any) -> httpx.Response:
    return await browser.post(f"/do/{word}/{path}", data=form)


async def counted(browser: httpx.AsyncClient, word: str, **form: Any) -> str:
    """Counts what a form means, and returns the operation's path."""
    done = await act(browser, word, **form)
    assert done.status_code == 303, done.text
    return str(done.headers["location"]).lstrip("/")


async def ended(browser: httpx.AsyncClient, path: str, until: Any) -> dict[str, Any]:
    async def over() -> bool:
        return not (await browser.get(f"/api/{path}")).json()["moves"]

    await until(over)
    return dict((await browser.get(f"/api/{path}")).json())


async def test_all_that_match_are_retried_once_the_number_is_typed(browser, chancy: Chancy, query, until):
    """The page says how many, wants the number and the reason, shows how far it is, and keeps what came of it."""
    await failed(chancy, query, 150)
    path = await counted(browser, "retry", scope="all", q="state:failed func:app.mail")
    page = await browser.get(f"/{path}")
    assert "Retry 150 jobs?" in page.text
    assert "Type 150 to confirm" in page.text
    wrong = await act(browser, "retry", path, found="150", confirm="15", reason="relay <b>back</b>")
    assert wrong.status_code == 409
    assert 'value="relay &lt;b&gt;back&lt;/b&gt;"' in wrong.text
    assert (await chancy.count_jobs("state:failed")).value == 150
    done = await act(browser, "retry", path, found="150", confirm="150", reason="relay <b>back</b>")
    assert done.status_code == 303
    found = await ended(browser, path, until)
    assert (found["state"], found["done"], found["confirmed_by"]) == ("done", {"retried": 150}, "ada")
    assert "relay &lt;b&gt;back" in (await browser.get(f"/{path}")).text
    assert "retried 150" in (await browser.get("/operations")).text
    assert query("SELECT who, reason, jobs FROM {s}.dashboard_audit WHERE jobs IS NOT NULL") == [
        ("ada", "relay <b>back</b>", 150)
    ]


async def test_those_selected_are_meant_and_no_others(browser, chancy: Chancy, until):
    """Two of five are cancelled, with two clicks and no typing."""
    refs = await mails(chancy, 5)
    path = await counted(
        browser, "cancel", scope="selected", q="", id=[str(refs[0].identifier), str(refs[3].identifier)]
    )
    assert "confirm" not in re.findall(r'<input id="([^"]+)"', (await browser.get(f"/{path}")).text)
    await act(browser, "cancel", path, found="2")
    assert (await ended(browser, path, until))["done"] == {"cancelled": 2}
    assert (await chancy.get_job(refs[3])).state == "cancelled"
    assert (await chancy.count_jobs("state:pending")).value == 3
    assert (await act(browser, "cancel", scope="selected", q="")).status_code == 409


async def test_waiting_jobs_are_moved_and_a_slip_loses_nothing(browser, chancy: Chancy, until):
    """A queue that is not there is told before anything is counted; then priority and queue are changed."""
    await chancy.declare(Queue("calm"))
    await mails(chancy, 3)
    wrong = await act(browser, "update", scope="all", q="func:app.mail", new_queue="clam")
    assert wrong.status_code == 409
    assert "clam" in wrong.text
    wrong = await act(browser, "update", scope="all", q="func:app.mail", when="soonish")
    assert 'value="soonish"' in wrong.text
    refs = [job.id for job in (await chancy.find_jobs("func:app.mail")).jobs]
    wrong = await act(browser, "update", scope="selected", q="", when="soonish", id=[str(refs[0]), str(refs[2])])
    assert re.findall(r'value="([0-9a-f-]{36})"[^>]* checked', wrong.text) == [str(refs[0]), str(refs[2])]
    path = await counted(browser, "update", scope="all", q="func:app.mail", new_queue="calm", new_priority="-3")
    await act(browser, "update", path, found="3")
    assert (await ended(browser, path, until))["done"] == {"updated": 3}
    assert (await chancy.count_jobs("queue:calm priority:-3")).value == 3


async def test_a_running_operation_is_stopped(browser, chancy: Chancy, query, until, monkeypatch):
    """Whoever may do it may stop it, and then go on."""
    await failed(chancy, query, 20)
    path = await counted(browser, "retry", scope="all", q="")
    query("UPDATE {s}.dashboard_operations SET state = 'running', confirmed_by = 'ada', lease_until = 'infinity'")
    assert "Stop" in (await browser.get(f"/{path}")).text
    assert (await act(browser, "stop-retry", path)).status_code == 303
    query("UPDATE {s}.dashboard_operations SET lease_until = '-infinity'")
    await act(browser, "stop-retry", path)
    found = await ended(browser, path, until)
    assert (found["state"], found["acted"]) == ("stopped", 0)
    assert "Go on" in (await browser.get(f"/{path}")).text
    await act(browser, "retry", path, found="20")
    assert (await ended(browser, path, until))["done"] == {"retried": 20}


async def test_whoever_may_act_in_one_queue_reaches_no_other(serve, chancy: Chancy, query, until):
    """Neither by leaving the queue out, nor by a query that names others, nor by somebody else's operation."""
    await chancy.declare(Queue("calm"))
    await mails(chancy, 4)
    await chancy.push_many("calm", [Job(func="app.mail")] * 2)
    lin = serve(authorize=lambda request: Access("lin", {"read": "*", "cancel": ["calm"]}))
    assert (await act(lin, "cancel", scope="all", q="func:app.mail")).status_code == 403
    assert (await act(lin, "cancel", scope="all", q="func:app.mail", queue="default")).status_code == 403
    assert (await act(lin, "cancel", scope="all", q="queue:default", queue="calm")).status_code == 409
    assert (await act(lin, "retry", scope="all", q="", queue="calm")).status_code == 403
    path = await counted(lin, "cancel", scope="all", q="func:app.mail", queue="calm")
    others = await counted(serve(), "cancel", scope="all", q="func:app.mail")
    assert (await act(lin, "cancel", others, found="6", queue="calm")).status_code == 409
    assert (await act(lin, "cancel", path, found="2", queue="calm")).status_code == 303
    assert (await ended(lin, path, until))["done"] == {"cancelled": 2}
    assert (await chancy.count_jobs("state:pending queue:default")).value == 4
