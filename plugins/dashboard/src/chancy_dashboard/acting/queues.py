"""What can be done with a queue."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from chancy.errors import ConfigError, InvalidQueue
from chancy.plugin import Done, Visit, WebAction, duration_s
from chancy_dashboard.showing.formats import dur

REASON_MAX: Final = 200
#: For how long a queue may be paused, as the form offers it; "": until somebody resumes it.
PAUSES: Final = (("30m", "in 30 min"), ("1h", "in 1 h"), ("2h", "in 2 h"), ("12h", "in 12 h"), ("", "when I say so"))


def _here(visit: Visit) -> str:
    """The queue of the page, or the one that a form on the page of all queues names."""
    return visit.path.get("name") or visit.form.get("queue", "")


async def _pause(visit: Visit) -> Done:
    name, told = _here(visit), visit.form.get("for", "").strip()
    reason = visit.form.get("reason", "").strip()[:REASON_MAX]
    seconds = None
    if told:
        try:
            seconds = duration_s("for", told)
        except (ConfigError, ValueError) as error:
            raise InvalidQueue(f"How long it is paused is {told!r:.40}: give a duration such as 90m or 2h.") from error
    resume_at = None if seconds is None else timedelta(seconds=seconds)
    await visit.chancy.pause_queue(name, resume_at=resume_at, reason=reason or None, by=visit.user)
    until = "until somebody resumes it" if seconds is None else f"for {dur(seconds)}"
    return Done(f"The queue {name} is paused {until}.", None, f"queue {name}", reason=reason)


async def _resume(visit: Visit) -> Done:
    name = _here(visit)
    await visit.chancy.resume_queue(name)
    reason = visit.form.get("reason", "").strip()[:REASON_MAX]
    return Done(f"The queue {name} is resumed.", None, f"queue {name}", reason=reason)


async def _configure(visit: Visit) -> Done:
    chancy, name = visit.chancy, _here(visit)
    before = await chancy.get_queue(name)
    changed = {
        field: _number(visit, field, getattr(before, field), optional=field != "rate_limit_window")
        for field in ("concurrency", "global_concurrency", "rate_limit", "rate_limit_window")
    }
    after = await chancy.declare(msgspec.structs.replace(before, **changed), upsert=True)
    told = [
        f"{field} {getattr(before, field)} → {getattr(after, field)}"
        for field in changed
        if getattr(before, field) != getattr(after, field)
    ]
    said = f"The queue {name}: {', '.join(told)}." if told else f"The queue {name} is as it was."
    return Done(said, None, f"queue {name}")


def _number(visit: Visit, field: str, before: float | None, *, optional: bool) -> float | None:
    if field not in visit.form:
        return before
    text = visit.form[field].strip().replace(",", "").replace("\N{NO-BREAK SPACE}", "")
    if not text and optional:
        return None
    try:
        return float(text) if field == "rate_limit_window" else int(text)
    except ValueError:
        raise InvalidQueue(f"{field} is {text!r:.40}: give a whole number, or nothing for no limit.") from None


async def _delete(visit: Visit) -> Done:
    name = _here(visit)
    if visit.form.get("confirm", "").strip() != name:
        raise InvalidQueue(f"Nothing was deleted: type {name} to confirm it.")
    count = await visit.chancy.delete_queue(name)
    return Done(f"The queue {name} is deleted; {count:,} of its jobs were cancelled.", "queues", f"queue {name}", count)


def _action(name: str, permission: str, run: object) -> WebAction:
    return WebAction(name=name, permission=permission, run=run, queue=_here)  # type: ignore[arg-type]


PAUSE_HERE: Final = _action("pause", "pause", _pause)
RESUME_HERE: Final = _action("resume", "pause", _resume)
CONFIGURE_HERE: Final = _action("configure", "configure", _configure)
DELETE_HERE: Final = _action("delete", "configure", _delete)
