"""What is logged about rounds."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from chancy_pruner.prune import Pruned
from chancy_pruner.report import Reporter


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.INFO, "chancy")
    return lambda: [(record.levelname, record.event, record.fields) for record in caplog.records]


def test_a_round_that_did_nothing_is_silent(told):
    """However often."""
    for _ in range(20):
        Reporter().report(Pruned([], [], Counter(), {}))
    assert told() == []


def test_what_was_done_is_logged_once_a_kind(told):
    """With counts."""
    Reporter().report(Pruned(["a"], ["b", "c"], Counter({("failed", "noise"): 7}), {}))
    assert told() == [
        ("INFO", "partitions_made", {"count": 1, "partitions": ["a"]}),
        ("INFO", "partitions_dropped", {"count": 2, "partitions": ["b", "c"]}),
        ("INFO", "finished_jobs_deleted", {"outcome": "failed", "rule": "noise", "count": 7}),
    ]


def test_what_is_put_off_again_and_again_is_warned_of_more_and_more_rarely(told):
    """And forgotten once it has been done."""
    reporter = Reporter()
    off = Pruned([], [], Counter(), {("succeeded", "drop"): "busy"})
    for _ in range(30):
        reporter.report(off)
    assert [(level, fields["rounds"]) for level, _, fields in told()] == [
        ("WARNING", 6), ("WARNING", 12), ("WARNING", 24),
    ]  # fmt: skip
    reporter.report(Pruned([], [], Counter(), {}))
    for _ in range(5):
        reporter.report(off)
    assert len(told()) == 3
