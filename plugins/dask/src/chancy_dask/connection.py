"""A connection to a cluster: one client of Dask, for as long as it lasts, and the runs that were sent by it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import metadata
from typing import Any, Final

from distributed import CancelledError, KilledWorker

from chancy.errors import CannotRunHere
from chancy.executors import Report
from chancy.plugin import log
from chancy_dask import messages, remote
from chancy_dask.errors import DaskConnectionLost
from chancy_dask.runs import Run

# How much later than its limit and its grace a run is ended by its nanny, because its own process does not answer:
# code in C may hold the interpreter.
DEAF_S: Final = 5.0
NANNY_WITHIN_S: Final = 5.0
# Where the scheduler tells of Dask workers that are gone.
EVERYBODY: Final = "all"
DISTRIBUTION: Final = "chancy-dask"


class Connection:
    """What there is of a cluster while it can be reached.

    Args:
        client: connected, in this event loop.
        address: the scheduler's, for people.
    """

    def __init__(self, client: Any, address: str) -> None:
        self.client: Final = client
        self.address: Final = address
        self.runs: Final[dict[str, Run]] = {}
        self._comm: Final = client.scheduler_comm
        self._tasks: Final[set[asyncio.Task[Any]]] = set()
        client.subscribe_topic(client.id, self._heard)
        client.subscribe_topic(EVERYBODY, self._heard_of_all)

    @property
    def holds(self) -> bool:
        """Whether it is the connection still that it was. One that Dask has made anew hears no events."""
        return self.client.status == "running" and self.client.scheduler_comm is self._comm

    async def run(self, run: Run, resources: dict[str, float]) -> Report:
        """Send a run, and wait for its end."""
        name = run.order.run
        self.runs[name] = run
        try:
            run.future = self.client.submit(
                remote.run_order,
                messages.encode(run.order),
                key=name,
                pure=False,
                retries=0,
                resources=resources or None,
            )
            self._keep(self._watch(run))
            return await run.ended
        finally:
            del self.runs[name]
            if run.future is not None and self.holds:
                # Whatever Dask still has of it: a task that waits, one that it runs again, or the result.
                if run.future.status == "pending":
                    self._keep(self._quietly(run.future.cancel()))
                run.future.release()

    def stop(self, run: Run, reason: str) -> None:
        """Tell a run to stop; one that has not begun never does."""
        run.stopped = reason
        if run.worker is None:
            run.end(Report.raised(asyncio.CancelledError(reason)))
            return
        self._keep(self._quietly(self._call(run, remote.stop_run, run.order.run, reason)))
        if run.order.restarts:
            self._keep(self._end_if_deaf(run, run.order.grace_s + DEAF_S))

    def lose(self, why: str) -> None:
        """It is lost: so are its runs."""
        for run in list(self.runs.values()):
            run.lost(why)

    def hand_back(self, why: str) -> None:
        """The runs that have not begun go back."""
        for run in list(self.runs.values()):
            if run.worker is None:
                run.lost(why)

    async def close(self) -> None:
        """Give up what still runs, and disconnect."""
        self.lose(f"The connection to the Dask cluster at {self.address} was closed.")
        for task in list(self._tasks):
            task.cancel()
        with suppress(Exception):
            # Otherwise the scheduler tells of the client's end, in its log, that the client cannot be told of it.
            for topic in (self.client.id, EVERYBODY):
                self.client.unsubscribe_topic(topic)
            await self.client.close(2)

    # -- what is heard ---------------------------------------------------------------------

    def _heard(self, event: tuple[float, Any]) -> None:
        said = event[1]
        run = self.runs.get(said.get("run", "")) if isinstance(said, dict) else None
        match said.get("op") if isinstance(said, dict) else None:
            case "begin":
                may = run is not None and run.may_begin(str(said["worker"]), str(said.get("host", "")))
                call = self._call_at(str(said["worker"]), remote.answer_begin, said["run"], may)
                self._keep(self._quietly(call))
            case "began" if run is not None and run.began is None:
                run.began = asyncio.get_running_loop().time()
                if run.order.restarts:
                    self._keep(self._end_if_deaf(run, (run.order.time_s or 0.0) + run.order.grace_s + DEAF_S))
            case "progress" if run is not None:
                with suppress(Exception):
                    run.control.progress(said["fraction"], said["note"])
            case "over" if run is not None and run.worker == said["worker"] and run.over is None:
                run.over = dict(said)
                self._keep(self._quietly(self._call(run, remote.end_worker, run.order.run)))

    def _heard_of_all(self, event: tuple[float, Any]) -> None:
        said = event[1]
        if not isinstance(said, dict) or said.get("action") != "remove-worker":
            return
        for run in list(self.runs.values()):
            # What is finished has perhaps been moved to another Dask worker before.
            if run.worker == said.get("worker") and run.future.status != "finished":
                run.died()

    async def _watch(self, run: Run) -> None:
        try:
            answer = messages.decode_answer(await run.future.result())
        except CancelledError as error:
            run.lost(f"The Dask cluster at {self.address} gave its task up ({error}).")
        except KilledWorker:
            if run.worker is not None:
                run.died()
            else:
                run.lost(f"Dask workers of the cluster at {self.address} died, again and again, before it began.")
        except Exception as error:  # noqa: BLE001 -- whatever Dask has to say
            await self._not_run(run, error)
        else:
            run.answered(answer)

    async def _not_run(self, run: Run, error: Exception) -> None:
        told = f"{type(error).__name__}: {error}"
        if run.worker is not None:
            run.end(Report.raised(DaskConnectionLost(f"What {run.job.func} came to on {run.where} was lost: {told}")))
            return
        lacking = await self.lacking()
        run.end(Report.not_begun(CannotRunHere(lacking or f"The Dask cluster at {self.address} cannot run it: {told}")))

    async def lacking(self) -> str | None:
        """Which hosts of the cluster do not have chancy-dask, and what to do; None: all have it."""
        found: list[str] = []
        try:
            # What is asked is of the standard library, so that it can be asked of anybody.
            answers = await self.client.run(metadata.version, DISTRIBUTION, on_error="return")
            found += [f"the Dask worker {worker}" for worker, has in answers.items() if isinstance(has, Exception)]
            await self.client.run_on_scheduler(metadata.version, DISTRIBUTION)
        except metadata.PackageNotFoundError:
            found.insert(0, f"the scheduler at {self.address}")
        except Exception as error:  # noqa: BLE001 -- it is asked when something is wrong already
            log.debug("dask_not_asked", error=f"{type(error).__name__}: {error}")
        if not found:
            return None
        where = ", ".join(found)
        return f"{DISTRIBUTION} is not installed at {where}: pip install {DISTRIBUTION} there, of the same version."

    # -- what is said ----------------------------------------------------------------------

    async def _call(self, run: Run, function: Any, *args: Any) -> None:
        if run.worker is not None:
            await self._call_at(run.worker, function, *args)

    async def _call_at(self, worker: str, function: Any, *args: Any) -> None:
        await self.client.run(function, *args, workers=[worker], on_error="ignore")

    async def _end_if_deaf(self, run: Run, after_s: float) -> None:
        """Let the nanny restart the Dask worker of a run that goes on for too long: its process heeds nothing."""
        done, _ = await asyncio.wait({run.ended}, timeout=after_s)
        if done or run.worker is None:
            return
        if run.over is None:
            began = run.began or asyncio.get_running_loop().time()
            used_s = asyncio.get_running_loop().time() - began
            run.over = {"what": "stopped" if run.stopped is not None else "time", "used_s": used_s}
        log.warning("dask_worker_restarted", worker=run.worker, job=str(run.job.id), func=run.job.func)
        restarted = self.client.restart_workers([run.worker], timeout=NANNY_WITHIN_S, raise_for_error=False)
        await self._quietly(restarted)

    async def _quietly(self, call: Any) -> None:
        try:
            await call
        except Exception as error:  # noqa: BLE001 -- whoever is not there any more is noticed otherwise
            log.debug("dask_not_told", error=f"{type(error).__name__}: {error}")

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
