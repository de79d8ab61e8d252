"""Whether the functions of schedules can be run here: told when they are declared, not at three in the morning."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec.structs import asdict, replace

from chancy import Chancy, ChancyError, Job
from chancy.errors import CannotRun
from chancy.plugin import log
from chancy_cron.errors import InvalidSchedule

if TYPE_CHECKING:
    from chancy.executors import Functions
    from chancy_cron.schedule import Schedule, StoredSchedule

Given: TypeAlias = Mapping[str, Collection[str]]
NOTHING_GIVEN: Final[Given] = {}
# A module that is imported runs code of its own. What takes longer is waited for by nobody.
CHECKED_WITHIN_S: Final = 20.0


async def check_functions(
    chancy: Chancy, schedules: Sequence[Schedule], given: Given = NOTHING_GIVEN, *, strict: bool
) -> list[Schedule]:
    """Look whether the function of each schedule imports in this process, and takes the job's arguments.

    The process that declares a schedule need not be one that runs its jobs, so what is wrong is a warning, unless
    somebody has asked for more; or the job was made from the function, which is here then.

    Args:
        chancy: its settings say which functions may be run.
        schedules: what is declared.
        given: by the name of a schedule, the fields of its job that mean what they say even if that is the default.
        strict: whether a function that cannot be run here is an error.

    Returns:
        The schedules, with what `@job` says of the functions that their jobs only name.

    Raises:
        InvalidSchedule: `strict`, and functions that cannot be run; or a job was made from a function that does not
            take its arguments. All of them in one error.
    """
    jobs, wrong, sure = await _looked_at(schedules, given, chancy.settings.functions)
    refused = {name: problem for name, problem in wrong.items() if strict or name in sure}
    if refused:
        raise InvalidSchedule(
            "\n  ".join(f"The schedule {name!r}: {problem}" for name, problem in refused.items())
            + ("\n  It is refused because of strict = true." if strict else "")
        )
    for schedule in schedules:
        if schedule.name in wrong:
            log.warning(
                "schedule_cannot_run_here",
                schedule=schedule.name,
                func=schedule.job.func,
                problem=wrong[schedule.name],
                hint="It is declared all the same, for a worker that can run it. With strict = true it is refused.",
            )

    return [
        replace(schedule, job=job, queue=job.queue) if (job := jobs.get(schedule.name)) is not None else schedule
        for schedule in schedules
    ]


async def problems(
    schedules: Sequence[StoredSchedule], allowed: Sequence[str] | None, within_s: float
) -> dict[str, str]:
    """By the name of a schedule, why its job cannot be run here.

    Nothing is said of those that are not imported after so many seconds.
    """
    if not schedules:
        return {}
    return (await _looked_at(schedules, NOTHING_GIVEN, allowed, within_s))[1]


async def _looked_at(
    schedules: Sequence[Schedule | StoredSchedule],
    given: Given,
    allowed: Sequence[str] | None,
    within_s: float | None = None,
) -> tuple[dict[str, Job], dict[str, str], set[str]]:
    """By the name of a schedule, its completed job, and why that cannot be run here; and of which that is sure."""
    jobs: dict[str, Job] = {}
    found: dict[str, str] = {}
    sure: set[str] = set()
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def look() -> None:
        # Executors are not needed before that.
        from chancy.executors import Functions  # noqa: PLC0415

        functions = Functions(allowed)
        for schedule in schedules:
            try:
                jobs[schedule.name] = _completed(functions, schedule.job, given.get(schedule.name, ()))
            except CannotRun as error:
                found[schedule.name] = str(error)
                if type(schedule.job) is not Job:
                    sure.add(schedule.name)
            except ChancyError as error:
                found[schedule.name] = str(error)
            except Exception as error:  # noqa: BLE001 -- whatever somebody's module or function does when it is looked at
                found[schedule.name] = f"{schedule.job.func} raised {type(error).__name__}: {error}"
        with suppress(RuntimeError):
            # The loop may have ended, where somebody did not wait so long.
            loop.call_soon_threadsafe(done.set)

    # A thread of its own, and one that nobody waits for at the end: an import may take seconds, or for ever.
    threading.Thread(target=look, name="chancy-cron-functions", daemon=True).start()
    try:
        await asyncio.wait_for(done.wait(), within_s or CHECKED_WITHIN_S)
    except TimeoutError:
        waiting = [schedule for schedule in schedules if schedule.name not in {*found, *jobs}]
        late = {one.name: f"its import takes longer than {CHECKED_WITHIN_S:g} s." for one in waiting}
        return dict(jobs), (late if within_s is None else {}) | found, set(sure)
    return jobs, found, sure


def _completed(functions: Functions, job: Job, given: Collection[str]) -> Job:
    """The job with what `@job` says of its function; what is added to that later is added when the job is pushed.

    Only where a table says what is the default anyway, the job has to be stored as meant so.
    """
    # When its jobs are due is the schedule's business.
    found = functions.completed(job, {*given, "scheduled_at"})
    if found is job or found != functions.completed(job, {"scheduled_at"}):
        return found
    return Job(**asdict(found))
