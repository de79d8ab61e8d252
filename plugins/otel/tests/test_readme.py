"""What the README shows works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from chancy_otel import Otel, attributes

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_complete_example_prints_what_is_shown(dsn, schema, tmp_path):
    """The program, as it stands there, in a process of its own."""
    (code,) = re.findall(r'^```python title="run"\n(.*?)^```', README, re.DOTALL | re.MULTILINE)
    (printed,) = re.findall(r'^```text title="prints"\n(.*?)^```', README, re.DOTALL | re.MULTILINE)
    (tmp_path / "traced.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "traced.py"],
        cwd=tmp_path,
        env={**os.environ, "CHANCY_DSN": dsn, "CHANCY_SCHEMA": schema},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed


def test_every_setting_and_attribute_is_told():
    """With the version of the conventions."""
    own = [name for name in Otel.__struct_fields__ if name not in {"interval", "tick_timeout_s"}]
    assert re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE) == own
    names = [value for value in vars(attributes).values() if isinstance(value, str) and value.startswith("messaging.")]
    assert len(names) > 9
    assert all(f"`{name}" in README for name in names)
    assert attributes.SCHEMA_URL.rpartition("/")[2] in README
