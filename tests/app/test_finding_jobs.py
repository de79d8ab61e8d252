"""Jobs are found by what they are, live and finished in one order, a page at a time, within a time."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from chancy import Chancy, Count, Job, JobFilter, Page
from chancy.errors import InvalidFilter

ROWS = r"""
INSERT INTO {s}.jobs (id, queue, func, priority, state, attempts, max_attempts, created_at, scheduled_at, started_at,
                      worker, unique_key, kwargs, meta, errors, note)
VALUES
    ('00000000-0000-7000-8000-000000000001', 'mail', 'app.mail.send', 5, 'pending', 0, 1, now() - interval '3 h', NULL,
     NULL, NULL, 'order-7', '{"user": {"id": 7, "name": "Ann"}}', '{"tenant": "acme"}', NULL, NULL),
    ('00000000-0000-7000-8000-000000000002', 'gpu', 'app.train.fit', 0, 'running', 2, 3, now() - interval '3 h', NULL,
     now(), 'host-1-abc', NULL, '{"items": ["a", "50%"]}', NULL, '[{"type": "ValueError", "message": "old"}]',
     'was lost'),
    ('00000000-0000-7000-8000-000000000003', 'mail', 'app.mail.send_all', 0, 'retrying', 1, 3, now() - interval '3 h',
     now(), now() - interval '1 h', NULL, NULL, '{"flag": true, "none": null, "a.b": 1}', NULL,
     '[{"type": "Other", "message": "x"}, {"type": "TimeoutError", "message": "host timed out"}]', NULL),
    -- Written by SQL: a random id, and texts that PostgreSQL cannot store as such.
    ('f0000000-0000-4000-8000-000000000004', 'mail', 'appXmailXsend', 0, 'scheduled', 0, 1, now(),
     now() + interval '1 h', NULL, NULL, NULL, '{"bad": "\u0000", "half": "\ud83d", "user": {"id": 7}}',
     '{"smile": "\ud83d\ude00"}', NULL, NULL);
INSERT INTO {s}.finished_jobs (id, queue, func, priority, state, attempts, max_attempts, claims, created_at,
                               finished_at, note, errors, kwargs)
VALUES
    ('00000000-0000-7000-8000-000000000000', 'mail', 'app.mail.send', 0, 'failed', 3, 3, 3, now() - interval '9 h',
     now(), 'It was 50% done.', '[{"type": "TimeoutError", "message": "30 s"}]', '{"user": {"id": 8}}'),
    ('00000000-0000-7000-8000-000000000005', 'gone', 'app.mail.send', 0, 'succeeded', 1, 1, 1, now() - interval '9 h',
     now() - interval '8 h', NULL, NULL, NULL),
    ('00000000-0000-7000-8000-000000000006', 'gpu', 'app.train.fit', -3, 'cancelled', 0, 1, 0, '-infinity',
     now() - interval '8 h', NULL, NULL, '[1, 2]');
