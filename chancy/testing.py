"""For tests against a real PostgreSQL: `addopts = "-p chancy.testing"` in pytest's options brings the fixtures.

The database is the one that `CHANCY_TEST_DSN` names, or an embedded server that parallel test processes share.
"""

from chancy_core.testing.asyncjobs import AsyncJobs
from chancy_core.testing.draining import Drained
from chancy_core.testing.faults import WorkerProcess, lose_connections
from chancy_core.testing.fixtures import (
    WITHIN_S,
    as_before,
    dsn,
    new_chancy,
    no_settings_of_this_machine,
    own_plugins,
    pytest_configure,
    pytest_unconfigure,
    query,
    schema,
    tick_of,
    until,
    wait_until,
)
from chancy_core.testing.jobs import Jobs
from chancy_core.testing.performing import job_context
from chancy_core.testing.plugins import configured
from chancy_core.testing.server import new_folder, own_server, throwaway_server

__all__ = [
    "WITHIN_S",
    "AsyncJobs",
    "Drained",
    "Jobs",
    "WorkerProcess",
    "as_before",
    "configured",
    "dsn",
    "job_context",
    "lose_connections",
    "new_chancy",
    "new_folder",
    "no_settings_of_this_machine",
    "own_plugins",
    "own_server",
    "pytest_configure",
    "pytest_unconfigure",
    "query",
    "schema",
    "throwaway_server",
    "tick_of",
    "until",
    "wait_until",
]
