"""What a worker, its nursery and its children say to each other: frames of a length and msgpack.

The length takes four bytes, big-endian. Arguments, and what a child has to know, travel pickled inside, because both
come from the worker's own memory and have to arrive as they are. What comes out of a child is never pickled.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from chancy_core.executors.report import Report, portable
from chancy_core.values.queuedjob import QueuedJob

HEADER_BYTES: Final = 4
# What a frame of a child may have beside a result and a meta, which have limits of their own: an error with its
# traceback and a note, whose characters may take six bytes each.
BESIDES_BYTES: Final = 1 << 20
# The nursery tells numbers, and why a child could not be started.
NURSERY_MAX_BYTES: Final = 1 << 16


# -- worker to child -----------------------------------------------------------------------


class Begin(msgspec.Struct, tag="begin"):
    """The first message: where modules are found, and what else has to be known, pickled."""

    sys_path: list[str]
    settings: bytes


class RunJob(msgspec.Struct, tag="run"):
    """Run this job, as `encode_job` has it. `number` names the run until it is done.

    One that is sent `ahead`, while another runs, is begun only by whoever takes its token: see `tokens`.
    """

    number: int
    job: bytes
    values: bytes
    ahead: bool = False


class Stop(msgspec.Struct, tag="stop"):
    """Stop that run, for a `StopReason` of this name, if it still goes on."""

    number: int
    reason: str


class Where(msgspec.Struct, tag="where"):
    """Say where in its code that run is."""

    number: int


ToChild: TypeAlias = Begin | RunJob | Stop | Where


# -- child to worker -----------------------------------------------------------------------


class Ready(msgspec.Struct, tag="ready"):
    """It is set up, and so large."""

    rss_bytes: int


class Broken(msgspec.Struct, tag="broken"):
    """It cannot be set up, or not understand its job: why."""

    problem: str


class Started(msgspec.Struct, tag="started"):
    """The function of that run starts, at this moment of the machine's monotonic clock."""

    number: int
    at: float


class Told(msgspec.Struct, tag="told"):
    """The run tells how far it is."""

    number: int
    fraction: float
    note: str | None


class Here(msgspec.Struct, tag="here"):
    """That run is here: its stack, as a traceback shows one."""

    number: int
    stack: str


class Done(msgspec.Struct, tag="done"):
    """The run has ended: its `Report` (msgpack), and how large the child is now."""

    number: int
    report: bytes
    rss_bytes: int


class Wrote(msgspec.Struct, tag="wrote"):
    """Chancy's own code in the child, or a plugin's, has written an event, which its worker writes in its place.

    Attributes:
        level: the level's number.
        event: its name.
        fields: its fields, as texts.
        traceback: its traceback, if it has one.
        caller: the file and line of whoever wrote it.
    """

    level: int
    event: str
    fields: dict[str, str]
    traceback: str | None
    caller: str


FromChild: TypeAlias = Ready | Broken | Started | Told | Here | Done | Wrote


# -- worker to nursery, and back -----------------------------------------------------------


class Bear(msgspec.Struct, tag="bear"):
    """Start a child, at the socket that comes with this message."""

    serial: int


class Kill(msgspec.Struct, tag="kill"):
    """Kill that child and what it started, if it lives."""

    serial: int


class Born(msgspec.Struct, tag="born"):
    """A child has started."""

    serial: int
    pid: int


class Gone(msgspec.Struct, tag="gone"):
    """A child has ended: its exit code, or minus the number of the signal; or why it never began."""

    serial: int
    code: int | None
    problem: str | None = None


class NotPreloaded(msgspec.Struct, tag="not_preloaded"):
    """A module of the option `preload` does not import: why, and where."""

    module: str
    problem: str
    traceback: str


ToNursery: TypeAlias = Bear | Kill
FromNursery: TypeAlias = Born | Gone | NotPreloaded

encode: Final = msgspec.msgpack.Encoder().encode
decode_to_child: Final = msgspec.msgpack.Decoder(ToChild).decode
decode_from_child: Final = msgspec.msgpack.Decoder(FromChild).decode
decode_to_nursery: Final = msgspec.msgpack.Decoder(ToNursery).decode
decode_from_nursery: Final = msgspec.msgpack.Decoder(FromNursery).decode
decode_report: Final = msgspec.msgpack.Decoder(Report).decode


def frame(message: Any) -> bytes:
    """A message as it is sent."""
    return raw_frame(encode(message))


def raw_frame(body: bytes) -> bytes:
    """Any bytes as a frame."""
    return len(body).to_bytes(HEADER_BYTES, "big") + body


_encode_job: Final = msgspec.msgpack.Encoder().encode
_decode_job: Final = msgspec.msgpack.Decoder(QueuedJob).decode


def encode_job(job: QueuedJob) -> tuple[bytes, bytes]:
    """A job for a child, and pickled what it has that may be of any type: a plugin may have put something there.

    Pickling all of it takes ten times as long, for its times and its id. Raises whatever pickling raises.
    """
    values = pickle.dumps((job.kwargs, job.meta), pickle.HIGHEST_PROTOCOL)
    if type(job) is QueuedJob:
        try:
            return _encode_job(replace(job, kwargs={}, meta={})), values
        except Exception:  # noqa: BLE001, S110 -- a plugin may have put something of its own elsewhere, too
            pass
    return b"", pickle.dumps(job, pickle.HIGHEST_PROTOCOL)


def decode_job(run: RunJob) -> QueuedJob:
    """The job of a run. Raises whatever unpickling raises."""
    values = pickle.loads(run.values)  # noqa: S301 -- from the worker itself
    if not run.job:
        whole: QueuedJob = values
        return whole
    return replace(_decode_job(run.job), kwargs=values[0], meta=values[1])


def encode_report(report: Report) -> bytes:
    """A report as the worker's `decode_report` takes it."""
    return encode(portable(report))


class FrameTooLarge(ValueError):  # noqa: N818 -- reads as what it is
    """Somebody announces more than a frame may hold: it is not received at all, so that it takes no memory."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"sent a message of {size:,} bytes, where {limit:,} are allowed")


class Frames:
    """Puts together the frames of a stream.

    Args:
        limit_bytes: the largest body; whoever announces a larger one is not listened to.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies of the frames that `data` completes.

        Raises:
            FrameTooLarge: the next one is said to be larger than allowed. What comes after it cannot be told apart.
        """
        self._buffer += data
        while len(self._buffer) >= HEADER_BYTES:
            size = int.from_bytes(self._buffer[:HEADER_BYTES], "big")
            if size > self._limit:
                raise FrameTooLarge(size, self._limit)
            end = HEADER_BYTES + size
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEADER_BYTES:end])
            del self._buffer[:end]
            yield body


def read_frame(sock: socket.socket) -> bytes | None:
    """The next frame's body from a blocking socket; None at its end."""
    header = _read(sock, HEADER_BYTES)
    return None if header is None else _read(sock, int.from_bytes(header, "big"))


def _read(sock: socket.socket, size: int) -> bytes | None:
    data = sock.recv(size, socket.MSG_WAITALL) if size else b""
    while len(data) < size:
        # MSG_WAITALL may be cut short by a signal.
        more = sock.recv(size - len(data))
        if not more:
            return None
        data += more
    return data
