"""A plugin that writes down when an application opens its Chancy, and closes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from making import plugin


class Diary:
    """A plugin that writes down what it is told."""

    def __init__(self, opens: Callable[[Any], Any] | None = None) -> None:
        self.words: list[str] = []

        async def on_open(_, chancy):
            self.words.append("open")
            if opens is not None:
                await opens(chancy)

        def on_close(_, chancy):
            self.words.append("close")

        self.plugin = plugin("diary", on_open=on_open, on_close=on_close)
