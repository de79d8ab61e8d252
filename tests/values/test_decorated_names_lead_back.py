"""A decorated function is pushed as itself, or not at all: its name may have been taken since it was decorated."""

from __future__ import annotations

import pytest
import shadowed_jobs
from support import WITHIN_S

from chancy import Worker
from chancy_core.errors import InvalidJob
from chancy_core.values.decorating import as_job


@pytest.mark.parametrize(
    ("func", "says"),
    [
        (shadowed_jobs.first, r"shadowed_jobs\.report, but there a worker finds another object"),
        (shadowed_jobs.shouted.__wrapped__, r"shadowed_jobs\.shouted, but there a worker finds another object"),
        (shadowed_jobs.lost, r"shadowed_jobs\.forgotten, and there is no such thing: put it there"),
    ],
)
async def test_a_function_whose_name_was_taken_is_not_pushed(chancy, func, says):
    """A worker would run the other one, and the job would succeed."""
    for _ in range(2):
        with pytest.raises(InvalidJob, match=says):
            await chancy.push(func)
    with pytest.raises(InvalidJob, match=says):
        await chancy.push_many([shadowed_jobs.report, func])


async def test_the_function_that_has_the_name_is_pushed(chancy):
    """Also one that was decorated again, with the job of what it wraps, and one whose job was set by hand."""
    async with Worker(chancy):
        references = await chancy.push_many(
            [shadowed_jobs.report, shadowed_jobs.shouted, shadowed_jobs.by_another_name]
        )
        ends = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
    assert [ended.result for ended in ends] == ["the second", "DONE", None]
    assert as_job(shadowed_jobs.by_another_name).func == "jobs.noop"
