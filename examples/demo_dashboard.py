"""The dashboard, while the demo runs, where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console

from chancy import Chancy, Plugin


def plugins() -> list[Plugin]:
    """The plugins of the dashboard and of its findings, those that are installed."""
    found: list[Plugin] = []
    with suppress(ImportError):
        from chancy_dashboard import DashboardPlugin  # noqa: PLC0415 -- there may be none

        found.append(DashboardPlugin())
        from chancy_doctor import Doctor  # noqa: PLC0415

        found.append(Doctor())
    return found


@contextmanager
def served(chancy: Chancy, console: Console) -> Iterator[None]:
    """Serve it for the length of the block, and print its address; nothing of that, where it is not installed."""
    try:
        from chancy_dashboard import Dashboard, serving  # noqa: PLC0415 -- there may be none
    except ImportError:
        yield
        return
    with serving.served(Dashboard(chancy), serving.listen("127.0.0.1", 0)) as address:
        console.print(f"The dashboard is at {address} while this runs.")
        yield
