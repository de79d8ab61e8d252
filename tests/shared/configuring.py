"""Files of settings, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chancy_core.config import Settings, load_settings
from chancy_core.errors import ConfigError

FULL = """
[chancy]
dsn = "postgresql://ann:hunter2@db.example:5433/app"
schema = "jobs"
functions = ["app.jobs.*"]
payload_limit_bytes = 1_000

[worker]
name = "big"
tags = ["gpu"]
lease_s = 20

[queues.default]
concurrency = 7
executor = "threaded"

[queues."mails.out"]

[plugins.cron]
[[plugins.cron.schedules]]
name = "nightly"
cron = "0 3 * * *"

[plugins.report]
api_token = "t0p"
nested = { password = "s3cret", level = 3 }

[plugins.empty]
"""


def write(folder: Path, text: str | bytes, name: str = "chancy.toml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def settings(folder: Path, environ: dict[str, str] | None = None, **arguments: Any) -> Settings:
    return load_settings(environ=environ or {}, directory=folder, **arguments)


def refusal(folder: Path, environ: dict[str, str] | None = None, **arguments: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(folder, environ, **arguments)
    return str(caught.value)
