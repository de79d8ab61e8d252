"""What stands between Enter and the first line of a command that only looks."""

from __future__ import annotations

import subprocess
import sys

from chancy_core.app import Chancy

# Each takes longer than a look at the database: a printed event, highlighted code, a server of one's own, a worker.
NEVER = (
    "structlog", "pygments", "importlib_metadata", "uvloop", "multiprocessing", "httpx", "watchfiles",
    "chancy_core.embedded.server", "chancy_core.worker", "chancy_core.executors", "chancy_core.testing",
)  # fmt: skip
PROGRAM = """
import sys
sys.argv = ["chancy", "--dsn", {dsn!r}, "--schema", {schema!r}, "jobs"]
from chancy_core.__main__ import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def test_a_look_at_jobs_loads_nothing_that_it_does_not_use(dsn, schema, tmp_path):
    """`chancy jobs` of a schema that is there."""
    with Chancy(dsn, schema=schema, discover=False) as chancy:
        chancy.sync_migrate()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(dsn=dsn, schema=schema)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.split())
    assert "chancy_core.cli.joblist" in loaded
    assert sorted(name for name in loaded for one in NEVER if name == one or name.startswith(f"{one}.")) == []
