"""One job: what happened to it, why it does not run, and what it was given."""

from __future__ import annotations

from typing import Any, Final

from chancy import JobError, QueuedJob
from chancy.errors import InvalidJob, JobNotFound
from chancy.plugin import Visit, WebPage, command_line
from chancy_dashboard.acting.jobs import ACTIONS
from chancy_dashboard.showing.jobrows import row_of
from chancy_dashboard.showing.jsons import cut, seen
from chancy_dashboard.showing.life import steps_of
from chancy_dashboard.showing.tracebacks import groups_of

MESSAGE_MAX: Final = 2_000
# Attempts that are shown, the latest first; whoever has more has tried long enough.
ATTEMPTS_SHOWN: Final = 20


async def load(visit: Visit) -> dict[str, Any]:
    """A job, redacted, and cut where it is long."""
    return _told(visit, await _job(visit), visit.redacted)


async def load_revealed(visit: Visit) -> dict[str, Any]:
    """The same as it is, and redacted: who is shown which is for `show_revealed`."""
    job = await _job(visit)
    return {"shown": _told(visit, job, lambda value: value), "hidden": _told(visit, job, visit.redacted)}


def show_revealed(data: dict[str, Any], visit: Visit) -> dict[str, Any]:
    """The secrets for whoever may see those of that queue."""
    found: dict[str, Any] = data["shown" if visit.may("reveal", data["hidden"]["queue"]) else "hidden"]
    return found


async def _job(visit: Visit) -> QueuedJob:
    """The job of the page. Raises JobNotFound."""
    text = visit.path["id"]
    try:
        job = await visit.chancy.get_job(text)
    except InvalidJob:
        job = None
    if job is None:
        raise JobNotFound(f"There is no job {seen(text)[:60]!r}: it was pruned, or never stored.")
    return job


def _told(visit: Visit, job: QueuedJob, redacted: Any) -> dict[str, Any]:
    kwargs, meta, result = (_value(redacted(value)) for value in (job.kwargs, job.meta, job.result))
    return {
        **row_of(job, redacted),
        "claims": job.claims,
        "peak_bytes": job.peak_bytes,
        "expires_at": job.expires_at,
        "limits": [{"type": limit.type_.value, "value": limit.value} for limit in job.limits],
        "progress": None if job.progress is None else {"fraction": job.progress.fraction, "note": job.progress.note},
        "kwargs": kwargs,
        "meta": meta["value"],
        "result": result,
        "is_secret": visit.redacted([job.kwargs, job.meta, job.result]) != [job.kwargs, job.meta, job.result],
        "errors": [_error(error) for error in reversed(job.errors[-ATTEMPTS_SHOWN:])],
        "older_errors": max(len(job.errors) - ATTEMPTS_SHOWN, 0),
        "steps": steps_of(job),
        "finished": job.state.finished,
        "whole": command_line(visit.chancy, "job", str(job.id), "--json"),
    }


def _value(value: Any) -> dict[str, Any]:
    found, left_out = cut(value)
    return {"value": found, "cut": left_out}


def _error(error: JobError) -> dict[str, Any]:
    return {
        "attempt": error.attempt,
        "type": seen(error.type),
        "message": seen(error.message[:MESSAGE_MAX]),
        "at": error.at,
        "worker": error.worker,
        "groups": groups_of(error.traceback),
        "traceback": seen(error.traceback),
    }


JOB: Final = WebPage(
    path="jobs/{id}",
    title="Job",
    load=load,
    template="chancy_dashboard.templates/job.html",
    actions=ACTIONS,
)
REVEALED: Final = WebPage(
    path="jobs/{id}/revealed",
    title="Job, with its secrets,",
    load=load_revealed,
    show=show_revealed,
    template="chancy_dashboard.templates/job.html",
    permission="reveal",
    audited=True,
    live=False,
)
