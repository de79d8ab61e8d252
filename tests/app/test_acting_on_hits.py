"""An action on jobs as they were found some time ago: what has changed since is left alone."""

from __future__ import annotations

import pytest

from chancy import Acted, Chancy, Hit, Job
from chancy.errors import InvalidFilter, InvalidJob


async def _found(chancy: Chancy, action: str) -> list[Hit]:
    return (await chancy.find_hits("func:app.mail", action=action)).hits


async def test_hits_come_in_pages_and_only_those_that_something_can_be_done_to(chancy: Chancy, query):
    """Going on from `next` finds each job once; a job that is live is no hit of a retry."""
    refs = await chancy.push_many("default", [Job(func="app.mail")] * 25)
    await chancy.cancel_jobs(refs[:3])
    found, after = [], None
    while True:
        page = await chancy.find_hits("func:app.mail", action="cancel_jobs", limit=10, after=after)
        found += page.hits
        if (after := page.next) is None:
            break
    assert sorted(hit.id for hit in found) == sorted(ref.identifier for ref in refs[3:])
    assert {(hit.state, hit.claims) for hit in found} == {("pending", 0)}
    assert len(await _found(chancy, "retry_jobs")) == 3
    with pytest.raises(InvalidFilter, match="retry_jobs: the filter 'state:pending' leaves no jobs"):
        await chancy.find_hits("state:pending", action="retry_jobs")
    with pytest.raises(InvalidFilter, match="action is 'retry': give one of cancel_jobs"):
        await chancy.find_hits("", action="retry")


async def test_a_job_that_has_changed_since_it_was_found_is_left_alone(chancy: Chancy, query):
    """Retried by somebody, and cancelled anew: it looks as it did, but it is another run."""
    refs = await chancy.push_many("default", [Job(func="app.mail")] * 5)
    await chancy.cancel_jobs(refs)
    hits = await _found(chancy, "retry_jobs")
    await chancy.retry_jobs(refs[:2])
    await chancy.cancel_jobs(refs[:1])
    await chancy.delete_jobs(refs[2:3])
    acted = await chancy.retry_jobs(hits)
    assert acted == Acted(found=5, done={"retried": 2}, skipped={"changed meanwhile": 1, "not finished": 1, "gone": 1})


@pytest.mark.parametrize("commits", [True, False])
async def test_what_is_done_to_hits_in_a_transaction_is_done_with_it(chancy: Chancy, query, commits):
    """Committed it is done; rolled back nothing was, and the hits are as good as before."""
    await chancy.push_many("default", [Job(func="app.mail")] * 5)
    hits = await _found(chancy, "cancel_jobs")
    async with chancy.pool.connection() as connection, connection.transaction(force_rollback=not commits):
        acted = await chancy.cancel_jobs(hits, connection=connection)
    assert acted == Acted(found=5, done={"cancelled": 5})
    again = await chancy.cancel_jobs(hits)
    assert again.done == ({} if commits else {"cancelled": 5})


async def test_hits_and_references_are_not_mixed(chancy: Chancy):
    """What is to be left alone if it has changed, and what not, is said of all of them."""
    ref = await chancy.push(Job(func="app.mail"))
    (hit,) = await _found(chancy, "cancel_jobs")
    with pytest.raises(InvalidJob):
        await chancy.cancel_jobs([hit, ref])