INSERT INTO {s}.queues (name, executor, tags) VALUES ('gpu', 'x', ARRAY['gpu']), ('mail', 'x', ARRAY['.*', 'eu']);
"""
ALL = "4 6 5 3 2 1 0"


@pytest.fixture
async def rows(chancy: Chancy, query) -> Chancy:
    """A Chancy with seven jobs, whose ids end with their numbers."""
    for statement in filter(str.strip, ROWS.split(";\n")):
        query(statement.replace("%", "%%"))
    return chancy


def numbers(page: Page) -> str:
    return " ".join(str(job.id)[-1] for job in page.jobs)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ALL),
        ("id:00000000-0000-7000-8000-000000000002", "2"),
        ("id:f,00000000-0000-7000-8000-000000000006", "4 6"),
        ("-id:00000000", "4"),
        ("state:failed", "0"),
        ("state:live", "4 3 2 1"),
        ("state:running,failed", "2 0"),
        ("-state:live,failed", "6 5"),
        ("state:failed -state:failed", ""),
        ("queue:mail", "4 3 1 0"),
        ("queue:g*", "6 5 2"),
        ("-queue:g*", "4 3 1 0"),
        ("func:app.mail.*", "5 3 1 0"),
        ("func:app?mail?send", "4 5 1 0"),
        ("func:app.mail.send", "5 1 0"),
        ("-func:app.mail.send -func:app.train.*", "4 3"),
        ("worker:host-*", "2"),
        ("-worker:*", "4 6 5 3 1 0"),
        ("key:order-7", "1"),
        ("key:order-7 state:live", "1"),
        ("key:order-7 state:running", ""),
        ("key:* state:live", "1"),
        ("-key:*", "4 6 5 3 2 0"),
        ("tag:gpu", "6 2"),
        ("tag:eu", "4 3 1 0"),
        ("-tag:gpu", "4 5 3 1 0"),
        ("kwargs.user.id:7", "1"),
        ("kwargs.user.id:7,8", "1 0"),
        ("kwargs.user.id:* -kwargs.user.id:7", "0"),
        ("-kwargs.user.id:7", "4 6 5 3 2 0"),
        ("kwargs.user.name:A*", "1"),
        ("kwargs.items.1:50%", "2"),
        ("kwargs.items.1:5?%", "2"),
        ("kwargs.items.1:50_", ""),
        ("kwargs.flag:true", "3"),
        ("kwargs.none:null", "3"),
        (r"kwargs.a\.b:1", "3"),
        ("kwargs.0:1", "6"),
        ("kwargs.bad:*", ""),
        ("meta.tenant:acme", "1"),
        ("meta.smile:\N{GRINNING FACE}", "4"),
        ("error:timeout", "3 0"),
        ('error:"timeouterror: 30 s"', "0"),
        ("error:TIMED?OUT", "3"),
        ("-error:timeout error:*", "2"),
        ("-error:timeout", "4 6 5 2 1"),
        ("note:50%", "0"),
        ("note:LOST", "2"),
        ("-note:*", "4 6 5 3 1"),
        ("attempts:>1", "2 0"),
        ("attempts:1,3..", "5 3 0"),
        ("-attempts:0", "5 3 2 0"),
        ("priority:<0", "6"),
        ("-priority:0", "6 1"),
        ("since:2h", "4 3 2 0"),
        ("until:2h", "6 5 1"),
        ("since:10h until:2h", "6 5 1"),
        ("state:live until:2h", "1"),
        ("state:failed error:timeout since:2h", "0"),
    ],
)
async def test_each_term_finds_what_it_says(rows: Chancy, text, found):
    """The newest id first, live or finished; what PostgreSQL cannot read of a row is not found, and hinders nothing."""
    page = await rows.find_jobs(text)
    assert (numbers(page), page.next, page.searched_until) == (found, None, None)
    assert await rows.count_jobs(text) == Count(value=len(found.split()), exact=True)
    assert await rows.find_jobs(JobFilter.parse(text)) == page


@pytest.mark.parametrize("text", ["", "state:live", "queue:mail", "func:app.*", "id:0"])
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_follow_each_other_without_a_gap(rows: Chancy, text, limit):
    """Page by page the same jobs are found as at once, each of them once."""
    whole = await rows.find_jobs(text)
    found, after = [], None
    while True:
        page = await rows.find_jobs(text, limit=limit, after=after)
        assert len(page.jobs) <= limit
        found += page.jobs
        after = page.next
        if after is None:
            break
    assert found == whole.jobs


async def test_what_moves_between_two_pages_is_neither_lost_nor_shown_twice(chancy: Chancy):
    """Jobs that finish, come back, or are pushed between two pages stand where they stood."""
    refs = await chancy.push_many("default", [Job(func="m.f")] * 40)
    ids = sorted((ref.identifier for ref in refs), reverse=True)
    await chancy.cancel_jobs(ids[20:30])
    found, after = [], None
    while True:
        page = await chancy.find_jobs(limit=7, after=after)
        found += [job.id for job in page.jobs]
        after = page.next
        if after is None:
            break
        await chancy.cancel_jobs(ids[::3])
        await chancy.retry_jobs(ids[::4])
        await chancy.push(Job(func="m.new"))
    assert found == ids


async def test_what_finds_nothing_ends_in_time_and_says_how_far_it_looked(chancy: Chancy, query):
    """A page goes on from where time ran out, and all of them together look at everything."""
    query(
        "INSERT INTO {s}.finished_jobs (id, queue, func, priority, state, attempts, max_attempts, claims, created_at) "
        "SELECT ('0198' || lpad(to_hex(n), 28, '0'))::uuid, 'default', 'm.f', 0, 'succeeded', 1, 1, 1, "
        "now() - (50000 - n) * interval '1 s' FROM generate_series(1, 50000) AS n"
    )
    query("UPDATE {s}.finished_jobs SET note = 'the last one' WHERE id = '01980000-0000-0000-0000-000000000001'")
    page = await chancy.find_jobs("note:last", within_s=0.01)
    assert page.jobs == []
    assert page.next is not None
    assert datetime.now(UTC) - timedelta(seconds=50_000) <= page.searched_until <= datetime.now(UTC)
    pages, found = 1, []
    while page.next:
        before = page
        page = await chancy.find_jobs("note:last", within_s=0.01, after=page.next)
        assert page.next is None or page.next < before.next
        found += page.jobs
        pages += 1
    assert [job.note for job in found] == ["the last one"]
    assert pages > 1
    assert (await chancy.find_jobs("note:last", within_s=60)).jobs == found


async def test_many_are_estimated_and_marked_so(chancy: Chancy, query):
    """Up to ten thousand are counted; what is beyond is estimated by the share that was found, and near the truth."""
    query(
        "INSERT INTO {s}.finished_jobs (id, queue, func, priority, state, attempts, max_attempts, claims, created_at) "
        "SELECT ('0198' || lpad(to_hex(n), 28, '0'))::uuid, CASE WHEN n %% 2 = 0 THEN 'a' ELSE 'b' END, 'm.f', 0, "
        "'succeeded', 1, 1, 1, now() FROM generate_series(1, 30000) AS n"
    )
    query("ANALYZE {s}.finished_jobs")
    assert await chancy.count_jobs("queue:a id:01980000-0000-0000-0000-000000000", within_s=60) == Count(
        value=2047, exact=True
    )
    found = await chancy.count_jobs("queue:a", within_s=60)
    assert not found.exact
    assert 12_000 < found.value < 18_000
    assert int(found) == found.to_dict()["value"]


async def test_counting_without_a_filter_is_as_it_was(chancy: Chancy):
    """Live jobs by queue and state."""
    await chancy.push(Job(func="m.f"))
    assert await chancy.count_jobs() == {"default": {"pending": 1}}


def test_the_same_without_asyncio(new_chancy):
    """Both faces find the same; a page can be put into JSON."""
    with new_chancy() as chancy:
        reference = chancy.sync_push(Job(func="m.f", kwargs={"user": 7}))
        page = chancy.sync_find_jobs("kwargs.user:7")
        assert page.to_dict() == {
            "jobs": [chancy.sync_get_job(reference).to_dict()],
            "next": None,
            "searched_until": None,
        }
        assert chancy.sync_count_jobs("kwargs.user:8") == Count(value=0, exact=True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"filter": 7}, "state:failed"),
        ({"filter": "stat:failed"}, "Did you mean 'state'"),
        ({"limit": 0}, "1 to 1,000"),
        ({"limit": 10**6}, "1 to 1,000"),
        ({"limit": "50"}, "1 to 1,000"),
        ({"after": "no id"}, "page before"),
        ({"after": "x" * 10_000}, "page before"),
        ({"within_s": 0}, "0.01 to 60"),
        ({"within_s": float("nan")}, "0.01 to 60"),
    ],
)
async def test_wrong_arguments_are_told_before_anything_is_asked(chancy: Chancy, arguments, told):
    """Which, with its value, and what to give."""
    with pytest.raises(InvalidFilter, match=told) as error:
        await chancy.find_jobs(**arguments)
    assert len(str(error.value)) < 400


async def test_after_the_lowest_id_there_is_nothing(chancy: Chancy):
    """The cursor may be any id."""
    await chancy.push(Job(func="m.f"))
    page = await chancy.find_jobs(after=uuid.UUID(int=0))
    assert page == Page(jobs=[])
