"""What the faults for tests leave alone, and what a log is that is being written."""

from __future__ import annotations

import drained_jobs

from chancy.testing import Jobs, lose_connections
from chancy_core.testing.faults import _events_in


def test_a_test_that_lost_connections_lost_its_own(application):
    """The connection of its `Jobs` is not one of the application."""
    with Jobs(application) as jobs:
        application.sync_push(drained_jobs.add.job.with_kwargs(a=1, b=2))
        with application.sync_pool.connection() as connection:
            # What it has asked last tells whose it is.
            connection.execute(f'SELECT FROM "{application.settings.schema}".jobs'.encode())
        lose_connections(application)
        assert jobs.drain().succeeded == 1


def test_half_a_line_of_a_log_was_taken_for_an_event():
    """It is read when it is whole; what jobs print is no event."""
    half = b'noise\n{"event": "first"}\n{not json}\n{"text": "\xe2\x80\xa8\xff"}\n["event"]\n{"event": "sec'
    assert [event.get("event") for event in _events_in(half) if "event" in event] == ["first"]
    assert [event.get("event") for event in _events_in(half + b'ond"}\n')][-1] == "second"
