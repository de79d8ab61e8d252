"""The settings in force, as `chancy config` prints them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chancy_core.config.redacting import redacted, without_secrets
from chancy_core.config.settings import TYPES, Settings
from chancy_core.config.tomltext import dotted, toml_text


def describe(settings: Settings) -> list[tuple[str, str, str]]:
    """Key path, value as TOML without secrets (empty: not set), and source, of every setting."""
    return [
        (dotted(*path), toml_text(value), settings.sources.get(dotted(*path), "default"))
        for path, value in _rows(settings)
    ]


def _rows(settings: Settings) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key in TYPES["chancy"]:
        value = getattr(settings, key)
        yield (key,), redacted(value) if key == "dsn" and value is not None else value
    for key in TYPES["worker"]:
        yield ("worker", key), getattr(settings.worker, key)
    for table, entries in (("queues", settings.queues), ("plugins", settings.plugins)):
        for name, fields in entries.items():
            if not fields:
                yield (table, name), {}
            for key, value in fields.items():
                yield (table, name, key), without_secrets(value, key)
