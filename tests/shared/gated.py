"""Queues whose jobs wait at a gate."""

from __future__ import annotations

from chancy import Job

ECHO = Job(func="jobs.echo")
