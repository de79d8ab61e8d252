"""The file: which one it is, and what stands in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from chancy_core.config.layer import Layer
from chancy_core.config.tomltext import dotted
from chancy_core.errors import ConfigError
from chancy_core.log import log

OWN_NAME: Final = "chancy.toml"
SHARED_NAME: Final = "pyproject.toml"


def read(path: Path, *, named_by: str | None = None) -> Layer:
    """The settings in a file that somebody named.

    Args:
        path: a file laid out like chancy.toml, or one called pyproject.toml.
        named_by: who named it, for the error, unless its place did.

    Raises:
        ConfigError: it cannot be read, is not TOML, or is a pyproject.toml without `[tool.chancy]`.
    """
    whose = f"{path}, named by {named_by}," if named_by else f"{path}"
    try:
        path = path.absolute()
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{whose} cannot be read: {reason}.") from None
    tree = _parse(path, data)
    if path.name != SHARED_NAME:
        return _own(path, tree)
    table = _shared_table(tree)
    if table is None:
        raise ConfigError(f"{whose} has no table [tool.chancy]: add it, or name another file.")
    return _shared(path, table)


def discover(directory: Path) -> Layer | None:
    """The settings in the nearest chancy.toml, or pyproject.toml with `[tool.chancy]`.

    Raises:
        ConfigError: there is one, but it cannot be read or is not TOML.
    """
    for place in _climb(directory):
        own, shared = place / OWN_NAME, place / SHARED_NAME
        if os.path.isfile(own):  # noqa: PTH113 -- Path.is_file raises where it may not look
            layer = read(own)
            _warn_if_ignored(shared, own)
            return layer
        table = _peek(shared)
        if table is not None:
            return _shared(shared, table)
    return None


def _climb(directory: Path) -> Iterator[Path]:
    """The directories to look in: upwards, to the repository's or the user's, or the root."""
    try:
        start = directory.resolve()
    except OSError:  # the current directory is gone
        return
    home = Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 -- Path.home raises without one
    for place in (start, *start.parents):
        # What stands in /tmp could be anybody's, and names the database that jobs come from.
        if place != start and _anyone_may_write(place):
            return
        yield place
        if place == home or (place / ".git").exists():
            return


def _anyone_may_write(directory: Path) -> bool:
    try:
        return bool(directory.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return True


def _peek(shared: Path) -> Any:
    """`[tool.chancy]` of a pyproject.toml that nobody named; None when it is not about us."""
    if not os.path.isfile(shared):  # noqa: PTH113
        return None
    try:
        data = shared.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{shared} cannot be read: {error.strerror}. Make it readable, or name another file in CHANCY_CONFIG."
        ) from None
    # Most are not about us, and those that are broken besides are none of our business.
    return _shared_table(_parse(shared, data)) if b"chancy" in data else None


def _warn_if_ignored(shared: Path, own: Path) -> None:
    try:
        ignored = _peek(shared)
    except ConfigError:
        return
    if ignored:
        log.warning("config_table_ignored", file=str(shared), table="tool.chancy", used=str(own))


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 -- only where there is a file

    try:
        # Some editors begin a file with a byte order mark, which TOML does not know. The newline
        # gives a mistake in the last line a line number instead of "end of document".
        return tomllib.loads(data.decode().removeprefix("\ufeff") + "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ConfigError(
            f"{path}: byte 0x{data[error.start]:02x} is not UTF-8 "
            f"(at line {line}, column {column}). Save the file as UTF-8."
        ) from None
    except RecursionError:
        raise ConfigError(f"{path} is not valid TOML: nested too deeply.") from None
    except ValueError as error:  # also what int() says of a number of 5,000 digits
        raise ConfigError(f"{path} is not valid TOML: {error}.{_explained(str(error))}") from None


def _explained(message: str) -> str:
    if "Cannot overwrite" in message or "twice" in message or "Cannot declare" in message:
        return " Something is defined there for the second time: keep one."
    return ""


def _shared_table(tree: dict[str, Any]) -> Any:
    tool = tree.get("tool")
    return tool.get("chancy") if isinstance(tool, dict) else None


def _own(path: Path, tree: dict[str, Any]) -> Layer:
    return Layer(source=path.name, tables=tree, prefix=f"{path}: ", file=path)


def _shared(path: Path, table: Any) -> Layer:
    """The layer of a pyproject.toml, brought into the shape of a chancy.toml."""
    if isinstance(table, dict):
        tables = {key: table[key] for key in ("worker", "queues", "plugins") if key in table}
        tables["chancy"] = {key: value for key, value in table.items() if key not in tables}
    else:
        tables = {"chancy": table}
    return Layer(source=path.name, tables=tables, spell=_spell_shared, prefix=f"{path}: ", file=path)


def _spell_shared(table: str, *keys: str) -> str:
    return dotted("tool", "chancy", *(() if table == "chancy" else (table,)), *keys)
