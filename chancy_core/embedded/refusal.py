"""How every refusal of this room ends: with the way around it."""

from __future__ import annotations

from chancy_core.errors import EmbeddedUnavailable


def unavailable(reason: str) -> EmbeddedUnavailable:
    """The error that says why the embedded PostgreSQL cannot serve, and what serves instead."""
    return EmbeddedUnavailable(
        f"The embedded PostgreSQL cannot serve: {reason}\n"
        "Or name a database of your own: Chancy(dsn=...), CHANCY_DSN, or dsn in chancy.toml."
    )
