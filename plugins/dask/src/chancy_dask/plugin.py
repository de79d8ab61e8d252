"""`Dask`: the settings that all queues on a cluster share, and what is wrong with their clusters."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from chancy.plugin import Plugin
from chancy_dask import troubles
from chancy_dask.options import Options, problem_of


class Dask(Plugin):
    """The defaults of queues with `executor = "dask"`: a queue's `executor_options` go before them.

    Attributes:
        address: the scheduler's, such as `tcp://10.0.0.5:8786`. None: each worker of Chancy starts a cluster of its own
            on its machine, for development.
        workers: how many processes such a local cluster has, each with one thread. None: one for each processor.
        match_threads: whether a worker claims no more jobs at a time than the cluster has threads; the queue's
            `concurrency` is the most in any case.
        restart_workers: whether a run that does not stop when it is told to is ended by restarting its Dask worker.
            Only then are time and memory limits enforced for every function. It needs Dask workers with one thread and
            a nanny each.
        jobs_may_push: whether jobs have a `context.chancy` there. It takes the DSN, with its password, to the cluster.
        same_versions: whether Python, distributed and Chancy have to be of the same version there as here.
        resources: what each job takes of its Dask worker's resources, such as `{GPU = 1}`.
        connect_within_s: seconds that a job which was claimed waits for a cluster that is away, before it goes back.
        grace_s: seconds between telling a run to stop and restarting its Dask worker, if `restart_workers` is set.
    """

    name: ClassVar[str] = "dask"

    address: str | None = None
    workers: int | None = None
    match_threads: bool = False
    restart_workers: bool = False
    jobs_may_push: bool = False
    same_versions: bool = True
    resources: dict[str, float] = field(default_factory=dict)
    connect_within_s: float = 10.0
    grace_s: float = 1.0

    def __post_init__(self) -> None:
        """Check what the settings say together. Raises ValueError."""
        problem = problem_of({name: getattr(self, name) for name in Options._fields})
        if problem is not None:
            raise ValueError(problem)

    def trouble(self) -> str | None:
        """Which cluster is away, and for how long. Nothing, if all are there."""
        return troubles.first()
