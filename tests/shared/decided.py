"""What becomes of a run, for tests that ask an executor itself: as a worker decides it."""

from typing import Any

from chancy_core.values.queuedjob import Outcome, QueuedJob
from chancy_core.worker.deciding import Policy, decide

POLICY = Policy("test")


async def end_of(executor: Any, job: QueuedJob) -> Outcome:
    """Run a job on an executor, and decide what becomes of it; `executor.stop` may have been called meanwhile."""
    report = await executor.run(job)
    stopped = executor._stopping.get((job.id, job.claims))
    executor.forget(job)
    return decide(job, report, stopped, POLICY)
