"""What a queue is: a name, and how its jobs are run."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final, NamedTuple

import msgspec
from msgspec.structs import force_setattr

from chancy_core.errors import InvalidJob, InvalidQueue
from chancy_core.values.fields import moment_problem, shown
from chancy_core.values.jsonvalue import encode_checked
from chancy_core.values.named import Named
from chancy_core.values.plainly import as_dict
from chancy_core.values.ranges import (
    CONCURRENCY,
    GLOBAL_CONCURRENCY,
    PAUSE_S,
    POLLING_INTERVAL_S,
    RATE_LIMIT,
    RATE_LIMIT_WINDOW_S,
    TAGS_MAX,
)
from chancy_core.values.serving import is_named
from chancy_core.values.tags import matches, tag_problem

DEFAULT_QUEUE: Final = "default"
NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,99}")
NAME_RULE: Final = "1 to 100 letters, digits, or _ . : / @ - (not first)"
# Fields that limit a queue across all workers. The kernel keeps them, and plugins enforce them.
LIMITS: Final = ("rate_limit", "global_concurrency")
#: The range of each field that is a number.
RANGES: Final = {
    "concurrency": CONCURRENCY,
    "polling_interval": POLLING_INTERVAL_S,
    "rate_limit": RATE_LIMIT,
    "rate_limit_window": RATE_LIMIT_WINDOW_S,
    "global_concurrency": GLOBAL_CONCURRENCY,
}
# Those that may be left out, and what that means.
_OR_NONE: Final = {"concurrency": "the worker's", "rate_limit": "no limit", "global_concurrency": "no limit"}


class Executor(StrEnum):
    """The executors that come with Chancy; anything else is the name of an installed one, or an import path."""

    Async = "chancy_core.executors.asyncio.AsyncExecutor"
    Threaded = "chancy_core.executors.thread.ThreadExecutor"
    Process = "chancy_core.executors.process.ProcessExecutor"
    SubInterpreter = "chancy_core.executors.subinterpreter.SubInterpreterExecutor"
    Auto = "chancy_core.executors.auto.AutoExecutor"


# The entry-point group in which packages offer executors by a name of their own.
EXECUTOR_GROUP: Final = "chancy.executors"
_EXECUTORS_BY_NAME: Final = {member.name.lower(): member for member in Executor}
# How projects that come from Chancy 0 name them.
_EXECUTORS_BEFORE: Final = {
    "chancy.executors.asyncex.AsyncExecutor": Executor.Async,
    "chancy.executors.thread.ThreadedExecutor": Executor.Threaded,
    "chancy.executors.process.ProcessExecutor": Executor.Process,
    "chancy.executors.sub.SubInterpreterExecutor": Executor.SubInterpreter,
}
NOT_BUILT: Final = (
    "Chancy.Executor.SubInterpreter is not there yet: it needs Python 3.14, and is not built before it can be tested. "
    "Use Chancy.Executor.Process for what computes, or Threaded for what waits."
)


def known_executor(name: str) -> Executor | None:
    """The executor that comes with Chancy and goes by this path, this former path, or this word (`threaded`)."""
    try:
        return Executor(name)
    except ValueError:
        return _EXECUTORS_BEFORE.get(name) or _EXECUTORS_BY_NAME.get(name.lower())


def executor_words() -> list[str]:
    """The words that name the executors which come with Chancy."""
    return list(_EXECUTORS_BY_NAME)


class QueueState(StrEnum):
    """Whether workers claim from a queue."""

    ACTIVE = "active"
    PAUSED = "paused"


class Queue(msgspec.Struct, frozen=True, metaclass=Named):
    """A queue, as it is declared and as the database holds it.

    Attributes:
        name: letters, digits and `_ . : / @ -`, at most 100.
        concurrency: how many of its jobs one worker runs at a time. None: the worker's default.
        tags: regular expressions, in a list, a tuple or a set; a worker serves the queue when one of them matches one
            of the worker's tags, the whole tag. Every worker has tags of its own accord: `*`, `hostname=…`,
            `worker=…`, `python=…`, `os=…` and `arch=…`.
        executor: a `Chancy.Executor`, the name under which a package offers one (entry-point group
            `chancy.executors`), or the import path of an executor class.
        executor_options: keyword arguments of that class.
        polling_interval: seconds between two looks when no notification came.
        state: `active` or `paused`.
        resume_at: when a paused queue resumes by itself.
        rate_limit: how many of its jobs all workers together may start within `rate_limit_window`. None: any number.
        rate_limit_window: seconds; a window that slides.
        global_concurrency: how many of its jobs all workers together may run at a time. None: any number.
    """

    State: ClassVar[type[QueueState]] = QueueState
    refusal: ClassVar[type[InvalidQueue]] = InvalidQueue

    name: str
    concurrency: int | None = None
    tags: list[str] = msgspec.field(default_factory=lambda: [".*"])
    executor: str = Executor.Auto
    executor_options: dict[str, Any] = {}
    polling_interval: float = 5.0
    state: QueueState = QueueState.ACTIVE
    resume_at: datetime | None = None
    rate_limit: int | None = None
    rate_limit_window: float = 1.0
    global_concurrency: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME_PATTERN.fullmatch(self.name):
            raise InvalidQueue(f"Queue name {shown(self.name)}: use {NAME_RULE}.")
        self._check_numbers()
        self._check_tags()
        self._check_executor()
        try:
            force_setattr(self, "state", QueueState(self.state))
        except ValueError:
            raise InvalidQueue(
                f"Queue {self.name!r}: state is {shown(self.state)}; give 'active' or 'paused'."
            ) from None
        if self.resume_at is not None:
            check_resume_at(self.name, self.resume_at)

    @property
    def limited_by(self) -> tuple[str, ...]:
        """The limits across all workers that it has, by the names of their fields."""
        return tuple(name for name in LIMITS if getattr(self, name) is not None)

    def _check_numbers(self) -> None:
        for name, range_ in RANGES.items():
            value = getattr(self, name)
            if value is None and name in _OR_NONE:
                continue
            if not range_.holds(value):
                none = f", or None for {_OR_NONE[name]}" if name in _OR_NONE else ""
                raise InvalidQueue(f"Queue {self.name!r}: {name} is {shown(value)}; give {range_.expected}{none}.")

    def _check_tags(self) -> None:
        if isinstance(self.tags, str):
            raise InvalidQueue(
                f"Queue {self.name!r}: tags is {shown(self.tags)}, one string; give a list of regular expressions, "
                f"as in tags=[{shown(self.tags)}]."
            )
        if not isinstance(self.tags, list | tuple | set | frozenset) or not all(isinstance(t, str) for t in self.tags):
            raise InvalidQueue(
                f'Queue {self.name!r}: tags is {shown(self.tags)}; give a list of regular expressions, such as ["gpu"].'
            )
        # A list of its own: changing the caller's later changes no queue. A set is listed alike by every process.
        force_setattr(self, "tags", sorted(self.tags) if isinstance(self.tags, set | frozenset) else list(self.tags))
        if len(self.tags) > TAGS_MAX:
            raise InvalidQueue(f"Queue {self.name!r}: it has {len(self.tags)} tags; the most is {TAGS_MAX}.")
        for tag in self.tags:
            problem = tag_problem(tag)
            if problem:
                raise InvalidQueue(f"Queue {self.name!r}: tag {shown(tag)} {problem}")
            self._check_json("tag", tag)

    def _check_executor(self) -> None:
        if not isinstance(self.executor, str) or not self.executor:
            raise InvalidQueue(
                f"Queue {self.name!r}: executor is {shown(self.executor)}; give a Chancy.Executor or the import path "
                "of one."
            )
        force_setattr(self, "executor", known_executor(self.executor) or self.executor)
        self._check_json("executor", self.executor)
        if not isinstance(self.executor_options, dict):
            raise InvalidQueue(
                f"Queue {self.name!r}: executor_options is {shown(self.executor_options)}; give a dict of keyword "
                "arguments."
            )
        self._check_json("executor_options", self.executor_options)
        force_setattr(self, "executor_options", dict(self.executor_options))

    def _check_json(self, field: str, value: Any) -> None:
        try:
            encode_checked(value, field)
        except InvalidJob as error:
            raise InvalidQueue(f"Queue {self.name!r}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has: for a web endpoint, `json.dumps`, or a log."""
        return as_dict(self)

    def serves(self, worker_tags: Collection[str], worker_queues: Collection[str] | None = None) -> bool:
        """Whether a worker takes jobs from this queue.

        Args:
            worker_tags: the tags of the worker.
            worker_queues: the names of the queues that it was told to serve, in which `*` stands for any characters;
                None: all.

        Raises:
            InvalidQueue: one of the expressions cannot be matched within moments.
        """
        if not is_named(self.name, worker_queues):
            return False
        try:
            return any(matches(tag, own) for tag in self.tags for own in worker_tags)
        except ValueError as error:
            raise InvalidQueue(f"Queue {self.name!r}: {error}") from None


