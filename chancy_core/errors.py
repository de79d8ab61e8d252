"""One tree of exceptions: everything Chancy raises on purpose is a `ChancyError`.

The message of each says what happened, with which value, and what to do now.
"""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Iterable
from typing import Any, Final

# An error is read by a person.
NAMES_SHOWN: Final = 10


class ChancyError(Exception):
    """The root: catch this to catch everything that Chancy raises on purpose."""


# -- bad input: raised before anything is written ------------------------------------------


class InvalidJob(ChancyError, ValueError):  # noqa: N818 -- reads as what it is
    """A job that could not be stored or run as asked: names the field and the value."""


class InvalidQueue(ChancyError, ValueError):  # noqa: N818
    """A queue that could not be declared as asked: names the field and the value."""


class UnknownQueue(ChancyError, LookupError):  # noqa: N818
    """A queue that nobody declared: names the nearest one that was."""


class UniqueKeyTaken(ChancyError, RuntimeError):  # noqa: N818
    """The unique key of a push is taken, and its job says `on_conflict="raise"`, or "replace" of one that runs.

    Attributes:
        unique_key: the key.
        job_id: the id of the job that is there.
        state: the state of that job, as its word: it may have changed since.
    """

    def __init__(self, message: str, *, unique_key: str, job_id: uuid.UUID, state: str) -> None:
        super().__init__(message)
        self.unique_key = unique_key
        self.job_id = job_id
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        # Keywords are lost on the way to another process otherwise.
        return _unique_key_taken, (str(self), self.unique_key, self.job_id, self.state)


def _unique_key_taken(message: str, unique_key: str, job_id: uuid.UUID, state: str) -> UniqueKeyTaken:
    return UniqueKeyTaken(message, unique_key=unique_key, job_id=job_id, state=state)


class InvalidConnection(ChancyError, TypeError):  # noqa: N818
    """What was given as `connection=` cannot be written on: says what it is, and what to give instead."""


class InvalidFilter(ChancyError, ValueError):  # noqa: N818
    """A filter that finds nothing because it cannot be read: names the place, the term, and what would be right."""


class JobNotFound(ChancyError, LookupError):  # noqa: N818
    """No such job: it was never committed, or its record has been pruned."""


class WaitTimeout(ChancyError, TimeoutError):  # noqa: N818
    """A job did not finish within the time one was willing to wait. The job goes on."""


# -- set-up --------------------------------------------------------------------------------


class ConfigError(ChancyError, ValueError):
    """A setting that is unknown, of the wrong type or out of range: where, and the nearest name."""


class DatabaseUnavailable(ChancyError, ConnectionError):  # noqa: N818
    """No database answers there: which one, why, and what to try."""


class EmbeddedUnavailable(DatabaseUnavailable):
    """No DSN was given, and the embedded PostgreSQL cannot serve: both ways out."""


class SchemaError(ChancyError, RuntimeError):
    """The database's schema is missing, too old, too new, or not ours to change."""


class NotOpen(ChancyError, RuntimeError):  # noqa: N818
    """A `Chancy` was used after it was closed: how to open it, or let it open itself."""


class PluginError(ChancyError, RuntimeError):
    """A plugin that cannot be loaded, or that refused a push: names the plugin and the hook."""


# -- while a job runs ----------------------------------------------------------------------


class CannotRun(ChancyError, RuntimeError):  # noqa: N818
    """A job that no retry can help, whichever worker tries: its function does not take these arguments, say."""


class CannotRunHere(ChancyError, RuntimeError):  # noqa: N818
    """A job that this worker cannot run, and another one may: its function does not import here, say."""


class LimitNotEnforced(CannotRun):
    """A limit that this executor cannot enforce is refused, never ignored."""


class TimeLimitExceeded(ChancyError, TimeoutError):  # noqa: N818
    """A job ran longer than its `Limit.Type.TIME`."""


class MemoryLimitExceeded(ChancyError, MemoryError):  # noqa: N818
    """A job held more memory than its `Limit.Type.MEMORY`."""


class ChildProcessDied(ChancyError, RuntimeError):  # noqa: N818
    """The child process that ran a job ended before the job did: with which code, or by which signal."""


class InvalidReport(ChancyError, RuntimeError):  # noqa: N818
    """An executor reported of a run what cannot be recorded: names the executor, the field and the value."""


class JobStopped(BaseException):
    """A running job was told to stop: raised by `checkpoint` of its context.

    Not an `Exception`, as `asyncio.CancelledError` is none: a job that catches those goes on being stopped.
    """


class WorkerLost(ChancyError, RuntimeError):  # noqa: N818
    """The worker that ran this attempt stopped renewing its lease."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The clause that ends an error about an unknown name: the nearest known one, or all of them.

    Returns:
        `" Did you mean 'x'?"`, or `" Known: 'a', 'b'."`, or `" None is known."`.
    """
    names = sorted(known)
    if meant := similar(word, names):
        return meant
    if not names:
        return " None is known."
    shown = ", ".join(repr(name) for name in names[:NAMES_SHOWN])
    return f" Known: {shown}{' …' if len(names) > NAMES_SHOWN else ''}."


def similar(word: str, known: Iterable[str]) -> str:
    """As `nearest`, for an error that lists what is known itself: the nearest known name, or nothing."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
