"""What the database has against a job, in words for whoever pushes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg

from chancy_core.errors import InvalidJob
from chancy_core.store.cures import with_cure
from chancy_core.store.jobrows import JobRow
from chancy_core.store.weather import text_of

# Values that a type, an encoding or an index does not take.
_VALUES: Final = ("22", "53400", "54")
_UNTRANSLATABLE: Final = "22P05"
_SHOWN: Final = 200


def raise_explained(rows: Sequence[JobRow], error: Exception) -> None:
    """Raise the InvalidJob for an error that a job has caused, and the error itself if it is about something else.

    Args:
        rows: what was to be stored. Of several rows nobody knows which it was, and each is to be tried alone. None:
            jobs of a bulk push, of which nobody tries any again.
        error: what the database, or the encoding of text for it, has said.
    """
    if len(rows) > 1 or not _is_about_values(error):
        raise with_cure(error)
    if rows:
        raise InvalidJob(f"The database cannot store the job {rows[0].func}: {_why(error)}.") from error
    raise InvalidJob(
        f"The database cannot store one of the jobs of push_many: {_why(error)}. None of them was stored."
    ) from error


def _is_about_values(error: Exception) -> bool:
    if isinstance(error, psycopg.Error):
        return (error.sqlstate or "").startswith(_VALUES)
    return isinstance(error, UnicodeError)


def _why(error: Exception) -> str:
    text = text_of(error).rstrip(".")[:_SHOWN]
    if isinstance(error, psycopg.Error) and error.sqlstate == _UNTRANSLATABLE:
        return (
            f"{text}. The database does not store text as UTF-8: leave this character out, or use a database that does"
        )
    return text
