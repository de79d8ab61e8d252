"""`SELECT chancy.push(…)` where something is missing: a queue, the limit of what a job may hold."""

from __future__ import annotations

import psycopg
import pytest


def test_where_no_queue_is_declared_the_error_says_what_to_do(chancy, query):
    """There are none to name, and the hint is there all the same."""
    query("DELETE FROM {s}.queues")
    with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        query("SELECT {s}.push('jobs.echo')")
    assert refused.value.diag.message_hint.startswith("No queue is declared. To make it: a table [queues.<name>]")


def test_no_limit_given_is_the_limit_that_there_is_by_default(chancy, query):
    """NULL does not switch it off."""
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=r"jobs.echo take 1.* limit is 1048576"):
        query(
            "SELECT {s}.push('jobs.echo', jsonb_build_object('a', repeat('x', 1048576)), payload_limit_bytes => NULL)"
        )
    assert query("SELECT count(*) FROM {s}.jobs") == [(0,)]
