"""What the database knows of a worker, for people to look at."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Final

import msgspec

from chancy_core.values.plainly import as_dict
from chancy_core.values.queue import Queue

# The tag that tells a worker's version.
_VERSION: Final = "chancy="


class PluginStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How one plugin does in a worker's process.

    Attributes:
        name: the plugin's name.
        ticks: how often it has ticked.
        ticked_s_ago: when its last tick began, in seconds ago; None: it has not ticked.
        failures: how often one of its hooks has failed.
        error: the last of these failures, shortened; None: there was none.
        failed_s_ago: when that was, in seconds ago.
        off: the hooks that are not called any more in that process: a call went on although it was cancelled.
    """

    name: str
    ticks: int = 0
    ticked_s_ago: float | None = None
    failures: int = 0
    error: str | None = None
    failed_s_ago: float | None = None
    off: list[str] = []


class UnableStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A function that a worker cannot run, and leaves to others.

    Attributes:
        queue: whose jobs of that function it leaves alone.
        func: the function's importable name.
        problem: why it cannot be run there.
        since_s_ago: when that was found first, in seconds ago.
    """

    queue: str
    func: str
    problem: str
    since_s_ago: float


class UnservedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A queue that a worker was told to serve, or that has its tags, and that it does not serve.

    Attributes:
        queue: the queue's name, or the pattern that no queue fits.
        problem: why it is not served, and what to do.
    """

    queue: str
    problem: str


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself, every few seconds, when something has changed.

    Attributes:
        leads: whether it leads; None: nothing elects a leader.
        plugins: its plugins, in the order in which their hooks are called.
        unable: the functions that it cannot run for now.
        unserved: the queues that it was told to serve and does not, and why.
        slots: how many jobs of all the queues that it serves could run at a time; None: it is older than that.
        memory_bytes: what its process holds, together with the processes below it; None: it does not know, or is older
            than that.
    """

    leads: bool | None = None
    plugins: list[PluginStatus] = []
    unable: list[UnableStatus] = []
    unserved: list[UnservedStatus] = []
    slots: int | None = None
    memory_bytes: int | None = None


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A job that a worker runs now.

    Attributes:
        id: the job.
        queue: its queue.
        func: the importable name of its function.
        attempt: which attempt it is, counted from one.
        since_s_ago: when it was claimed, in seconds ago.
        cancel_requested: whether somebody asked for its cancellation.
    """

    id: uuid.UUID
    queue: str
    func: str
    attempt: int
    since_s_ago: float
    cancel_requested: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has."""
        return as_dict(self)


class WorkerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A worker, as the database has it.

    Attributes:
        name: its name.
        tags: what the tags of queues are matched with.
        queues: the names of the queues that it was told to serve, in which `*` stands for any characters; None: all
            that its tags match.
        started_at: when it registered.
        seen_s_ago: when it renewed its lease last, in seconds ago.
        alive: whether its lease has not run out.
        status: what it says of itself; None: nothing yet.
        lease_left_s: for how long its lease still runs, in seconds; below zero: since when it has run out.
        runs: what it runs now, the oldest first; None: that was not asked for.
    """

    name: str
    tags: list[str]
    started_at: datetime
    seen_s_ago: float
    alive: bool
    status: WorkerStatus | None
    queues: list[str] | None = None
    lease_left_s: float | None = None
    runs: list[RunInfo] | None = None

    @property
    def version(self) -> str | None:
        """The version of Chancy that it runs, which it tells as one of its tags; None: it is older than that."""
        return next((tag.removeprefix(_VERSION) for tag in self.tags if tag.startswith(_VERSION)), None)

    def serves(self, queue: Queue) -> bool:
        """Whether it takes jobs from a queue: by the queue's tags, by its name, and by what it says of itself.

        Raises:
            InvalidQueue: one of the queue's tags cannot be matched within moments.
        """
        if self.status is not None and any(one.queue == queue.name for one in self.status.unserved):
            return False
        return queue.serves(self.tags, self.queues)

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has: for a web endpoint, `json.dumps`, or a log."""
        return as_dict(self)


def aged(status: WorkerStatus, seconds: float) -> WorkerStatus:
    """The same, told so many seconds later."""
    return msgspec.structs.replace(
        status,
        plugins=[
            msgspec.structs.replace(
                plugin,
                ticked_s_ago=_later(plugin.ticked_s_ago, seconds),
                failed_s_ago=_later(plugin.failed_s_ago, seconds),
            )
            for plugin in status.plugins
        ],
        unable=[msgspec.structs.replace(one, since_s_ago=one.since_s_ago + seconds) for one in status.unable],
    )


def _later(age_s: float | None, seconds: float) -> float | None:
    return None if age_s is None else age_s + seconds
