"""Jobs that are too large are refused."""

import pytest
from chancy import ChancyError, Job

from acme_chancy import SizeLimit


async def test_a_job_over_the_limit_is_refused_and_the_error_names_the_plugin(new_chancy):
    """Nothing is stored, and the caller learns how large it was and what to do."""
    async with new_chancy(SizeLimit(limit_bytes=50)) as chancy:
        with pytest.raises(ChancyError, match=r"'size_limit'.*app\.send take 1,011 bytes.*at most 50 are"):
            await chancy.push(Job(func="app.send", kwargs={"text": "x" * 1000}))
        assert await chancy.count_jobs() == {}


async def test_one_large_job_refuses_its_whole_push(new_chancy):
    """A push of many is stored as a whole or not at all."""
    async with new_chancy(SizeLimit(limit_bytes=50)) as chancy:
        small, large = Job(func="app.send"), Job(func="app.send", kwargs={"text": "x" * 1000})
        with pytest.raises(ChancyError):
            await chancy.push_many([small] * 10 + [large])
        assert await chancy.count_jobs() == {}


async def test_a_job_at_the_limit_is_stored(new_chancy):
    """The limit itself is allowed."""
    async with new_chancy(SizeLimit(limit_bytes=len('{"n":1}'))) as chancy:
        await chancy.push(Job(func="app.send", kwargs={"n": 1}))
        assert await chancy.count_jobs() == {"default": {"pending": 1}}


async def test_what_is_not_json_is_left_for_chancy_to_refuse(new_chancy):
    """Its message says which part of the job it is."""
    async with new_chancy(SizeLimit()) as chancy:
        with pytest.raises(ChancyError, match="kwargs"):
            await chancy.push(Job(func="app.send", kwargs={"thing": object()}))


def test_a_limit_below_one_byte_is_refused_where_it_is_set():
    """With the value, and what to give."""
    with pytest.raises(ValueError, match="limit_bytes is 0: give a whole number from 1"):
        SizeLimit(limit_bytes=0)
