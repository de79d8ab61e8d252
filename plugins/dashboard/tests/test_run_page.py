"""The page of a run of a workflow, as somebody uses it: its graph, its times, why it waits, and its buttons."""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files
from itertools import pairwise

import pytest
from attacking import Page
from chancy_workflow.picture.svg import STYLE

from chancy import Backoff, Job, JobContext, Worker
from chancy.plugins.workflow import Kept, Workflow, Workflows
from chancy_dashboard import Access, DashboardPlugin

TIMEOUT = 60


async def double(*, item: int) -> int:
    """Fails for 3."""
    if item == 3:
        raise ValueError("three <b>is</b> odd")
    return 2 * item


async def late(*, context: JobContext) -> None:
    """Fails twice."""
    if context.attempt < 3:
        raise ValueError("not yet")


async def keeps(*, context: JobContext) -> None:
    """Keeps a value with a secret in it."""
    await Kept(context).step("charge", lambda: {"order": 7, "card_token": "4111"})


def order() -> Workflow:
    """A map of which one job fails, a step that is tried three times, and one that waits for a signal."""
    flow = Workflow("order <i>7</i>")
    flow.map("parse", Job.from_func(double), over=range(5))
    flow.add("late", Job.from_func(late, max_attempts=3, backoff=Backoff.fixed(0.01)))
    paid = flow.wait("paid", after="late", timeout=3600)
    flow.add("send", Job.from_func(keeps), after=[paid])
    return flow


@pytest.fixture
async def run(chancy, until):
    """Such a run, which waits for its signal by now."""
    async with Worker(chancy):
        run = await chancy.push(order())

        async def waits():
            steps = (await run.status()).steps
            return steps["paid"].state == "open" and steps["parse"].state == "failed"

        await until(waits)
        yield run


async def test_the_graph_links_each_step_to_its_job_and_a_map_to_its_jobs(browser, run):
    """As SVG that the server has drawn, with names that are read and nothing else."""
    status = await run.status()
    html = (await browser.get(f"/workflows/{run}")).text
    picture = html[html.index('<svg class="wf"') : html.index("</svg>", html.index('<svg class="wf"'))]
    assert f'href="/jobs/{status.steps["late"].job_id}"' in picture
    assert f'href="/workflows/{run}?of=parse#steps"' in picture
    assert "1 failed, 4 succeeded" in picture
    assert "waits for its signal" in picture
    page = Page(html)
    assert "order <i>7</i>" in page.text
    assert not page.found
    jobs = (await browser.get(f"/api/workflows/{run}", params={"of": "parse", "state": "failed"})).json()
    assert [(one["name"], one["note"]) for one in jobs["steps"]] == [("parse[3]", "ValueError: three <b>is</b> odd")]
    assert jobs["found"] == 1


async def test_it_is_told_why_a_step_waits_since_when_and_until_when(browser, run):
    """For which steps, each with its condition; and for which signal."""
    steps = {one["name"]: one for one in (await browser.get(f"/api/workflows/{run}")).json()["steps"]}
    assert steps["send"]["why"]["for"] == [{"name": "paid", "when": "succeeded", "state": "open"}]
    status = await run.status()
    assert steps["paid"]["why"]["signal"]
    assert steps["paid"]["why"]["until"][:19] == status.steps["paid"].due_at.isoformat()[:19]
    assert steps["paid"]["why"]["since"][:19] == status.steps["paid"].begun_at.isoformat()[:19]
    text = Page((await browser.get(f"/workflows/{run}")).text).text
    assert re.search(r"for the signal paid, since .*, until in \d+ min", text)
    assert "for paid to succeed (open)" in text


async def test_the_times_of_a_step_have_its_attempts_that_failed(browser, run):
    """Each piece lies within the line, and they follow each other."""
    (row,) = [one for one in (await browser.get(f"/api/workflows/{run}")).json()["steps"] if one["name"] == "late"]
    pieces = row["bar"]["pieces"]
    assert [piece["word"] for piece in pieces if piece["word"] == "tried"] == ["tried", "tried"]
    assert (row["bar"]["tries"], row["attempts"], pieces[-1]["word"]) == (2, 3, "ran")
    for before, after in pairwise(pieces):
        assert 0 <= before["begin"] <= before["end"] <= after["begin"] + 1e-4
    assert pieces[-1]["end"] <= 1


