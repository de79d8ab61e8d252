"""What installed packages offer, by the entry points of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib_metadata import EntryPoints


def offers(group: str) -> EntryPoints:
    """The entry points of a group, of all that is installed."""
    import importlib_metadata  # noqa: PLC0415 -- twelve modules, for a look that not every process takes

    return importlib_metadata.entry_points(group=group)
