"""The page of the workers: what each runs, holds and cannot do, and which of them runs old code."""

from __future__ import annotations

import pytest

# Two workers that were deployed, and one that was forgotten; what each says of itself is what a worker writes.
WORKERS = """
    INSERT INTO {s}.workers (worker, tags, lease_until, lease_s, status, status_at)
    SELECT name, ARRAY['hostname=' || name, 'chancy=' || version], now() + interval '1 hour', 3600, status::json, now()
    FROM (VALUES ('web-1', '0.2.0', '{"slots": 40, "memory_bytes": 412000000}'), ('web-2', '0.2.0', '{}'),
                 ('web-7', '0.1.9', NULL)) AS one (name, version, status)
"""


@pytest.fixture
async def rows(browser, query):
    """The rows of the page, by the worker's name."""
    query(WORKERS)
    return {row["name"]: row for row in (await browser.get("/api/workers")).json()["workers"]}


async def test_a_worker_shows_its_memory_and_its_slots(rows, browser):
    """As it told them; one that is older than that shows none, and is no error."""
    assert (rows["web-1"]["slots"], rows["web-1"]["memory_bytes"]) == (40, 412_000_000)
    assert (rows["web-2"]["slots"], rows["web-7"]["memory_bytes"]) == (None, None)
    page = (await browser.get("/workers")).text
    assert "393 MiB" in page
    assert "of 40" in page


async def test_the_worker_that_runs_old_code_is_marked(rows, browser):
    """Whatever its name is: it comes before the others, and the page says that versions differ."""
    assert [name for name, row in rows.items() if row["old"]] == ["web-7"]
    assert next(iter(rows)) == "web-7"
    assert "Workers of different versions run: 0.1.9, 0.2.0." in (await browser.get("/workers")).text
