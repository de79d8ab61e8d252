"""Jobs, workers and requests of an attacker: whatever they are made of is text, and no page breaks or grows by it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from attacking import HOSTILE, OURS, SCRIPT, Page, client, looks

from chancy import Chancy
from chancy_dashboard import Dashboard

ID = "01990000-0000-7000-8000-{:012x}"
# Each in every place that somebody else's code can write, and in each state that pages tell apart.
FINISHED = """
    INSERT INTO {s}.finished_jobs (
        id, queue, func, priority, state, max_attempts, attempts, claims, created_at, started_at, finished_at, worker,
        unique_key, kwargs, meta, errors, note, result, progress
    )
    VALUES (
        %s, %s, %s, 0, %s, 1, 1, 1, now(), now(), now(), %s, %s, %s::json, %s::json, %s::jsonb, %s, %s::json, %s::json
    )
"""
LIVE = """
    INSERT INTO {s}.jobs (
        id, queue, func, state, max_attempts, attempts, claims, started_at, scheduled_at, worker, unique_key, kwargs,
        meta, errors, note, progress
    )
    VALUES (
        %s, %s, %s, %s, 3, 1, 1, now(), now() + interval '1 day', %s, %s, %s::json, %s::json, %s::jsonb, %s, %s::json
    )
"""
WORKER = """
    INSERT INTO {s}.workers (worker, tags, lease_until, lease_s, status, status_at, queues)
    VALUES (%s, %s, now() + interval '1 hour', 30, %s::json, now(), %s)
"""
QUEUE = "INSERT INTO {s}.queues (name, executor, tags, executor_options) VALUES (%s, %s, %s, %s::json)"
AUDIT = """
    INSERT INTO {s}.dashboard_audit (who, source, action, subject, state, reason, said)
    VALUES (%s, %s, %s, %s, 'done', %s, %s)
