"""Jobs whose function is in the script that the worker runs: `__main__` is another module in a child."""

from __future__ import annotations

import runpy
import sys
from types import ModuleType
from typing import Final, NamedTuple

# As multiprocessing calls it, so that `if __name__ == "__main__"` guards what is not to run twice.
RUN_AS: Final = "__mp_main__"


class MainScript(NamedTuple):
    """How the script was started: as a module of this name, or from this file."""

    module: str | None
    path: str | None

    def run(self) -> None:
        """Run it as `__mp_main__`, and let `__main__` be that."""
        if self.module is not None:
            names = runpy.run_module(self.module, run_name=RUN_AS, alter_sys=True)
        elif self.path is not None:
            names = runpy.run_path(self.path, run_name=RUN_AS)
        else:
            return
        module = ModuleType(RUN_AS)
        module.__dict__.update(names)
        sys.modules["__main__"] = sys.modules[RUN_AS] = module


def main_script() -> MainScript:
    """The script that this process runs."""
    module = sys.modules["__main__"]
    spec = getattr(module, "__spec__", None)
    return MainScript(None if spec is None else spec.name, getattr(module, "__file__", None))
