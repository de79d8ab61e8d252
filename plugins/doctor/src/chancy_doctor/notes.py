"""What is good to know, and nothing wrong: a system that does its work may have notes, and no finding."""

from __future__ import annotations

from typing import NamedTuple

from chancy import Chancy


class Note(NamedTuple):
    """Something to know.

    Attributes:
        id: what it is about; it stays the same from release to release.
        what: in a sentence or two.
        fix: what to write, for whoever wants it otherwise.
    """

    id: str
    what: str
    fix: str


def notes_on(chancy: Chancy) -> list[Note]:
    """What the settings of an application mean, that somebody may not have meant."""
    settings = chancy.settings
    found = []
    if settings.functions is None:
        found.append(
            Note(
                "functions-not-set",
                "The setting `functions` is not set: a worker runs any function that it can import, so that whoever "
                "may push a job chooses among all of Python's.",
                "export CHANCY_FUNCTIONS='[\"app.jobs.*\"]' # or functions in chancy.toml",
            )
        )
    if settings.pooler and settings.notifications:
        found.append(
            Note(
                "notifications-behind-a-pooler",
                "`notifications` is on behind a transaction pooler: that is for applications, which only send them. A "
                "worker with these settings hears nothing, and polls.",
                "export CHANCY_NOTIFICATIONS=false # for workers, or a DSN past the pooler",
            )
        )
    return found
