"""A job's life, as a person reads it: what it is, and what has happened to it, in the order in which it did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from chancy_core.cli.times import exact_span, moment, size, span
from chancy_core.values.queuedjob import QueuedJob, State

# Arguments and results that are longer are looked at with --json.
_SHOWN_MAX = 2000


class Happened(NamedTuple):
    """Something that has happened to a job, or will.

    Attributes:
        at: when.
        what: in a few words.
        more: what else there is to say, such as an error.
    """

    at: datetime | None
    what: str
    more: str = ""


def facts(job: QueuedJob) -> list[tuple[str, str]]:
    """What a job is: names and values."""
    found = [
        ("state", _state(job)),
        ("function", job.func),
        ("arguments", _json(job.kwargs)),
        ("queue", job.queue),
        ("attempts", f"{job.attempts:,} of {job.max_attempts:,}"),
    ]
    if job.priority:
        found.append(("priority", str(job.priority)))
    if job.unique_key is not None:
        found.append(("unique key", job.unique_key))
    found += [("limit", _limit(limit.type_, limit.value)) for limit in job.limits]
    if job.meta:
        found.append(("meta", _json(job.meta)))
    if job.progress is not None and not job.state.finished:
        note = f", {job.progress.note}" if job.progress.note else ""
        found.append(("progress", f"{100 * job.progress.fraction:.0f} %{note}"))
    if job.result is not None:
        found.append(("result", _json(job.result)))
    if job.note:
        found.append(("note", job.note))
    if job.peak_bytes is not None:
        found.append(("memory", f"{size(job.peak_bytes)} at most"))
    return found


def timeline(job: QueuedJob) -> list[Happened]:
    """What has happened to a job, the first first; and what is to come, if that is known."""
    happened = [Happened(job.created_at, "pushed")]
    happened += _attempts(job)
    if job.unrunnable_since is not None:
        happened.append(Happened(job.unrunnable_since, "no worker could run it since then", job.note or ""))
    if job.state.finished:
        happened.append(Happened(job.completed_at, str(job.state), _how_long(job)))
    happened.sort(key=lambda one: one.at or datetime.min.replace(tzinfo=UTC))
    return [*happened, *_to_come(job)]


def _attempts(job: QueuedJob) -> Iterator[Happened]:
    """Each attempt: how it failed, and when the latest was claimed."""
    for error in job.errors:
        yield Happened(error.at, f"attempt {error.attempt} failed on {error.worker}", f"{error.type}: {error.message}")
    if job.started_at is not None:
        of = f"attempt {job.attempts}" if job.attempts else "an attempt that was given back"
        yield Happened(job.started_at, f"claimed by {job.worker} for {of}" if job.worker else f"claimed for {of}")


def _to_come(job: QueuedJob) -> Iterator[Happened]:
    if job.state in (State.SCHEDULED, State.RETRYING):
        yield Happened(job.scheduled_at, "is due", "for the first time" if not job.attempts else "to be tried again")
    if job.state is State.RUNNING and job.cancel_requested:
        yield Happened(None, "its worker has been told to stop it")
    if not job.state.finished and not job.attempts and job.expires_at is not None:
        yield Happened(job.expires_at, "is cancelled if it has not been started by then")


def shown_timeline(happened: list[Happened]) -> list[tuple[str, str, str]]:
    """When, how long after the one before, and what: a row each."""
    rows = []
    before: datetime | None = None
    for one in happened:
        rows.append((moment(one.at), _after(one.at, before), f"{one.what}: {one.more}" if one.more else one.what))
        before = one.at or before
    return rows


def _after(at: datetime | None, before: datetime | None) -> str:
    if at is None or before is None or at - before < timedelta(milliseconds=1):
        return ""
    return f"+{exact_span((at - before).total_seconds())}"


def _state(job: QueuedJob) -> str:
    if job.state is State.RUNNING and job.started_at is not None:
        since_s = (datetime.now(UTC) - job.started_at).total_seconds()
        return f"{job.state}, for {span(since_s)}, on {job.worker}"
    return str(job.state)


def _how_long(job: QueuedJob) -> str:
    return f"its run took {exact_span(job.run_s)}" if job.run_s and job.attempts else ""


def _limit(kind: str, value: float) -> str:
    return f"memory {size(value)}" if kind == "memory" else f"time {value:g} s"


def _json(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]} … ({len(text):,} characters: --json has them all)"
