"""Texts as they can be stored, or shown: without what PostgreSQL refuses, and no longer than is good."""

from __future__ import annotations

from typing import Final

MESSAGE_MAX: Final = 2000
TRACEBACK_MAX: Final = 8000


def noted(text: str) -> str:
    """A note as it can be stored, and is not too long: it may quote what a job's values say of themselves."""
    return clean(text, MESSAGE_MAX, keep_end=False)


def clean(text: str, limit: int, *, keep_end: bool) -> str:
    """A text as it can be stored, and is not longer than `limit`: its beginning, or its end."""
    if len(text) > limit:
        text = f"… {text[-limit + 2 :]}" if keep_end else f"{text[: limit - 2]} …"
    if text.isascii() and "\x00" not in text:
        return text
    # What PostgreSQL cannot store is written as an escape, so that the record is kept all the same.
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def one_line(text: str, limit: int) -> str:
    """One line that any terminal and any database takes."""
    return "".join(char if char.isprintable() else " " for char in text[:limit])
