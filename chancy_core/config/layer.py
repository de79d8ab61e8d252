"""One place that settings come from: a file, a variable, an argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from chancy_core.config.tomltext import dotted


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """What one place says, before anything is checked.

    Attributes:
        source: what `Settings.sources` calls it.
        tables: `chancy`, `worker`, `queues`, `plugins`, as far as they were given, raw.
        prefix: what an error about it begins with.
        spell: how this place spells the key path of a table and the keys in it.
        file: the file it was read from, if it was.
    """

    source: str
    tables: Mapping[str, Any]
    spell: Callable[..., str] = dotted
    prefix: str = ""
    file: Path | None = None

    def at(self, table: str, *keys: str) -> str:
        """The subject of an error about the value there."""
        return f"{self.prefix}{self.spell(table, *keys)}"
