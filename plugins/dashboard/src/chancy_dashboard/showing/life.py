"""A job's life: the states that it was in, as far as they were written down, and how long each of them was."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from markupsafe import Markup

from chancy import QueuedJob
from chancy_dashboard.showing.formats import dur
from chancy_dashboard.showing.jsons import seen

# Otherwise what took a moment is not to be seen beside what took a day.
LEAST_SHARE: Final = 0.02
FILLS: Final = {"scheduled": "line", "pending": "mute", "running": "run", "retrying": "warn"}


def steps_of(job: QueuedJob) -> list[dict[str, Any]]:
    """The states of a job, in order: state, at, until, and what there is to say; `until` is None for the present one.

    Of earlier attempts it is known when they failed, and not when they began.
    """
    steps: list[dict[str, Any]] = []
    if job.created_at is not None:
        waits = job.scheduled_at is not None and job.scheduled_at > job.created_at and not job.attempts
        steps.append(_step("scheduled" if waits else "pending", job.created_at, "pushed"))
    for error in job.errors:
        if error.attempt == job.attempts and job.state.finished:
            continue
        told = f"attempt {error.attempt} on {error.worker}: {error.type}"
        steps.append(_step("retrying", error.at, told))
    if job.started_at is not None and job.state.value != "retrying":
        steps.append(_step("running", job.started_at, f"attempt {job.attempts} on {job.worker}"))
    steps.sort(key=lambda step: step["at"])
    if job.completed_at is not None and job.state.finished:
        last = next((error.type for error in job.errors if error.attempt == job.attempts), "")
        steps.append(_step(job.state.value, job.completed_at, job.note or last))
    for before, after in pairwise(steps):
        before["until"] = max(before["at"], after["at"])
    return steps


def _step(state: str, at: datetime, told: str) -> dict[str, Any]:
    return {"state": state, "at": at, "until": None, "told": seen(told)[:300]}


def line(steps: list[dict[str, Any]]) -> Markup:
    """These states as a line, as long as they were; what took a moment a little longer."""
    now = datetime.now(UTC)
    shown = [(step, max(((step["until"] or now) - step["at"]).total_seconds(), 0.0)) for step in steps]
    shown = [(step, seconds) for step, seconds in shown if step["state"] in FILLS]
    total = sum(seconds for _, seconds in shown) or 1.0
    shares = [max(seconds / total, LEAST_SHARE) for _, seconds in shown]
    scale, x, out = 100 / (sum(shares) or 1), 0.0, []
    for (step, seconds), share in zip(shown, shares, strict=True):
        width = share * scale
        out.append(
            Markup(
                '<rect class="f-{}" x="{:.2f}%" width="{:.2f}%" height="100%"><title>{} for {}</title></rect>'
            ).format(FILLS[step["state"]], x, max(width - 0.3, 0.2), step["state"], dur(seconds))
        )
        x += width
    told = ", ".join(f"{step['state']} for {dur(seconds)}" for step, seconds in shown)
    return Markup('<svg class="meter w lifeline" role="img" aria-label="Its life: {}">{}</svg>').format(
        told, Markup("").join(out)
    )


def spent(step: dict[str, Any]) -> str:
    """How long a state was, or is until now."""
    return dur(max(((step["until"] or datetime.now(UTC)) - step["at"]).total_seconds(), 0.0))


GLOBALS: Final = {"lifeline": line, "spent": spent}
