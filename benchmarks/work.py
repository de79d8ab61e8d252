"""The jobs that are measured: as little as possible happens in them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import uuid_utils

from benchmarks.children import say
from chancy import Backoff, Job, Plugin, hookimpl
from chancy_core.config.offers import offers


async def nothing(*, n: int) -> None:
    """Does nothing, with a small argument."""


def nothing_sync(*, n: int) -> None:
    """The same, for a thread."""


def sleep_sync(*, n: int) -> None:  # noqa: ARG001
    """Waits in a thread, as for another service."""
    time.sleep(0.005)


async def raises(*, n: int) -> None:  # noqa: ARG001
    raise ValueError("on purpose")


async def raises20(*, n: int) -> None:  # noqa: ARG001
    """The same, with twenty frames."""
    _deep(18)


def _deep(frames: int) -> None:
    if frames > 1:
        _deeper(frames - 1)
    raise ValueError("on purpose")


def _deeper(frames: int) -> None:
    # Two that call each other, because of one that calls itself a traceback shows only some frames.
    if frames > 1:
        _deep(frames - 1)
    raise ValueError("on purpose")


async def stamp(*, pushed_at: float) -> float:
    """Seconds from the push to this start. The monotonic clock is one for all processes of a Linux machine."""
    return time.monotonic() - pushed_at


async def tell(*, pushed_at: float) -> None:
    """The same, told on the standard output, as the bare loop and the peers' workers do."""
    say(time.monotonic() - pushed_at)


def records(kilobytes: int) -> list[dict[str, object]]:
    """So many kilobytes of JSON, as applications have it."""
    return [{"id": n, "name": f"name {n}", "price": n * 1.25, "ok": True} for n in range(kilobytes * 20)]


# Made once: it is not the function that is measured.
_records: dict[int, list[dict[str, object]]] = {}


async def give(*, kilobytes: int) -> list[dict[str, object]]:
    """Returns records."""
    if kilobytes not in _records:
        _records[kilobytes] = records(kilobytes)
    return _records[kilobytes]


async def take(*, data: object) -> None:
    """Takes them."""


NOTHING = f"{__name__}.nothing"
GIVE = f"{__name__}.give"
TAKE = f"{__name__}.take"
NOTHING_SYNC = f"{__name__}.nothing_sync"
SLEEP_SYNC = f"{__name__}.sleep_sync"
RAISES = f"{__name__}.raises"
RAISES20 = f"{__name__}.raises20"
STAMP = f"{__name__}.stamp"
TELL = f"{__name__}.tell"


def nothings(count: int) -> list[Job]:
    return [nothing_job(n) for n in range(count)]


def nothing_job(n: int) -> Job:
    return Job(func=NOTHING, kwargs={"n": n})


# What a plugin is measured with, where that is not what it does by default.
SETTINGS = {"metrics": {"port": 0}}


class Listener(Plugin):
    """Hears of every end of a job."""

    name = "listener"

    def __post_init__(self):
        self.heard = 0

    @hookimpl
    async def on_end(self, ended):
        self.heard += len(ended)


def plugins(names: Sequence[str]) -> list[Plugin]:
    """The installed plugins of these names; or the one above."""
    points = offers("chancy") if names else {}
    return [Listener() if name == "listener" else points[name].load()(**SETTINGS.get(name, {})) for name in names]


def nothing_sync_job(n: int) -> Job:
    return Job(func=NOTHING_SYNC, kwargs={"n": n})


def sleep_sync_job(n: int) -> Job:
    return Job(func=SLEEP_SYNC, kwargs={"n": n})


def raising_job(n: int) -> Job:
    return Job(func=RAISES, kwargs={"n": n})


def raising20_job(n: int) -> Job:
    return Job(func=RAISES20, kwargs={"n": n})


def raising_twice_job(n: int) -> Job:
    """Tried once more, at once."""
    return Job(func=RAISES, kwargs={"n": n}, max_attempts=2, backoff=Backoff.fixed(0))


# The same job, as an application without a queue would store it.
INSERT = "INSERT INTO {schema}.jobs (id, queue, func, kwargs) VALUES (%s, 'default', %s, %s)"


def nothing_row(n: int) -> tuple[str, str, str]:
    return str(uuid_utils.uuid7()), NOTHING, json.dumps({"n": n})
