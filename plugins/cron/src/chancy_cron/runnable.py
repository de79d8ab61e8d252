"""Whether the functions of schedules can be run here: told when they are declared, not at three in the morning."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chancy import Chancy, ChancyError
from chancy.plugin import log
from chancy_cron.errors import InvalidSchedule

if TYPE_CHECKING:
    from chancy_cron.schedule import Schedule

# A module that is imported runs code of its own. What takes longer is waited for by nobody.
CHECKED_WITHIN_S: Final = 20.0


async def check_functions(chancy: Chancy, schedules: Sequence[Schedule], *, strict: bool) -> None:
    """Look whether the function of each schedule imports in this process and takes the job's arguments.

    The process that declares a schedule need not be one that runs its jobs, so this is a warning, unless somebody has
    asked for more.

    Args:
        chancy: its settings say which functions may be run.
        schedules: what is declared.
        strict: whether a function that cannot be run here is an error.

    Raises:
        InvalidSchedule: `strict`, and functions that cannot be run; all of them in one error.
    """
    problems = await _problems(schedules, chancy.settings.functions)
    if problems and strict:
        raise InvalidSchedule(
            "\n  ".join(f"The schedule {name!r}: {problem}" for name, problem in problems.items())
            + "\n  It is refused because of strict = true."
        )
    for schedule in schedules:
        if schedule.name in problems:
            log.warning(
                "schedule_cannot_run_here",
                schedule=schedule.name,
                func=schedule.job.func,
                problem=problems[schedule.name],
                hint="It is declared all the same, for a worker that can run it. With strict = true it is refused.",
            )


async def _problems(schedules: Sequence[Schedule], allowed: Sequence[str] | None) -> dict[str, str]:
    """By the name of a schedule, why its job cannot be run here."""
    found: dict[str, str] = {}
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def look() -> None:
        # Executors are not needed before that.
        from chancy.executors import Functions  # noqa: PLC0415

        functions = Functions(allowed)
        for schedule in schedules:
            try:
                functions.find(schedule.job)
            except ChancyError as error:
                found[schedule.name] = str(error)
            except Exception as error:  # noqa: BLE001 -- whatever somebody's module or function does when it is looked at
                found[schedule.name] = f"{schedule.job.func} raised {type(error).__name__}: {error}"
        loop.call_soon_threadsafe(done.set)

    # A thread of its own, and one that nobody waits for at the end: an import may take seconds, or for ever.
    threading.Thread(target=look, name="chancy-cron-functions", daemon=True).start()
    try:
        await asyncio.wait_for(done.wait(), CHECKED_WITHIN_S)
    except TimeoutError:
        waiting = [schedule for schedule in schedules if schedule.name not in found]
        return {one.name: f"its import takes longer than {CHECKED_WITHIN_S:g} s." for one in waiting} | found
    return found
