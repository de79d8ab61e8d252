"""The site in `examples/django` passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

SITE = Path(__file__).parents[3] / "examples" / "django"


def test_the_example_passes_its_own_tests(dsn):
    given = conninfo_to_dict(dsn)
    told = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SHOP_", "DJANGO_"))}
    environment.update({name: str(given[key]) for name, key in told.items() if given.get(key)})
    command = [sys.executable, "manage.py", "test", "--noinput"]
    ran = subprocess.run(command, cwd=SITE, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "Ran 4 tests" in ran.stderr
