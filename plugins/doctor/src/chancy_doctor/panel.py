"""The dashboard's panel on the page of a job that has not finished: why it is where it is, as `chancy why` says it."""

from __future__ import annotations

from typing import Any, Final

from chancy.plugin import Visit, WebPanel
from chancy_doctor.look import looking
from chancy_doctor.plugin import Doctor
from chancy_doctor.why.job import about_job

# The page waits for it.
WITHIN_S: Final = 2.0


async def load(visit: Visit) -> dict[str, Any] | None:
    """What there is to say; None of a job that has finished, or is not there."""
    chancy = visit.chancy
    job = await chancy.get_job(visit.path["id"])
    if job is None or job.state.finished:
        return None
    async with looking(chancy, Doctor.of(chancy).thresholds, WITHIN_S) as look:
        return (await about_job(look, job)).to_dict()


WHY: Final = WebPanel(
    page="jobs/{id}", name="why", title="Why it is where it is", load=load, template="chancy_doctor.panels/why.html"
)
