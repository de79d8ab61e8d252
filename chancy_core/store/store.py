"""The names of one schema, which every statement is asked by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg

from chancy_core.store.flow import Flow, Query
from chancy_core.store.statements import check_schema, statement
from chancy_core.store.weather import notify_queue_full
from chancy_core.values.notices import Notice

# PostgreSQL takes payloads that are shorter than 8,000 bytes.
PAYLOAD_MAX_BYTES: Final = 7999


class Store:
    """The names of one schema, and its statements by their names.

    What is asked with them lies in a file for each noun: `jobs`, `pushes`, `queues`, `workers`.

    Attributes:
        schema: the schema's name.
        channel: the NOTIFY channel of this schema.
        notifications: False keeps every flow from sending any; workers then find things by polling.
    """

    def __init__(self, schema: str, *, notifications: bool = True) -> None:
        self.schema: Final = check_schema(schema)
        self.notifications: Final = notifications
        self.channel: Final = f"chancy.{schema}"

    def statement(self, name: str) -> bytes:
        """The text of a statement of the kernel."""
        return statement(name, self.schema)

    def query(self, name: str, /, **params: Any) -> Query:
        """A statement of the kernel with its parameters."""
        return Query(statement(name, self.schema), params)

    def ending(self, name: str, /, **params: Any) -> Query:
        """As `query`, for a statement by which jobs end, or come back.

        Its parameter `here` has the plugins that are told of its rows in its transaction: none, unless somebody sees to
        that (`Hearing`).
        """
        return Query(statement(name, self.schema), {**params, "here": []}, ending=True)

    def notify(self, notices: Sequence[Notice]) -> Flow[None]:
        """Tell the workers of this schema, when the transaction commits.

        They find everything without being told, only later. So nothing is sent while the server's queue of
        notifications is half full, and nothing fails because it is full.
        """
        # A name that PostgreSQL does not take is none of a queue, nor of a worker that listens.
        sent = [notice.encoded for notice in notices if len(notice.encoded.encode()) <= PAYLOAD_MAX_BYTES]
        if not self.notifications or not sent:
            return
        try:
            yield self.query("notify", channel=self.channel, payloads=sent)
        except psycopg.errors.ProgramLimitExceeded as error:
            if not notify_queue_full(error):
                raise