async def test_a_signal_is_sent_from_the_page_and_a_value_that_is_no_json_is_kept_for_mending(browser, run):
    """It takes a permission of its own, and what was typed is not lost."""
    at = f"/do/signal/workflows/{run}"
    wrong = await browser.post(at, data={"name": "paid", "value": '{"by": ada}'})
    assert wrong.status_code == 409
    assert "is no JSON" in wrong.text
    # And stays, although the page follows what happens.
    assert re.search(r"<details open data-keep>.*\{&#34;by&#34;: ada\}.*</details>", wrong.text, re.DOTALL)
    nobody = await browser.post(at, data={"name": "payed", "value": "1"})
    assert "Did you mean 'paid'" in Page(nobody.text).text
    assert (await browser.post(at, data={"name": "paid", "value": '{"by": "ada"}'})).status_code == 303
    ended = await run.wait(timeout=TIMEOUT)
    assert ended.result("paid") == {"by": "ada"}
    again = await browser.post(at, data={"name": "paid", "value": "1"})
    assert again.status_code == 409


async def test_a_run_that_broke_says_where_and_is_retried_from_a_step(browser, run):
    """The form says which step it is about, and nothing happens before it is sent."""
    await run.cancel("wrong goods")
    await run.wait(timeout=TIMEOUT)
    html = (await browser.get(f"/workflows/{run}", params={"retry": "late"})).text
    assert "Where it broke" in html
    assert re.search(
        r'<details class="wf-act" id="retry" open>.*value="from" checked.*name="from"[^>]*value="late"', html, re.DOTALL
    )
    assert (await run.status()).attempt == 1
    missing = await browser.post(f"/do/retry/workflows/{run}", data={"mode": "from", "from": ""})
    assert "give the name of the step" in missing.text
    wrong = await browser.post(f"/do/retry/workflows/{run}", data={"mode": "from", "from": "lat"})
    assert "Did you mean 'late'" in Page(wrong.text).text
    assert (await browser.post(f"/do/retry/workflows/{run}", data={"mode": "from", "from": "late"})).status_code == 303
    assert (await run.status()).attempt == 2
    page = (await browser.get(f"/workflows/{run}")).text
    assert "Attempts before this one" in page
    # What was done in the attempt before takes nothing of the line of this one.
    (row,) = [one for one in (await browser.get(f"/api/workflows/{run}")).json()["steps"] if one["name"] == "parse"]
    assert [piece["end"] for piece in row["bar"]["pieces"]] == [0]


async def test_a_cancel_says_who_and_why(browser, run):
    """In the run's note, and in the audit."""
    form = {"reason": "wrong goods", "now": "1"}
    assert (await browser.post(f"/do/cancel/workflows/{run}", data=form)).status_code == 303
    ended = await run.wait(timeout=TIMEOUT)
    assert (ended.state, ended.note) == ("cancelled", "Cancelled in the dashboard by ada: wrong goods")
    assert "wrong goods" in (await browser.get("/audit")).text


async def test_who_may_only_look_sees_no_button_and_is_refused(serve, run):
    """Each by its own permission, whatever else he may do."""
    for action in ("cancel", "retry", "signal"):
        others = [one for one in ("read", "cancel", "retry", "signal") if one != action]
        client = serve(authorize=lambda request, may=tuple(others): Access("sam", may))
        html = (await client.get(f"/workflows/{run}")).text
        assert f"/do/{action}/" not in html
        assert (await client.post(f"/do/{action}/workflows/{run}", data={"name": "paid"})).status_code == 403
    assert (await run.status()).steps["paid"].state == "open"


