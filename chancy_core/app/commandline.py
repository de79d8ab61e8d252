"""A command of `chancy` as it has to be typed to mean the same database, schema and file as an application."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from chancy_core.config import redacted

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

# Where a configuration file is found without being named.
_FOUND: Final = frozenset({"chancy.toml", "pyproject.toml"})


def command_line(chancy: Chancy, *words: str) -> str:
    """A command that can be pasted, with the options that this application needs.

    What it was told by variables or by the usual file the command finds by itself.

    Args:
        chancy: whose database and schema are meant; it need not be open.
        words: the command and its arguments, which are quoted as a shell needs it.

    Returns:
        One line, such as `chancy --schema billing queue resume mail`. A password in it is hidden, as `***`.
    """
    settings = chancy.settings
    options: list[str] = []
    if settings.file is not None and settings.file.name not in _FOUND:
        options += ["--config", str(settings.file)]
    if settings.dsn is not None and settings.sources.get("dsn") == "argument":
        options += ["--dsn", redacted(settings.dsn)]
    if settings.sources.get("schema") == "argument":
        options += ["--schema", settings.schema]
    return shlex.join(["chancy", *options, *words])
