"""The dashboard, while the demo runs, where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from rich.console import Console

from chancy_core.app import Chancy
from chancy_core.plugins import Plugin


def _installed(name: str) -> Any | None:
    """The package of an installed plugin; None if it is not there."""
    try:
        return import_module(f"chancy.plugins.{name}")
    except ImportError:
        return None


def plugins() -> list[Plugin]:
    """The plugins of the dashboard and of its findings, those that are installed."""
    dashboard, doctor = _installed("dashboard"), _installed("doctor")
    if dashboard is None:
        return []
    return [dashboard.DashboardPlugin(), *([doctor.Doctor()] if doctor is not None else [])]


@contextmanager
def served(chancy: Chancy, console: Console) -> Iterator[None]:
    """Serve it for the length of the block, and print its address; nothing of that, where it is not installed."""
    dashboard = _installed("dashboard")
    if dashboard is None:
        yield
        return
    serving: Any = import_module(f"{dashboard.__name__}.serving")
    with serving.served(dashboard.Dashboard(chancy), serving.listen("127.0.0.1", 0)) as address:
        console.print(f"The dashboard is at {address} while this runs.")
        yield
