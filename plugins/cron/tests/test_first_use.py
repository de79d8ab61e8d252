"""A schedule may be the first thing that an application asks of its Chancy."""

from __future__ import annotations

import pytest
from cron_jobs import note

from chancy.errors import SchemaError
from chancy_cron import Cron

LOOKS = {
    "get_schedules": Cron.get_schedules,
    "pause": lambda chancy: Cron.pause(chancy, "nightly"),
    "resume": lambda chancy: Cron.resume(chancy, "nightly"),
    "run_now": lambda chancy: Cron.run_now(chancy, "nightly"),
    "next_times": lambda chancy: Cron.next_times(chancy, "nightly"),
    "unschedule": lambda chancy: Cron.unschedule(chancy, "nightly"),
}


async def test_a_schedule_as_the_first_use_found_no_tables(new_chancy):
    """It makes the schema if that is missing, as the first push does, on a Chancy that nobody has opened."""
    chancy = new_chancy()
    declared = await Cron.schedule(chancy, "@daily", note.job.with_kwargs(word="x"))
    assert [one.name for one in await Cron.get_schedules(chancy)] == [declared.name]
    await chancy.close()


@pytest.mark.parametrize("call", LOOKS)
async def test_a_look_at_schedules_as_the_first_use_said_that_a_relation_does_not_exist(new_chancy, query, call):
    """It says that the schema has not been set up, with what to run, and makes none."""
    chancy = new_chancy()
    with pytest.raises(SchemaError, match="has not been set up"):
        await LOOKS[call](chancy)
    await chancy.close()
    assert query("SELECT 1 FROM pg_namespace WHERE nspname = %s", chancy.settings.schema) == []
