"""Run the jobs of a queue on a Dask.distributed cluster.

What a name needs is imported when the name is first used: a process that only pushes has no use for Dask.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from chancy_dask.errors import DaskConnectionLost, DaskWorkerDied
    from chancy_dask.executor import DaskExecutor
    from chancy_dask.plugin import Dask

__all__ = ["Dask", "DaskConnectionLost", "DaskExecutor", "DaskWorkerDied"]

_HOMES: Final = {
    "Dask": "chancy_dask.plugin",
    "DaskConnectionLost": "chancy_dask.errors",
    "DaskExecutor": "chancy_dask.executor",
    "DaskWorkerDied": "chancy_dask.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