"""
# What a page of 25 jobs may weigh, whatever the jobs weigh.
PAGE_MAX_BYTES = 1_000_000


@pytest.fixture
async def dashboard(chancy: Chancy) -> AsyncIterator[Dashboard]:
    """Somebody who may do everything looks at it."""
    made = Dashboard(chancy)
    yield made
    await made.close()


def _errors(text: str) -> str:
    trace = f'Traceback (most recent call last):\n  File "{text}", line 1, in {text}\n    {text}\n{text}: {text}'
    # PostgreSQL stores no zero byte, and its jsonb no half of a surrogate pair.
    return json.dumps(
        [{"type": text, "message": text, "traceback": trace, "attempt": 1, "at": "2026-01-01T00:00:00+00:00"}]
    )


@pytest.fixture
def hostile(chancy: Chancy, query: Any) -> dict[str, str]:
    """Fills every table with text that wants to be more; the ids of jobs that failed, wait and run."""
    ids = {}
    for number, text in enumerate(HOSTILE.values()):
        value = json.dumps({text: text, "list": [text, {text: [text]}], "password": text})
        progress = json.dumps({"fraction": 0.5, "note": text})
        for offset, state in enumerate(("failed", "succeeded", "cancelled")):
            ids[state] = ID.format(100 * offset + number)
            args = (
                ids[state],
                text,
                text,
                state,
                text,
                f"{text}{number}{state}",
                value,
                value,
                _errors(text),
                text,
                value,
            )
            query(FINISHED, *args, progress)
        for offset, (state, worker) in enumerate((("scheduled", None), ("retrying", None), ("running", text))):
            ids[state] = ID.format(1000 + 100 * offset + number)
            args = (ids[state], text, text, state, worker, f"{text}{number}{state}", value, value, _errors(text), text)
            query(LIVE, *args, progress)
        status = {
            "unable": [{"func": text, "problem": text, "since_s_ago": 1.0, "jobs": 1}],
            "plugins": [{"name": text}],
        }
        query(WORKER, f"{text}{number}", ["*", text, f"chancy={text}"], json.dumps(status), [text])
        query(QUEUE, f"queue-{number}", text, [text], json.dumps({text: text}))
        query(AUDIT, text, text, text, text, text, text)
    return {state: ids[state] for state in ("failed", "scheduled", "running")}


async def test_text_of_others_is_nothing_but_text(dashboard: Dashboard, hostile: dict[str, str]):
    """No element, attribute or address of a page is made of it, and each page is there."""
    texts = ""
    async with client(dashboard) as sender:
        for id_ in hostile.values():
            for path in looks(dashboard, {"name": "queue-0", "id": id_}, kinds=("",)):
                answer = await sender.get(path)
                # There is no operation of a job's id.
                assert answer.status_code == (404 if path.startswith(("/operations/", "/workflows/")) else 200), (
                    path,
                    answer.text[:2000],
                )
                page = Page(answer.text)
                assert page.found == [], path
                texts += page.text
    assert SCRIPT in texts
    assert HOSTILE["template"] in texts
    assert "1337" not in texts


async def test_text_of_others_is_seen_as_what_it_is(dashboard: Dashboard, hostile: dict[str, str]):
    """What would turn the reading direction, ring a bell or be nothing at all is shown by its number, or kept apart."""
    async with client(dashboard) as sender:
        answer = await sender.get("/jobs", params={"q": "state:failed"})
        for sign in "\u202e\u2066\x01\x07\x1b\x9b\u200b\u2028":
            assert sign not in Page(answer.text).text, hex(ord(sign))


async def test_what_a_stream_sends_has_no_lines_of_others(dashboard: Dashboard, hostile: dict[str, str]):
    """A text with an empty line in it begins no event of its own."""
    sent = await _first_event(dashboard, f"/live/jobs/{hostile['failed']}")
    events = [block for block in sent.split("\n\n") if block and not block.startswith((":", "retry:"))]
    assert len(events) == 1
    first, *lines = events[0].splitlines()
    assert first == "event: page"
    assert all(line.startswith("data: ") or line == "data:" for line in lines)


async def _first_event(dashboard: Dashboard, path: str) -> str:
    """What comes first on a stream, until there is an event, as a browser would get it."""
    import asyncio  # noqa: PLC0415 -- only here

    sent = bytearray()
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.extend(message.get("body", b""))
        if b"event: " in sent and sent.endswith(b"\n\n"):
            gone.set()

    headers = [(b"host", b"127.0.0.1")]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    async with asyncio.timeout(60):
        await dashboard(scope, receive, send)
    return sent.decode()


async def test_arguments_of_five_megabytes_make_no_page_of_five_megabytes(dashboard: Dashboard, query: Any):
    """They are cut where people read, with the way to all of them; a list of such jobs stays a list."""
    deep = "[" * 900 + "]" * 900
    for number, kwargs in enumerate(
        [json.dumps({"x": "y" * 5_000_000}), json.dumps({f"k{n}": n for n in range(50_000)}), f'{{"deep": {deep}}}']
    ):
        row = (
            ID.format(number),
            "mail",
            "app.f",
            "failed",
            "w",
            None,
            kwargs,
            "{}",
            _errors("e" * 100_000),
            "n" * 100_000,
        )
        query(FINISHED, *row, kwargs, "{}")
    async with client(dashboard) as sender:
        for path in ["/jobs", *(f"/jobs/{ID.format(number)}" for number in range(3)), "/failures", "/"]:
            for kind in ("", "/api"):
                answer = await sender.get((kind + path).rstrip("/") or "/")
                assert answer.status_code == 200, (kind, path, answer.text[:500])
                assert len(answer.content) < PAGE_MAX_BYTES, (kind, path, len(answer.content))


QUERIES = {
    "a long word": "a" * 10_000,
    "long terms": " ".join(f"func:{'x' * 90}{n}" for n in range(100)),
    "stars": "func:" + "*a" * 5_000,
    "open quotes": '"' * 9_999,
    "backslashes": "\\" * 9_999,
    "minus signs": "-" * 9_999,
    "colons": ":" * 9_999,
    "deep keys": "kwargs" + ".a" * 4_990 + ":1",
    "a NUL character": "a\x00b",
    "control characters": "func:a\x00\x01\x1b[31m\r\n\u202e" * 100,
    "half a surrogate": "func:\udcff",
    "script": f"func:{SCRIPT}" * 100,
    "SQL": "func:x'; DROP TABLE jobs; -- %s %(x)s {s} " * 50,
    "a number": "attempts:" + "9" * 9_000,
    "a time": "since:" + "9" * 9_000 + "d",
}


# Where somebody types, or what stands in an address.
PLACES = [
    ("/jobs", "q"), ("/jobs", "after"), ("/jobs", "trail"), ("/jobs", "col"), ("/failures", "q"),
    ("/failures", "since"), ("/api/complete", "q"), ("/queues", "name"), ("/queues", "page"), ("/push", "func"),
    ("/push", "copy"), ("/audit", "page"), ("/audit", "who"), ("/audit", "action"), ("/workflows", "name"),
    ("/workflows", "state"), ("/schedules", "name"),
]  # fmt: skip


async def test_queries_of_ten_thousand_characters_are_answered(dashboard: Dashboard, hostile: dict[str, str]):
    """With jobs, or with what is wrong with the query: the page never breaks, and none of it becomes more than text."""
    async with client(dashboard) as sender:
        for what, query in QUERIES.items():
            given = query.encode("utf-8", "surrogatepass")
            for path, name in PLACES:
                answer = await sender.get(path, params={name: given})
                assert answer.status_code < 500, (what, path, name, answer.text[:1500])
                if answer.headers["content-type"].startswith("text/html"):
                    assert Page(answer.text).found == [], (what, path, name)


async def test_a_form_of_any_size_and_kind_is_answered(dashboard: Dashboard, hostile: dict[str, str], caplog: Any):
    """Too large, too many fields, not a form at all: refused in a sentence, and never an error of the dashboard."""
    bodies = {
        "large": b"reason=" + b"x" * 5_000_000,
        "many fields": b"&".join(b"a=1" for _ in range(200_000)),
        "no form": b"\xff\xfe\x00" * 1000,
        "a text with a zero": b"reason=%00%01&q=%00&queue=%00&func=%00&kwargs=%00&confirm=%00&name=%00&id=%00&when=%00",
        "half a surrogate": b"reason=%ed%a0%80&queue=%ed%a0%80&func=%ed%a0%80&kwargs=%ed%a0%80&name=%ed%a0%80",
        "deep JSON": b"func=a.b&kwargs=" + b"[" * 100_000 + b"&meta=" + b"[" * 100_000,
        "numbers": b"priority="
        + b"9" * 5000
        + b"&max_attempts="
        + b"9" * 5000
        + b"&when="
        + b"9" * 5000
        + b"&found=-1",
    }
    async with client(dashboard) as sender:
        for page in dashboard.site.pages.values():
            for action in page.actions:
                path = f"/do/{action.name}/{page.path}".replace("{name:path}", "queue-0").replace(
                    "{id}", hostile["failed"]
                )
                for what, body in bodies.items():
                    answer = await sender.post(path, content=body, headers={**OURS, "Content-Type": "text/plain"})
                    assert answer.status_code < 500, (what, path, answer.text[-1500:])
                    if what in {"large", "many fields"}:
                        assert answer.status_code == 413
    assert "dashboard_action_broke" not in caplog.text


PATHS = [
    "//evil.example/", "/%2F%2Fevil.example/", "/\\evil.example/", "/%5Cevil.example/", "/%0d%0aSet-Cookie:%20a=1/",
    "/jobs/%0d%0aX-Evil:%201/", "/assets/../../etc/passwd", "/assets/%2e%2e/%2e%2e/plugin.py",
    "/queues/..%2f..%2faudit/",
    "/https://evil.example/", "/jobs/%00", "/jobs/%ff%fe", "/queues/%ed%a0%80", "/" + "a/" * 3_000,
    "/do", "/api/",
    "/queues/mail?x=%0d%0aSet-Cookie:a=1", "/display/", "/%2e%2e/", "/javascript:alert(1)/",
]  # fmt: skip


async def test_no_path_leads_elsewhere(dashboard: Dashboard):
    """Whatever the address, no answer leads to another host, and none has a header that the address made."""
    async with client(dashboard) as sender:
        for path in PATHS:
            answer = await sender.get(path)
            assert answer.status_code < 500, (path, answer.text[-800:])
            _leads_nowhere_else(answer, path)
            assert "evil" not in " ".join(answer.headers.keys()), path
            assert "set-cookie" not in answer.headers, path
            assert "root:" not in answer.text, path


async def test_no_form_leads_elsewhere(dashboard: Dashboard):
    """Not by the page to go back to, and not by a header that only a trusted proxy may send."""
    places = [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\r\nSet-Cookie: a=1",
        "javascript:x",
        "\u202e",
        "/" * 50,
    ]
    async with client(dashboard) as sender:
        for place in places:
            answer = await sender.post("/display", data={"back": place, "theme": "dark\r\nX-Evil: 1"}, headers=OURS)
            assert answer.status_code == 303
            _leads_nowhere_else(answer, place)
            for name in ("X-Forwarded-Prefix", "X-Forwarded-Host", "X-Script-Name"):
                answer = await sender.get("/queues/", headers={name: "//evil.example"})
                _leads_nowhere_else(answer, name)


def _leads_nowhere_else(answer: Any, what: str) -> None:
    location = answer.headers.get("location", "/")
    assert location.startswith("/"), (what, location)
    assert not location.startswith(("//", "/\\")), (what, location)
    assert answer.headers["content-security-policy"].startswith("default-src 'self'"), what
    assert answer.headers["x-content-type-options"] == "nosniff", what
