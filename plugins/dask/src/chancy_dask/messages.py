"""What a worker of Chancy and a Dask worker say to each other.

A job travels as the argument of a Dask task, and its report comes back as that task's result. What is said meanwhile
goes through the scheduler: events to the client, which Dask keeps in order, and functions that the client lets a Dask
worker call. What comes back is data of known types, and no pickle.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec

from chancy.executors import Report

# Where there is no word, as in a source tree that was never installed.
UNKNOWN: Final = "unknown"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a Dask worker is asked to run.

    Attributes:
        run: names the run; also the key of its Dask task.
        topic: where its events go.
        versions: what it was sent with.
        same_versions: whether it is run with no other.
        settings: the `RunSettings`, pickled.
        job: the job, pickled.
        time_s, memory_bytes: its limits.
        restarts: whether its Dask worker may be ended with it.
        grace_s: seconds from telling it to stop to that.
    """

    run: str
    topic: str
    versions: dict[str, str]
    same_versions: bool
    settings: bytes
    job: bytes
    time_s: float | None = None
    memory_bytes: float | None = None
    restarts: bool = False
    grace_s: float = 1.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        worker: the address of the Dask worker, and its host.
        report: the report of the run; None: it was not wanted there, or not any more.
        progress: what it told last of its progress, if that was not sent.
    """

    worker: str
    report: Report | None = None
    progress: tuple[float, str | None] | None = None


encode: Final = msgspec.msgpack.Encoder().encode
decode_order: Final = msgspec.msgpack.Decoder(Order).decode
decode_answer: Final = msgspec.msgpack.Decoder(Answer).decode


def versions() -> dict[str, str]:
    """What has to be the same on both sides."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"python": python, **{name: _version(name) for name in ("distributed", "chancy-core", "chancy-dask")}}


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """How they differ, as part of a sentence; an empty text: not at all."""
    return ", ".join(
        f"{name} {theirs.get(name)} where the worker has {value}"
        for name, value in ours.items()
        if theirs.get(name) != value
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return UNKNOWN
