"""What the tests of `chancy.testing` share."""

from __future__ import annotations

import drained_jobs
import pytest

from chancy.testing import Jobs


@pytest.fixture(autouse=True)
def _nothing_has_run():
    drained_jobs.RAN.clear()
    drained_jobs.GIVEN.clear()


@pytest.fixture
def application(new_chancy):
    with new_chancy() as chancy:
        yield chancy


@pytest.fixture
def jobs(application):
    with Jobs(application) as made:
        yield made
