"""A failure is told to whoever listens; where nobody does, nothing is prepared for it."""

from __future__ import annotations

import logging

import pytest
from msgspec.structs import replace
from processing import queued
from support import captured_events

from chancy import State
from chancy_core.executors import Report
from chancy_core.log import log
from chancy_core.worker.deciding import Policy, decide
from chancy_core.worker.reporting import report_failure


def fails() -> None:
    """A job's function."""


@pytest.mark.parametrize(
    ("level", "attempts", "heard"),
    [(logging.WARNING, 2, True), (logging.ERROR, 2, False), (logging.ERROR, 1, True), (logging.CRITICAL, 1, False)],
)
def test_a_failure_is_told_at_its_level(level, attempts, heard):
    """One that is tried again is a warning, the last one an error."""
    job = replace(queued(fails), max_attempts=attempts)
    with captured_events(level) as events:
        outcome = decide(job, Report.raised(ValueError("on purpose")), None, Policy("w", tell=report_failure))
    assert outcome.state is (State.RETRYING if attempts > 1 else State.FAILED)
    assert [event["event"] for event in events] == ["attempt_failed"] * heard


def test_a_logger_that_a_job_disabled_is_heard():
    """`dictConfig` disables loggers by default, in whatever library it is called."""
    logger = logging.getLogger("chancy")
    logger.disabled = True
    try:
        with captured_events():
            assert log.hears(logging.ERROR)
    finally:
        logger.disabled = False
