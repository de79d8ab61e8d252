"""Who did what, to how many, from where and why: a row before it is done, and its outcome after."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Final

import psycopg

from chancy import Chancy
from chancy.errors import ChancyError
from chancy.plugin import Done, Statements, WebAction, WebPage, log, opened
from chancy_dashboard.door.visit import Visiting

SQL: Final = Statements("chancy_dashboard.sql")
TEXT_MAX: Final = 2_000
# Refusals are recorded so often; whoever tries again and again fills no table.
REFUSALS_A_MINUTE: Final = 60

_refusals: Final[list[float]] = []


async def begin(visit: Visiting, page: WebPage, action: WebAction) -> int:
    """Record that something is about to be done. Returns the entry's number."""
    return await _add(visit.chancy, visit, action.name, _subject(page, visit), "begun", visit.form.get("reason", ""))


async def end(visit: Visiting, entry: int, done: Done) -> None:
    """Record what came of it."""
    await _end(visit.chancy, entry, "done", done.said, done.subject, done.jobs, done.reason)


async def failed(visit: Visiting, entry: int, told: str) -> None:
    """Record that it was not done."""
    with suppress(ChancyError, psycopg.Error, OSError):
        await _end(visit.chancy, entry, "failed", told)


async def refused(visit: Visiting, page: WebPage, action: WebAction, place: str) -> None:
    """Record that somebody wanted to do what he may not."""
    log.warning("dashboard_refused", user=visit.user, source=visit.source, action=action.name, page=page.path)
    now = time.monotonic()
    _refusals[:] = [at for at in _refusals if now - at < 60]  # noqa: PLR2004 -- a minute
    if len(_refusals) >= REFUSALS_A_MINUTE:
        return
    _refusals.append(now)
    with suppress(ChancyError, psycopg.Error, OSError):
        entry = await _add(visit.chancy, visit, action.name, _subject(page, visit), "refused", "")
        await _end(visit.chancy, entry, "refused", f"may not {action.permission}{place}")


async def looked(chancy: Chancy, visit: Visiting, page: WebPage) -> None:
    """Record that somebody looked at what is secret otherwise. Raises psycopg.Error: then he does not."""
    entry = await _add(chancy, visit, page.permission, _subject(page, visit), "begun", "")
    await _end(chancy, entry, "done", "looked at it")


def _subject(page: WebPage, visit: Visiting) -> str:
    values = ", ".join(visit.path.values())
    return f"{page.title} {values}".strip()


async def _add(chancy: Chancy, visit: Visiting, action: str, subject: str, state: str, reason: str) -> int:
    given = {"who": visit.user, "source": visit.source, "action": action, "subject": subject, "reason": reason}
    ((entry,),) = await _run(chancy, "add_audit", state=state, **{name: _stored(text) for name, text in given.items()})
    return int(entry)


async def _end(
    chancy: Chancy, entry: int, state: str, said: str, subject: str = "", jobs: int | None = None, reason: str = ""
) -> None:
    await _run(
        chancy, "end_audit", entry=entry, state=state, said=_stored(said), subject=_stored(subject), jobs=jobs,
        reason=_stored(reason),
    )  # fmt: skip


async def _run(chancy: Chancy, name: str, **params: Any) -> list[tuple[Any, ...]]:
    pool = await opened(chancy)
    async with pool.connection() as connection:
        return await SQL.rows(connection, chancy.settings.schema, name, **params)


def _stored(text: str) -> str:
    """A text that PostgreSQL can store."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:TEXT_MAX]
