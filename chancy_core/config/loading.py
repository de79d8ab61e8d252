"""The layers, lowest first: defaults, file, variables, arguments; and the value they add up to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chancy_core.config.checking import Check, Values, message_of
from chancy_core.config.databases import dsn_of, is_database
from chancy_core.config.layer import Layer
from chancy_core.config.reading import discover, read
from chancy_core.config.settings import NAMES, TABLES, TYPES, Settings, WorkerSettings
from chancy_core.config.tomltext import dotted
from chancy_core.config.variables import CONFIG, variables
from chancy_core.errors import ConfigError, nearest


def load_settings(
    path: Path | str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    directory: Path | None = None,
    **arguments: Any,
) -> Settings:
    """The settings in force.

    Args:
        path: the file to read. None: the one that `CHANCY_CONFIG` names, or else the nearest
            chancy.toml or pyproject.toml with `[tool.chancy]`, from `directory` upwards to the
            first directory with a `.git`, the home directory or the root. A directory that anyone
            may write to, such as /tmp, ends the search. Without any file, the defaults hold.
        environ: the variables; `CHANCY_SCHEMA` sets `schema`, `CHANCY_WORKER_TAGS` `worker.tags`.
        directory: where the search begins, and relative paths too. None: the current one.
        **arguments: settings that win over everything, by name: `schema=`, `worker_lease_s=`, or
            whole tables: `worker=`, `queues=`, `plugins=`. Those that are None do not count.

    Raises:
        ConfigError: where something is wrong, and what to write instead; a line each.
    """
    found = _file(path, environ, directory)
    layers = [*([found] if found else []), *variables(environ)]
    if is_database(arguments.get("dsn")):
        arguments["dsn"] = dsn_of(arguments["dsn"])
    argument_layers, problems = _arguments(arguments)

    values: Values = {}
    sources: dict[tuple[str, ...], str] = {}
    for layer in (*layers, *argument_layers):
        check = Check(layer)
        problems.extend(check.problems)
        values.update(check.values)
        sources.update(dict.fromkeys(check.values, layer.source))
    if problems:
        raise ConfigError(message_of(problems))
    return _settings(values, sources, found.file if found else None)


def _file(path: Path | str | None, environ: Mapping[str, str], directory: Path | None) -> Layer | None:
    if path is not None and not isinstance(path, str | os.PathLike):
        raise ConfigError(f"the argument config is of type {type(path).__name__}: give the path of a file.")
    named = environ.get(CONFIG) if path is None else os.fspath(path)
    if named is None:
        return discover(directory or Path())
    named_by = CONFIG if path is None else "the argument config"
    if not named.strip():
        raise ConfigError(f"{named_by} is empty: give the path of a file, or leave it out.")
    expanded = Path(os.path.expanduser(named))  # noqa: PTH111 -- Path's raises where there is no home
    return read((directory or Path()) / expanded, named_by=named_by)


def _arguments(arguments: Mapping[str, Any]) -> tuple[list[Layer], list[str]]:
    """A layer for each argument, whole tables first, so that a single setting wins over them."""
    tables = TABLES[1:]
    problems = [
        f"argument {name} is unknown.{nearest(name, [*NAMES, *tables])}"
        for name in arguments
        if name not in NAMES and name not in tables
    ]
    given = {name: value for name, value in arguments.items() if value is not None}
    whole = [
        Layer(source="argument", prefix="argument ", tables={name: given[name]}) for name in tables if name in given
    ]
    single = [_argument(name, given[name]) for name in NAMES if name in given]
    return [*whole, *single], problems


def _argument(name: str, value: Any) -> Layer:
    table, key = NAMES[name]
    return Layer(
        source="argument",
        prefix="argument ",
        tables={table: {key: value}},
        spell=lambda *_: name,
    )


def _settings(values: Values, sources: dict[tuple[str, ...], str], file: Path | None) -> Settings:
    tables: dict[str, dict[str, dict[str, Any]]] = {"queues": {}, "plugins": {}}
    for table, name, *key in (path for path in values if path[0] in tables):
        fields = tables[table].setdefault(name, {})
        if key:
            fields[key[0]] = values[table, name, key[0]]
    return Settings(
        **{path[0]: value for path, value in values.items() if len(path) == 1},
        worker=WorkerSettings(**{path[1]: value for path, value in values.items() if path[0] == "worker"}),
        queues=tables["queues"],
        plugins=tables["plugins"],
        sources={dotted(*path): sources.get(path, "default") for path in _paths(sources)},
        file=file,
    )


def _paths(given: dict[tuple[str, ...], str]) -> Iterator[tuple[str, ...]]:
    """Every path that has a source: our own, set or not, then those of queues and plugins."""
    for key in TYPES["chancy"]:
        yield (key,)
    for key in TYPES["worker"]:
        yield ("worker", key)
    yield from (path for path in given if path[0] in ("queues", "plugins"))
