"""A worker that hears what nobody of its version sends."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support import WITHIN_S, captured_events, until

from chancy_core.app import Chancy
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.worker import Worker

UNKNOWN = [b"", b":", b"ready", b"paused:default", b"\xe2\x82\xac", b"x" * 7999]
NONSENSE = [*UNKNOWN, b"cancel:", b"ready:nobody", b"back:\x01\n", b"room:nobody", b"queues:", b"due:nobody"]
# In no encoding a text: only a database whose encoding is SQL_ASCII passes it on.
BYTES = [b"\xff\xfe", b"ready:\xff", b"\xc3"]


@pytest.fixture
def any_bytes(dsn: str) -> Iterator[str]:
    """The DSN of a database that takes any bytes as text."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        libc = " LOCALE_PROVIDER libc" if admin.info.server_version >= 150_000 else ""
        options = f"TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'{libc}"
        admin.execute(f"CREATE DATABASE {name} {options}".encode())
        yield make_conninfo(dsn, dbname=name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


async def test_a_worker_keeps_its_connection_whatever_text_is_sent_to_it(chancy):
    """Texts that are no notices are logged at debug, and the next notice is heard on the same connection."""
    # The polling interval is so long that only a notice can start a job in time.
    await chancy.declare(Queue("default", polling_interval=3600), upsert=True)
    with captured_events() as events, psycopg.connect(chancy.dsn, autocommit=True) as sender:
        async with Worker(chancy):
            await until(lambda: told(events, "listening"))
            for payload in NONSENSE:
                send(sender, chancy, payload)
                reference = await chancy.push(Job("jobs.echo", kwargs={"value": 1}))
                assert (await reference.wait(timeout=WITHIN_S)).state == "succeeded"
            await until(lambda: len(told(events, "notice_unknown")) == len(UNKNOWN))
    assert {event["log_level"] for event in told(events, "notice_unknown")} == {"debug"}
    assert max(len(event["payload"]) for event in told(events, "notice_unknown")) == 100
    assert len(told(events, "listening")) == 1


async def test_a_worker_goes_on_whatever_bytes_are_sent_to_it(any_bytes):
    """The server itself ends a connection to which it cannot send a text: the worker listens again, and works on."""
    async with Chancy(any_bytes, discover=False) as chancy:
        with captured_events() as events, psycopg.connect(any_bytes, autocommit=True) as sender:
            async with Worker(chancy):
                for number, payload in enumerate(BYTES, start=1):
                    await until(lambda number=number: len(told(events, "listening")) == number)
                    send(sender, chancy, payload)
                    reference = await chancy.push(Job("jobs.echo", kwargs={"value": 1}))
                    assert (await reference.wait(timeout=WITHIN_S)).state == "succeeded"


def told(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


def send(sender: psycopg.Connection[Any], chancy: Chancy, payload: bytes) -> None:
    octal = "".join(f"\\{byte:03o}" for byte in payload)
    sender.execute(f"SELECT pg_notify('{chancy.store.channel}', E'{octal}')".encode())
