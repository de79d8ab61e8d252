"""Installed plugins under one name: `from chancy.plugins.cron import Cron`.

`chancy.plugins.NAME` is the package of the installed plugin NAME, whatever its distribution calls it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import importlib_metadata

_PREFIX = f"{__name__}."


class _Alias(Loader):
    """Makes one module known under a second name."""

    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: ModuleSpec) -> None:  # noqa: ARG002
        return None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(self._target)


class _Finder(MetaPathFinder):
    """Finds `chancy.plugins.NAME` by the entry points of the group `chancy`."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        name = fullname.removeprefix(_PREFIX)
        if name == fullname or "." in name:
            return None
        for point in importlib_metadata.entry_points(group="chancy", name=name):
            return ModuleSpec(fullname, _Alias(point.module))
        # Only who asks for what is not there needs it.
        from chancy_core.plugins.known import advice  # noqa: PLC0415

        there = {point.name for point in importlib_metadata.entry_points(group="chancy")}
        raise ModuleNotFoundError(f"There is no plugin {name!r} installed.{advice(name, there)}", name=fullname)


# Before the finder of folders: where the distribution of Chancy 0 lies beneath, it would find that one's plugins.
sys.meta_path.insert(0, _Finder())