class UnreadableQueue(NamedTuple):
    """A queue whose row somebody wrote so that it cannot be read: no worker serves it.

    Attributes:
        name: the queue's name.
        problem: what is wrong with the row, and how to mend it.
    """

    name: str
    problem: str


def check_declarable(queue: Queue) -> None:
    """Raise InvalidQueue if nobody can want a queue like this one, although the database may hold it."""
    if queue.executor == Executor.SubInterpreter:
        raise InvalidQueue(f"Queue {queue.name!r}: {NOT_BUILT}")
    if not queue.tags:
        raise InvalidQueue(
            f"Queue {queue.name!r}: tags is empty, so that no worker would serve it. Leave it out for all workers, or "
            "pause the queue."
        )
    if queue.resume_at is not None and queue.state is QueueState.ACTIVE:
        raise InvalidQueue(
            f"Queue {queue.name!r}: resume_at is {queue.resume_at.isoformat()}, and the queue is not paused: give "
            "state='paused' with it, or leave it out."
        )


def check_resume_at(name: str, resume_at: object) -> None:
    """Raise InvalidQueue unless the queue `name` can be told to resume then."""
    problem = moment_problem(resume_at)
    if problem:
        raise InvalidQueue(f"Queue {name!r}: resume_at {problem}")


def check_pause(name: str, pause: timedelta | float) -> float:
    """The seconds of a pause of the queue `name`. Raises InvalidQueue unless it can end."""
    if not isinstance(pause, timedelta):
        # Seconds, or minutes? Whoever pauses a queue must not have to guess.
        raise InvalidQueue(
            f"Queue {name!r}: resume_at is {shown(pause)}: give how long from now, as "
            f"timedelta(seconds={shown(pause)}), or a datetime with a time zone."
        )
    pause_s = pause.total_seconds()
    if not PAUSE_S.holds(pause_s):
        raise InvalidQueue(
            f"Queue {name!r}: resume_at is {shown(pause)}: give how long from now, {PAUSE_S.expected}, or a datetime "
            "with a time zone."
        )
    return pause_s
