"""Two distributions that bring one folder: `chancy`, which is Chancy 0, and `chancy-core`, which takes its place.

Neither can forbid the other, so pip puts the files of one over those of the other, in whichever order they are
installed. What follows looks like anything but that: names that are missing, plugins of the wrong one, a folder that is
gone when the other is uninstalled. So it is said, by the first import and by `chancy config`.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Final

ORIGINAL: Final = "chancy"
# What the folder holds of Chancy 0, and never of this one.
THEIRS: Final = "app.py"
_MEND: Final = "To mend it: pip uninstall -y chancy chancy-core, then pip install chancy-core."


def warn() -> None:
    """Warn of what `problem` finds; called when something was seen to be wrong, because it takes its time."""
    found = problem()
    if found is not None:
        warnings.warn(found, RuntimeWarning, stacklevel=3)


def problem() -> str | None:
    """What is wrong with the folder `chancy` of this environment, and how to mend it; None if nothing is."""
    ours = Path(__file__).resolve().parent.with_name("chancy")
    imported = getattr(sys.modules.get("chancy"), "__file__", None)
    if imported is not None and Path(imported).resolve().parent != ours:
        return (
            f"The package chancy was imported from {Path(imported).parent}, which is not that of chancy-core, {ours}. "
            f"Rename it if it is yours; if it is Chancy 0: {_MEND}"
        )
    version = _version()
    if (ours / THEIRS).exists():
        return (
            f"{version or 'Chancy 0'} and chancy-core are installed over each other in {ours}: each has files of the "
            f"other there, and what is imported may be either's. {_MEND}"
        )
    if not (ours / "__init__.py").exists():
        return f"{ours} is not whole: chancy-core brings it, and uninstalling Chancy 0 takes it away. {_MEND}"
    if version is not None:
        return f"{version} is installed beside chancy-core, and both bring the package chancy. {_MEND}"
    return None


def _version() -> str | None:
    """The other distribution and its version, if it is installed."""
    # Not worth its time where nothing is wrong.
    import importlib_metadata  # noqa: PLC0415

    try:
        return f"{ORIGINAL} {importlib_metadata.version(ORIGINAL)}"
    except importlib_metadata.PackageNotFoundError:
        return None
