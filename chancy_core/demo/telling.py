"""What went wrong, told in a line each: the demo is to show what failed, not where."""

from __future__ import annotations

import logging
from typing import Any

from rich.console import Console
from rich.markup import escape


class InLines(logging.Handler):
    """Prints warnings and errors on the demo's console, where they do not spoil its bar."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line for what happened."""
        try:
            fields: dict[str, Any] = getattr(record, "fields", {})
            text = attempt(fields) if getattr(record, "event", None) == "attempt_failed" else record.getMessage()
            self._console.print(f"[yellow]{escape(text)}[/]")
        except Exception:  # noqa: BLE001 -- as handlers are to do: see logging.Handler.handleError
            self.handleError(record)


def attempt(fields: dict[str, Any]) -> str:
    """What a person wants to know of an attempt that failed."""
    name = fields["func"].rpartition(".")[2]
    again_s = fields["retry_in_s"]
    then = f"again in {again_s:.1f} s" if again_s is not None else "not again"
    return f"  {name}, attempt {fields['attempt']} of {fields['of']}: {fields['error']}; {then}"
