"""`DaskExecutor`: runs the jobs of a queue on a Dask.distributed cluster."""

from __future__ import annotations

import asyncio
import itertools
import pickle
from typing import Any, ClassVar, Final

from msgspec.structs import replace

from chancy import Limit, QueuedJob
from chancy.errors import LimitNotEnforced, NotOpen, PluginError
from chancy.executors import Declared, Executor, ExecutorSettings, Report, StopReason
from chancy_dask import messages
from chancy_dask.cluster import Cluster
from chancy_dask.options import Options, merged
from chancy_dask.plugin import Dask
from chancy_dask.runs import Run


class DaskExecutor(Executor):
    """Runs functions of both kinds on a Dask cluster, each job as a task of its own.

    Args:
        settings: what the worker tells it.
        address: the scheduler's; None: as `[plugins.dask]` says, or a local cluster.
        workers: how many processes a local cluster has.
        match_threads: whether no more jobs are claimed than the cluster has threads.
        restart_workers: whether a run that does not stop is ended with its Dask worker.
        jobs_may_push: whether jobs have a `context.chancy` there.
        same_versions: whether Python, distributed and Chancy have to be of the same version there.
        resources: what each job takes of its Dask worker's resources.
        connect_within_s: seconds that a job waits for a cluster that is away.
        grace_s: seconds between telling a run to stop and restarting its Dask worker.
    """

    enforces: ClassVar[frozenset[Any]] = frozenset(Limit.Type)

    def __init__(
        self,
        settings: ExecutorSettings,
        *,
        address: str | None = None,
        workers: int | None = None,
        match_threads: bool | None = None,
        restart_workers: bool | None = None,
        jobs_may_push: bool | None = None,
        same_versions: bool | None = None,
        resources: dict[str, float] | None = None,
        connect_within_s: float | None = None,
        grace_s: float | None = None,
    ) -> None:
        super().__init__(settings)
        self._options: Final[Options] = merged(
            _defaults(settings),
            address=address,
            workers=workers,
            match_threads=match_threads,
            restart_workers=restart_workers,
            jobs_may_push=jobs_may_push,
            same_versions=same_versions,
            resources=resources,
            connect_within_s=connect_within_s,
            grace_s=grace_s,
        )
        self._cluster: Final = Cluster(self._options, self.offer)
        self._versions: Final = messages.versions()
        self._pickled = b""
        self._numbers: Final = itertools.count(1)
        self._sent: dict[Any, Run] = {}
        # By a function's name, what a Dask worker has said that `@job` says of it.
        self._declared: dict[str, Declared] = {}

    async def start(self) -> None:
        """Begin to reach the cluster. Raises PluginError if what plugins put round a job cannot be sent there."""
        enforced = tuple(Limit.Type) if self._options.restart_workers else ()
        settings = self.settings.for_elsewhere(*enforced)
        if not self._options.jobs_may_push:
            settings = settings._replace(chancy=no_chancy)
        try:
            self._pickled = pickle.dumps(settings)
        except Exception as error:
            raise PluginError(
                f"What plugins put round each run cannot be sent to a Dask cluster: {type(error).__name__}: {error}"
            ) from error
        self._cluster.start()

    async def close(self) -> None:
        """Give up what still runs there, and leave the cluster."""
        await self._cluster.close()

    async def run(self, job: QueuedJob) -> Report:
        """Run one job. See `Executor.run`."""
        declared = self._declared.get(job.func)
        asked = job if declared is None else declared.filled(job)
        report = await self._run(asked)
        if report.declared is not None and report.declared != declared:
            declared = self._declared[job.func] = report.declared
            asked = declared.filled(job)
            if not report.begun:
                # It has a limit that its row lacked, and that this side has to see to: it is sent once more, with that.
                report = await self._run(asked)
        return report if asked is job or declared is None else replace(report, declared=declared)

    async def _run(self, job: QueuedJob) -> Report:
        try:
            self.check_limits(job)
            # Whatever a plugin has put among the arguments may raise anything here.
            pickled = pickle.dumps(job, pickle.HIGHEST_PROTOCOL)
            connection = await self._cluster.connection()
            self.check_not_stopped(job)
        except BaseException as error:  # noqa: BLE001 -- what cannot be sent has not begun
            return Report.not_begun(error)
        key = (job.id, job.claims)
        run = self._sent[key] = Run(job, self._order(job, pickled, connection.client.id), self.control(job))
        try:
            return await connection.run(run, self._options.resources)
        except asyncio.CancelledError as error:
            return Report.raised(error) if run.worker is not None else Report.not_begun(error)
        finally:
            del self._sent[key]

    def stop(self, job: QueuedJob, task: asyncio.Task[Any], reason: StopReason) -> None:
        """Tell a running job to stop."""
        self.tell(job, reason)
        run = self._sent.get((job.id, job.claims))
        connection = self._cluster.now
        if run is not None and connection is not None:
            connection.stop(run, reason.value)
        else:
            task.cancel()

    def check_limits(self, job: QueuedJob) -> None:
        """Raise LimitNotEnforced if the job has a limit that cannot be enforced on any cluster as this one is used."""
        if self._options.restart_workers or not any(limit.type_ is Limit.Type.MEMORY for limit in job.limits):
            return
        raise LimitNotEnforced(
            f"The memory limit of {job.func} can only be enforced by restarting its Dask worker: set restart_workers = "
            "true for the queue, with Dask workers of one thread each, or remove the limit. It is not run without."
        )

    def _order(self, job: QueuedJob, pickled: bytes, topic: str) -> messages.Order:
        limits = {limit.type_: limit.value for limit in job.limits}
        return messages.Order(
            # One that is sent once more must not be taken for the first, whose result Dask may have still.
            run=f"chancy-{job.id}-{job.claims}-{next(self._numbers)}",
            topic=topic,
            versions=self._versions,
            same_versions=self._options.same_versions,
            settings=self._pickled,
            job=pickled,
            time_s=limits.get(Limit.Type.TIME),
            memory_bytes=limits.get(Limit.Type.MEMORY),
            restarts=self._options.restart_workers,
            grace_s=self._options.grace_s,
        )


def no_chancy() -> Any:
    """What a job there gets that asks for its Chancy, where the DSN has not been sent along."""
    raise NotOpen(
        "This job runs on a Dask cluster, and the DSN was not sent there: set jobs_may_push = true for its queue if "
        "jobs may reach the database from there. It lets whoever can use the cluster read the DSN, password included."
    )


def _defaults(settings: ExecutorSettings) -> Dask:
    """What `[plugins.dask]` says."""
    loaded = () if settings.chancy is None else settings.chancy.plugins.loaded
    return next((one.plugin for one in loaded if isinstance(one.plugin, Dask)), None) or Dask()