async def test_a_page_of_very_many_steps_is_small_and_each_of_them_is_found(browser, chancy):
    """Two thousand steps: few boxes, a hundred rows, and the others by their page, name or state."""
    flow = Workflow("many")
    first = flow.add("first", Job("app.first"))
    flow.add("join", Job("app.join"), after=[flow.add(f"s{n}", Job("app.s"), after=first) for n in range(2_000)])
    run = await chancy.push(flow)
    answer = await browser.get(f"/workflows/{run}")
    assert answer.status_code == 200
    assert len(answer.text) < 150_000
    assert "2,000 steps" in answer.text
    data = (await browser.get(f"/api/workflows/{run}", params={"of": "s0", "begin": "1900"})).json()
    assert (data["found"], data["steps"][-1]["name"], len(data["steps"])) == (2_000, "s1999", 100)
    data = (await browser.get(f"/api/workflows/{run}", params={"name": "S77", "state": "waiting"})).json()
    assert [one["name"] for one in data["steps"]] == ["s77", *(f"s77{n}" for n in range(10))]
    for query in ("begin=-1", "begin=99999999999", "of=nothing", "state='", "retry=%00"):
        assert (await browser.get(f"/workflows/{run}?{query}")).status_code == 200


async def test_what_a_job_has_kept_is_on_its_page_without_secrets(browser, run):
    """With the run that it is a step of; a job that is no step and keeps nothing has no such panel."""
    await run.signal("paid")
    ended = await run.wait(timeout=TIMEOUT)
    text = Page((await browser.get(f"/jobs/{ended.steps['send'].job_id}")).text).text
    assert "The step send of order <i>7</i>, a run that failed" in text
    assert '"order": 7' in text
    assert "card_token" in text
    assert "4111" not in text


async def test_jobs_that_are_no_steps_have_no_panel_and_a_meta_that_lies_does_no_harm(browser, chancy):
    """Anybody may write into a job's meta."""
    for meta in ({}, {"workflow": 7}, {"workflow": {"run": "x", "step": 3}}):
        reference = await chancy.push(Job("app.alone", meta=meta))
        answer = await browser.get(f"/jobs/{reference.identifier}")
        assert answer.status_code == 200
        assert 'id="panel-workflow"' not in answer.text


def test_the_style_sheet_has_the_rules_of_pictures_that_stand_alone():
    """The same picture is in a file and on the page."""
    assert STYLE in (files("chancy_dashboard") / "assets" / "chancy.css").read_text()


async def test_a_dashboard_of_an_application_that_names_its_plugins_shows_and_changes_runs(serve, new_chancy, until):
    """It opens the application more than once, each time with the same plugin: neither it nor the worker may mind."""
    async with new_chancy(DashboardPlugin(), Workflows(interval=0.1)) as chancy:
        await chancy.migrate()
        client = serve(chancy)
        flow = Workflow("named")
        flow.add("after", Job.from_func(keeps), after=flow.wait("go"))
        run = await chancy.push(flow)
        assert (await client.get(f"/workflows/{run}")).status_code == 200
        async with Worker(chancy):
            form = {"name": "go", "value": "1"}
            assert (await client.post(f"/do/signal/workflows/{run}", data=form)).status_code == 303
            assert (await run.wait(timeout=TIMEOUT)).state == "succeeded"
            # What a worker's tick has to cancel, it can.
            stopped = await chancy.push(sleeping())
            await until(lambda: step_is(stopped, "sleep", "pushed"))
            async with chancy.pool.transaction() as connection:
                await connection.execute(
                    f"UPDATE {chancy.settings.schema}.workflow_steps SET stopped = true WHERE run = %s".encode(),
                    [str(stopped)],
                )
            assert (await stopped.wait(timeout=TIMEOUT)).state == "failed"


async def sleeps() -> None:
    """Until it is cancelled."""
    await asyncio.sleep(3600)


def sleeping() -> Workflow:
    """A run of one step that does not end."""
    flow = Workflow("sleeping")
    flow.add("sleep", Job.from_func(sleeps))
    return flow


async def step_is(run, name, state) -> bool:
    """Whether a step is in a state."""
    return (await run.status()).steps[name].state == state
