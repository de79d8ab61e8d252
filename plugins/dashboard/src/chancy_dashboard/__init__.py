"""What is wrong, what waits, what runs and what failed, in a browser, as an ASGI application."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chancy_dashboard.app import Dashboard
    from chancy_dashboard.door.access import PERMISSIONS, Access
    from chancy_dashboard.plugin import DashboardPlugin

__all__ = ["PERMISSIONS", "Access", "Dashboard", "DashboardPlugin"]

# A worker loads the plugin, and needs no web framework for that.
_HOMES = {"PERMISSIONS": "door.access", "Access": "door.access", "Dashboard": "app", "DashboardPlugin": "plugin"}


if not TYPE_CHECKING:  # where it would make any name a good one

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
