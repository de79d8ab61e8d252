"""The page of a job: all that is known of it, nothing that is secret, and what can be done to it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pytest
from operating import failed, mails

from chancy import Chancy, Job, Queue
from chancy_dashboard import Access, DashboardPlugin
from chancy_dashboard.showing.jsons import cut, pretty
from chancy_dashboard.showing.links import filled
from chancy_dashboard.showing.tracebacks import groups_of

EVIL = "\u202e<script>alert(1)</script>\x07"


async def test_secrets_are_hidden_and_shown_only_to_whoever_may_see_them(serve, browser, chancy: Chancy, query):
    """Not on the page, not in its JSON; whoever may reveal them in this queue sees them, and is in the audit."""
    await chancy.declare(Queue("bank"))
    ref = await chancy.push(Job(func="app.pay", queue="bank", kwargs={"card": {"api_token": "s3cret"}, "sum": 2**70}))
    path = f"/jobs/{ref.identifier}"
    for answer in (await browser.get(path), await browser.get(f"/api{path}")):
        assert "s3cret" not in answer.text
        assert str(2**70) in answer.text
    shown = await browser.get(f"{path}/revealed")
    assert "s3cret" in shown.text
    assert query("SELECT who, action, said FROM {s}.dashboard_audit") == [("ada", "reveal", "looked at it")]
    lin = serve(authorize=lambda request: Access("lin", {"read": "*", "reveal": ["mail"]}))
    sam = serve(authorize=lambda request: Access("sam", "read"))
    for somebody in (lin, sam):
        for address in (f"{path}/revealed", f"/api{path}/revealed"):
            assert "s3cret" not in (await somebody.get(address)).text


async def test_whatever_a_job_has_in_it_is_text(browser, chancy: Chancy, query):
    """Tags, control characters and marks that turn the text round are to be seen, and do nothing."""
    ref = await chancy.push(Job(func="app.mail", kwargs={EVIL: EVIL}, meta={"m": EVIL}, unique_key="<b>"))
    query("UPDATE {s}.jobs SET func = %s, cancel_note = %s", EVIL.replace("\x07", ""), EVIL.replace("\x07", ""))
    for path in (f"/jobs/{ref.identifier}", "/jobs"):
        page = await browser.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "\u202e" not in page.text
        assert "\\u202e&lt;script&gt;" in page.text


async def test_arguments_that_are_long_are_cut_and_the_rest_is_pointed_to(browser, chancy: Chancy):
    """A page is not a megabyte, and says how to see all."""
    ref = await chancy.push(Job(func="app.mail", kwargs={"text": "y" * 900_000, "many": list(range(5000))}))
    page = await browser.get(f"/jobs/{ref.identifier}")
    assert len(page.text) < 100_000
    assert "(900,000 characters)" in page.text
    assert f"job {ref.identifier} --json" in page.text


@pytest.mark.parametrize(
    ("value", "expected", "left_out"),
    [
        ({"n": 2**200}, {"n": 2**200}, False),
        ([1] * 61, [1] * 60 + ["… 1 more"], True),
        ("x" * 1001, "x" * 1000 + "… (1,001 characters)", True),
        ({}, {}, False),
        (None, None, False),
    ],
)
def test_what_is_left_out_is_said(value, expected, left_out):
    """Whatever is not shown is told where it would be."""
    assert cut(value) == (expected, left_out)


def test_what_nests_deep_or_wide_ends():
    """However a value is made, what is shown of it is short."""
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    assert len(pretty(cut(deep)[0])) < 1000
    wide = {f"k{n}": {f"k{m}": "v" * 900 for m in range(60)} for n in range(60)}
    assert len(pretty(cut(wide)[0])) < 60_000


def test_ones_own_frames_are_in_sight_and_others_folded():
    """Runs of frames of Python, of packages and of Chancy are one group each."""
    text = (
        "Traceback (most recent call last):\n"
        '  File "/usr/lib/python3.11/asyncio/a.py", line 1, in a\n    a()\n'
        '  File "/venv/lib/python3.11/site-packages/b/b.py", line 2, in b\n    b()\n    ^^^\n'
        '  File "/srv/app/mail.py", line 31, in send\n    raise TimeoutError("x")\n'
        "TimeoutError: x\n"
    )
    groups = groups_of(text)
    assert [(group["own"], len(group["frames"])) for group in groups] == [(False, 2), (True, 1)]
    assert groups[1]["frames"][0]["code"] == 'raise TimeoutError("x")'
    assert groups[0]["frames"][1]["code"] == "b()"
    assert groups_of("no traceback") == []


def test_links_are_filled_with_what_the_job_has_and_nothing_breaks_out_of_its_place():
    """One for which something is missing is left out; a value cannot become another address."""
    links = {"Logs": "https://logs/?q={id}", "Trace": "/t/{meta.trace}", "None": "/{meta.missing}"}
    job = {"id": "1", "meta": {"trace": "../?a=<b>&c"}}
    assert filled(links, job) == [("Logs", "https://logs/?q=1"), ("Trace", "/t/..%2F%3Fa%3D%3Cb%3E%26c")]


async def test_a_job_is_retried_run_now_cancelled_changed_and_deleted_from_its_page(browser, chancy: Chancy, query):
    """Each is done to this job, once, and is in the audit."""
    (bad,) = await failed(chancy, query, 1)
    (waits,) = await mails(chancy, 1, scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    at = {"queue": "default"}

    async def do(word: str, ref, **form) -> int:
        return (await browser.post(f"/do/{word}/jobs/{ref.identifier}", data={**at, **form})).status_code

    assert await do("retry", bad) == 303
    assert (await chancy.get_job(bad)).state == "pending"
    assert await do("retry", bad) == 409
    assert await do("update", waits, new_priority="7") == 303
    assert await do("now", waits) == 303
    job = await chancy.get_job(waits)
    assert (job.state, job.priority) == ("pending", 7)
    assert await do("cancel", waits, reason="not today") == 303
    job = await chancy.get_job(waits)
    assert (job.state, job.note) == ("cancelled", "not today")
    assert await do("delete", waits) == 303
    assert await chancy.get_job(waits) is None
    done = query("SELECT action, subject, reason FROM {s}.dashboard_audit WHERE state = 'done' AND action = 'cancel'")
    assert done == [("cancel", f"job {waits.identifier}", "not today")]


async def test_whoever_may_act_in_one_queue_acts_on_no_job_of_another(serve, chancy: Chancy):
    """Also not by saying that the job is in that queue."""
    await chancy.declare(Queue("calm"))
    ref = await chancy.push(Job(func="app.mail"))
    lin = serve(authorize=lambda request: Access("lin", {"read": "*", "cancel": ["calm"]}))
    for form, status in (({}, 403), ({"queue": "default"}, 403), ({"queue": "calm"}, 409)):
        assert (await lin.post(f"/do/cancel/jobs/{ref.identifier}", data=form)).status_code == status
    assert (await chancy.get_job(ref)).state == "pending"


async def test_a_job_that_is_not_there_is_told(browser, chancy: Chancy):
    """Pruned, or a slip: no page, and no error of the server."""
    for path in ("/jobs/019a0000-0000-7000-8000-000000000000", "/jobs/nonsense", "/jobs/%3Cb%3E"):
        assert (await browser.get(path)).status_code == 404


async def test_why_it_waits_stands_on_its_page_and_its_doctor_brings_that(browser, chancy: Chancy, until):
    """As `chancy why` says it; nothing of a job that has finished. A panel that takes too long is told as such."""
    ref = await chancy.push(Job(func="app.mail"))
    path = f"/jobs/{ref.identifier}"

    async def says_why() -> bool:
        page = await browser.get(path)
        assert "Why it is where it is" in page.text
        return "no worker is alive" in page.text or "No live worker serves" in page.text

    await until(says_why)
    await chancy.cancel_job(ref)
    assert "Why it is where it is" not in (await browser.get(path, params={"again": "1"})).text


# -- pushing ------------------------------------------------------------------------------------


async def push(browser, **form):
    return await browser.post("/do/push/push", data=form)


async def test_the_form_has_the_fields_of_the_signature_and_tells_a_slip_at_its_field(browser, chancy: Chancy):
    """Nothing that was typed is lost; then the job is there as it was meant."""
    import pushed_jobs  # noqa: F401, PLC0415 -- as an application that mounts the dashboard has

    page = await browser.get("/push?func=pushed_jobs.send")
    for part in ('name="arg.user"', "<option>en-GB</option>", "Sends something to a user", "default: False"):
        assert part in page.text
    wrong = await push(browser, func="pushed_jobs.send", **{"arg.user": "seven", "arg.token": "keep <me>"})
    assert wrong.status_code == 409
    wrong = await browser.post(
        "/do/push/push?func=pushed_jobs.send",
        data={"func": "pushed_jobs.send", "arg.user": "seven", "arg.token": "keep <me>"},
    )
    assert 'id="flaw-arg.user"' in wrong.text
    assert 'value="keep &lt;me&gt;"' in wrong.text
    fields = {"arg.user": str(2**70), "arg.locale": "en-GB", "arg.loud": "true", "arg.more": '{"a": [1]}'}
    done = await push(browser, func="pushed_jobs.send", priority="3", when="2h", **fields)
    assert done.status_code == 303
    job = await chancy.get_job(done.headers["location"].rpartition("/")[2])
    assert job.kwargs == {"user": 2**70, "locale": "en-GB", "loud": True, "more": {"a": [1]}}
    assert (job.priority, job.state) == (3, "scheduled")


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"func": ""}, "func:"),
        ({"func": "not a name"}, "not a name"),
        ({"func": "a.b", "kwargs": "{"}, "kwargs: this is no JSON"),
        ({"func": "a.b", "kwargs": "[1]"}, "no JSON object"),
        ({"func": "a.b", "kwargs": "{}", "priority": "high"}, "priority:"),
        ({"func": "a.b", "kwargs": "{}", "when": "soon"}, "when:"),
        ({"func": "a.b", "kwargs": "{}", "max_attempts": "0"}, "max_attempts"),
        ({"func": "a.b", "kwargs": "{}", "queue": "nowhere"}, "nowhere"),
        ({"func": "a.b", "kwargs": '{"x": NaN}'}, "kwargs"),
        ({"func": "a.b", "copy": "nonsense"}, "nonsense"),
    ],
)
async def test_what_cannot_be_pushed_is_told(browser, chancy: Chancy, form, told):
    """As a push of the application would be; nothing is stored."""
    wrong = await push(browser, **form)
    assert wrong.status_code in (400, 404, 409)
    assert told in wrong.text
    assert (await chancy.count_jobs("")).value == 0


async def test_nothing_is_imported_that_functions_does_not_allow(serve, dsn, schema, chancy: Chancy):
    """A name in an address runs no module; `functions` allows some, and of the others none can be pushed."""
    module = "this"  # it prints a poem when it is imported
    sys.modules.pop(module, None)
    page = await serve().get(f"/push?func={module}.s")
    assert "is not imported in the dashboard" in page.text
    assert module not in sys.modules
    async with Chancy(dsn, schema=schema, functions=["pushed_jobs.*"]) as strict:
        client = serve(strict)
        sys.modules.pop("pushed_jobs", None)
        assert 'name="arg.user"' in (await client.get("/push?func=pushed_jobs.send")).text
        assert "os.system" in (await client.get("/push?func=os.system")).text
        assert "kwargs" not in (await client.get("/push?func=os.system")).text.partition('id="p-f"')[2]
        assert (await push(client, func="os.system", kwargs="{}")).status_code == 409
    assert (await chancy.count_jobs("")).value == 0


async def test_a_copy_has_what_was_changed_and_the_secrets_that_were_not_seen(browser, chancy: Chancy):
    """What is hidden stays what it is, as long as the copy calls the same function."""
    await chancy.push(
        Job(
            func="app.pay",
            kwargs={"card": {"token": "s3cret", "n": 1}, "user": 7},
            meta={"api_key": "k3y"},
            max_attempts=4,
            limits=[{"type": "time", "value": 9}],
        )
    )
    (job,) = (await chancy.find_jobs("")).jobs
    form = await browser.get(f"/push?copy={job.id}")
    assert "s3cret" not in form.text
    assert "k3y" not in form.text
    kwargs = '{"card": {"token": "••••••", "n": 2}, "user": 8}'
    fields = {"copy": str(job.id), "kwargs": kwargs, "meta": '{"api_key": "••••••"}', "queue": "default"}
    done = await push(browser, func="app.pay", max_attempts="4", **fields)
    copy = await chancy.get_job(done.headers["location"].rpartition("/")[2])
    assert copy.kwargs == {"card": {"token": "s3cret", "n": 2}, "user": 8}
    assert (copy.meta, copy.max_attempts, copy.limits) == ({"api_key": "k3y"}, 4, job.limits)
    other = await push(browser, func="app.echo", **fields)
    stolen = await chancy.get_job(other.headers["location"].rpartition("/")[2])
    assert "s3cret" not in str(stolen.kwargs)
    assert "k3y" not in str(stolen.meta)


def test_links_have_to_be_addresses():
    """A link that would run something is refused when it is set."""
    with pytest.raises(ValueError, match="https"):
        DashboardPlugin(links={"Logs": "javascript:alert(1)"})


# -- failures -----------------------------------------------------------------------------------


async def test_failures_are_put_together_and_a_group_is_retried_with_two_clicks(browser, chancy: Chancy, query):
    """The most frequent first, with a job that failed so; the button counts them, and the next one does it."""
    await failed(chancy, query, 3)
    query(
        "UPDATE {s}.finished_jobs SET errors = %s::jsonb",
        '[{"attempt": 1, "type": "TimeoutError", "message": "no <b>answer</b>", "traceback": "", '
        '"at": "2026-01-01T00:00:00Z", "worker": "w"}]',
    )
    page = await browser.get("/failures?since=7d")
    assert "no &lt;b&gt;answer" in page.text
    found = (await browser.get("/api/failures?since=7d")).json()
    assert [(one["func"], one["type"], one["count"]) for one in found["groups"]] == [("app.mail", "TimeoutError", 3)]
    done = await browser.post("/do/retry/failures", data={"scope": "all", "q": found["groups"][0]["q"]})
    assert "Retry 3 jobs?" in (await browser.get(done.headers["location"])).text
    assert "The query cannot be read" in (await browser.get("/failures?q=nonsense:1")).text
    assert "Nothing fails" in (await browser.get("/failures?q=queue:calm")).text
