"""Large jobs: pushing them holds up neither the event loop nor a statement."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from chancy_core.store import flow, jobrows, lines
from chancy_core.values.job import Job

# Full of what an array of text would have to escape.
LARGE = Job(func="jobs.echo", kwargs={"value": [{"name": f"a \\ 'b' \"{n}\"", "n": n} for n in range(15_000)]})


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes of arguments each statement took."""
    sizes: list[int] = []
    answer = flow._answer

    async def counted(cursor: Any, step: Any) -> Any:
        if isinstance(step, flow.Query) and isinstance(step.params.get("kwargs"), list):
            sizes.append(sum(len(each or "") for each in step.params["kwargs"]))
        if isinstance(step, flow.CopyIn):
            step = flow.CopyIn(step.text, (sizes.append(len(part)) or part for part in step.parts))
        return await answer(cursor, step)

    monkeypatch.setattr(flow, "_answer", counted)
    return sizes


async def test_large_pushes_at_once_go_in_statements_of_a_bounded_size(chancy, statements):
    """However many large jobs are pushed together, no statement takes more than four MiB of them."""
    references = await asyncio.gather(*(chancy.push(LARGE) for _ in range(12)))
    assert max(statements, default=0) <= jobrows.BATCH_BYTES_MAX
    assert (await references[-1].get()).kwargs == LARGE.kwargs


async def test_large_jobs_with_unique_keys_go_in_statements_of_a_bounded_size(chancy, statements):
    """The same for a bulk push, whose jobs with unique keys cannot be copied."""
    await chancy.push_many(LARGE.with_unique_key(f"k{number}") for number in range(12))
    assert max(statements) <= jobrows.BATCH_BYTES_MAX


async def test_large_jobs_are_copied_in_parts_of_a_bounded_size(chancy, statements):
    """A bulk push hands over large jobs one by one, so that the loop has other things to do between."""
    references = await chancy.push_many([LARGE] * 12)
    assert len(statements) == 12
    assert (await references[11].get()).kwargs == LARGE.kwargs
    assert len({*references}) == 12


@pytest.mark.parametrize("how", ["push", "push_many", "push_many unique"])
async def test_the_loop_goes_on_while_large_jobs_are_pushed(chancy, monkeypatch, how):
    """Between the encoding of one large job and that of the next the event loop has its turn."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(others())
    await asyncio.sleep(0)
    encoded: list[int] = []
    encode = jobrows.encode_checked

    def noted(*arguments: Any) -> Any:
        encoded.append(turns)
        return encode(*arguments)

    for module in (jobrows, lines):
        monkeypatch.setattr(module, "encode_checked", noted)
    if how == "push":
        await asyncio.gather(*(chancy.push(LARGE) for _ in range(10)))
    else:
        await chancy.push_many([LARGE.with_unique_key(f"k{n}" if "unique" in how else None) for n in range(10)])
    other.cancel()
    # The first one may be encoded again: only then it is known to be too large for the way of few small ones.
    assert len(encoded) in (10, 11)
    assert len({*encoded}) == len(encoded)


async def test_pushing_a_large_job_costs_little_more_than_encoding_it(chancy):
    """Nothing about a job's text is escaped: pushing it takes no more than ten times as long as making its JSON."""
    start = time.thread_time()
    for _ in range(5):
        jobrows.job_row(LARGE, "default", "", 1 << 30)
    encoding_s = time.thread_time() - start
    start = time.thread_time()
    await asyncio.gather(*(chancy.push(LARGE) for _ in range(5)))
    assert time.thread_time() - start < 10 * encoding_s + 0.2
