"""What `chancy bench` asks of a server."""

from __future__ import annotations

import uuid

import msgspec

from chancy_core.store.flow import Flow
from chancy_core.store.store import Store


class ServerLook(msgspec.Struct, frozen=True):
    """What decides how fast a server can be.

    Attributes:
        version: of PostgreSQL.
        fsync: whether what is committed is on the disk.
        synchronous_commit: whether a commit waits for that, as the setting has it.
        standby: whether a commit waits for a standby as well.
        in_recovery: whether it is a standby itself, which takes no changes.
        may_create: whether this role may make a schema.
        is_near: whether it answers from this machine.
        others: how many sessions of others are at work now, as far as this role may see.
        connections: how many clients are connected.
        connections_max: how many may be.
    """

    version: str
    fsync: bool
    synchronous_commit: str
    standby: bool
    in_recovery: bool
    may_create: bool
    is_near: bool
    others: int
    connections: int
    connections_max: int


class Batch(msgspec.Struct, frozen=True):
    """Jobs that are looked at together: ids grow with time, so they lie between the first and the last."""

    first: uuid.UUID
    last: uuid.UUID
    count: int


def look_at_server(store: Store) -> Flow[ServerLook]:
    """What decides how fast the server can be."""
    (row,) = yield store.query("look_at_server")
    return ServerLook(*row)


def sample_sessions(store: Store, name: str) -> Flow[dict[str, int]]:
    """How many of the sessions with this application name compute or wait now, by what they wait for."""
    rows = yield store.query("sample_sessions", name=name)
    return dict(rows)


def is_drained(store: Store, batch: Batch) -> Flow[bool]:
    """Whether all jobs of a batch have ended."""
    ((drained,),) = yield store.query("is_drained", first=batch.first, last=batch.last)
    return bool(drained)


def read_drain(store: Store, batch: Batch) -> Flow[tuple[int, float]]:
    """How many jobs of a batch succeeded, and the seconds from the first start to the last recorded end."""
    ((count, seconds),) = yield store.query("read_drain", first=batch.first, last=batch.last)
    return count, seconds or 0.0


def wal_position(store: Store) -> Flow[int]:
    """How many bytes of WAL have been written since the server was made."""
    ((position,),) = yield store.query("wal_position")
    return int(position)


def answer(store: Store) -> Flow[None]:
    """Nothing but an answer."""
    yield store.query("answer")


def commit_nothing(store: Store) -> Flow[None]:
    """A commit that waits for the disk, and changes nothing."""
    yield store.query("commit_nothing")


def find_benches(store: Store) -> Flow[list[str]]:
    """The schemas that benchmarks have made, and that this role may drop."""
    rows = yield store.query("find_benches")
    return [name for (name,) in rows]


def lock_bench(store: Store) -> Flow[bool]:
    """Say that the schema is in use, until the session ends; whether nobody else uses it."""
    ((locked,),) = yield store.query("lock_bench", name=store.schema)
    return bool(locked)


def drop_bench(store: Store) -> Flow[None]:
    """Remove the schema, with all that is in it."""
    yield store.query("drop_bench")


def clear_bench(store: Store) -> Flow[None]:
    """Forget all its jobs, and give their room back."""
    yield store.query("clear_bench")
