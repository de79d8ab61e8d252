"""The `chancy` command."""

from __future__ import annotations

import sys

from chancy_core.cli.garbage import collect_less
from chancy_core.cli.interrupts import end_at_once


def main() -> None:
    """Run the `chancy` command."""
    end_at_once()
    collect_less()
    try:
        import click  # noqa: F401, PLC0415 -- an extra, so that libraries need not bring it
        import rich  # noqa: F401, PLC0415
    except ImportError as error:
        sys.exit(f'The chancy command needs {error.name}: pip install "chancy-core[cli]".')
    from chancy_core.cli.group import chancy  # noqa: PLC0415

    try:
        chancy(prog_name="chancy")
    finally:
        # What is left is the interpreter's own end.
        end_at_once()
