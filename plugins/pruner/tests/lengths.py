"""Lengths of time, for tests."""

from __future__ import annotations

HOUR, DAY = 3600, 86_400


LEFT = "SELECT count(*) FROM {s}.finished_jobs"
