"""Functions and classes that tests make jobs of."""

from __future__ import annotations


def top_level(a: int = 1) -> int:
    """A function that a worker can import."""
    return a
