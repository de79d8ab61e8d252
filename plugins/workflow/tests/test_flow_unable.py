"""A step that one worker cannot run is no trouble of its run as long as another can."""

import flow_jobs

from chancy import Queue, Worker
from chancy.plugin import find_problems
from chancy_workflow import Workflow, Workflows


async def test_a_step_that_another_worker_can_run_keeps_no_run_from_ending(new_chancy, until):
    """As while a new version is deployed: the one that can is busy, and the one that cannot has handed it back."""
    async with new_chancy(Workflows(interval=0.1)) as new, new_chancy(Workflows(), functions=["other.*"]) as old:
        await new.migrate()
        await new.declare(Queue("narrow", concurrency=1))
        async with Worker(new, grace_s=0) as able:
            await new.push(flow_jobs.sleep.job.with_queue("narrow"))
            await until(lambda: able.running == 1)
            flow = Workflow("deployed")
            flow.add("give", flow_jobs.give.job.with_queue("narrow"))
            async with Worker(old) as unable:

                async def left():
                    """What it says that it cannot run."""
                    found = [one.status for one in await new.get_workers() if one.name == unable.name]
                    return found and found[0] and found[0].unable

                run = await new.push(flow)
                (told,) = await until(left)
                assert told.func == "flow_jobs.give"
                assert not [one for one in await find_problems(new, within_s=30) if one.id == "workflow-step-unable"]
                await able.stop()
                # Now nobody can.
                found = await until(lambda: found_unable(new))
                assert found.evidence["run"] == str(run)


async def found_unable(chancy):
    """The finding, once it is one."""
    found = await find_problems(chancy, within_s=30)
    return next((one for one in found if one.id == "workflow-step-unable"), None)
