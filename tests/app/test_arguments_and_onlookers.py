"""A plugin that only looks at what is claimed keeps nobody from being told of a wrong argument at the push."""

from __future__ import annotations

import declared_jobs
import pytest

from chancy_core.errors import InvalidJob
from chancy_core.hookspecs import hookimpl
from chancy_core.plugins import Plugin
from chancy_core.values.job import Job
from chancy_core.values.queuedjob import QueuedJob

WRONG = Job.from_func(declared_jobs.send).with_kwargs(usr=3)


class Looks(Plugin):
    name = "looks"

    @hookimpl
    def on_claim(self, jobs: list[QueuedJob]) -> None: ...


class MayGive(Plugin):
    name = "may-give"

    @hookimpl
    def on_claim(self, jobs): ...


async def test_a_plugin_that_counts_claims_switched_the_check_of_arguments_off(new_chancy):
    """Single and bulk pushes are refused; as soon as one more plugin may give arguments, neither is."""
    async with new_chancy(plugins=[Looks()]) as chancy:
        with pytest.raises(InvalidJob, match="does not take usr"):
            await chancy.push(WRONG)
        with pytest.raises(InvalidJob, match="does not take usr"):
            await chancy.push_many([WRONG])
    async with new_chancy(plugins=[Looks(), MayGive()]) as chancy:
        await chancy.push(WRONG)
        await chancy.push_many([WRONG])


def test_no_plugin_of_ours_switches_it_off(new_chancy):
    """The plugin with metrics, which sees what is claimed, says that it only looks."""
    metrics = pytest.importorskip("chancy_metrics")
    assert not new_chancy(plugins=[metrics.Metrics()]).plugins.changes_claimed
