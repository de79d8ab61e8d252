"""What one layer says, made typed: the good values, and a line for each bad one."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, get_type_hints

import msgspec

from chancy_core.config.layer import Layer
from chancy_core.config.offers import offers
from chancy_core.config.redacting import HIDDEN, is_secret
from chancy_core.config.settings import TABLES, TYPES
from chancy_core.errors import InvalidJob, InvalidQueue, nearest
from chancy_core.values.jsonvalue import encode_checked
from chancy_core.values.listing import listed
from chancy_core.values.queue import (
    EXECUTOR_GROUP,
    RANGES,
    Queue,
    check_declarable,
    executor_words,
    known_executor,
)
from chancy_core.values.ranges import TAGS_MAX

Values: TypeAlias = dict[tuple[str, ...], Any]

# Where msgspec's message says which item of a list it means.
_ITEM: Final = re.compile(r" - at `\$\[(\d+)\]")
_IMPORT_PATH: Final = re.compile(r"(?!\d)\w+(\.(?!\d)\w+)+")
# Of a queue's fields, what a running system changes and a file therefore does not.
_RUN_TIME: Final = frozenset({"state", "resume_at"})
_QUEUE_TYPES: Final = {
    key: hint
    for key, hint in get_type_hints(Queue, include_extras=True).items()
    if key in Queue.__struct_fields__ and key != "name" and key not in _RUN_TIME
}
_QUEUE_EXPECTED: Final = {
    **{key: range_.expected for key, range_ in RANGES.items()},
    "tags": 'a list of regular expressions, such as ["gpu"]',
    "executor": "the name or the import path of an executor",
    "executor_options": "a table of keyword arguments",
}
_KINDS: Final[dict[type, str]] = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "a list",
    tuple: "a list",
    dict: "a table",
    type(None): "None",
}


class Check:
    """The check of one layer.

    Attributes:
        values: key path, such as `("worker", "lease_s")`, to the typed value. A queue and a plugin
            also have a path of their own, so that an empty table is not forgotten.
        problems: a line for each thing that is wrong.
    """

    def __init__(self, layer: Layer) -> None:
        self.values: Values = {}
        self.problems: list[str] = []
        self._layer = layer
        checks: dict[str, Callable[[str, Mapping[str, Any]], None]] = {
            "chancy": self._own_table,
            "worker": self._own_table,
            "queues": self._queues,
            "plugins": self._plugins,
        }
        for name, table in layer.tables.items():
            if name not in checks:
                self._unknown((name,), TABLES)
            elif self._is_table(table, name):
                checks[name](name, table)

    # -- the tables ------------------------------------------------------------------------

    def _own_table(self, table: str, given: Mapping[str, Any]) -> None:
        types = TYPES[table]
        for key, raw in given.items():
            if key not in types:
                self._unknown((table, key), types)
                continue
            path = (key,) if table == "chancy" else (table, key)
            expected = types[key].__metadata__[-1].description
            self._convert(raw, types[key], expected, where=(table, key), path=path)

    def _queues(self, table: str, given: Mapping[str, Any]) -> None:
        for name, fields in given.items():
            if not self._is_table(fields, table, name):
                continue
            try:
                Queue(name)
            except InvalidQueue as error:
                self._say((table, name), f": {error}")
                continue
            self.values[table, name] = {}
            for key, raw in fields.items():
                self._queue_field(name, key, raw)

    def _plugins(self, table: str, given: Mapping[str, Any]) -> None:
        for name, fields in given.items():
            if self._is_table(fields, table, name):
                self.values[table, name] = {}
                self.values.update({(table, name, key): raw for key, raw in fields.items()})

    # -- a queue's fields ------------------------------------------------------------------

    def _queue_field(self, name: str, key: str, raw: Any) -> None:
        where = ("queues", name, key)
        if key in _RUN_TIME:
            self._say(where, " cannot be set here: pause and resume a queue while it runs.")
        elif key not in _QUEUE_TYPES:
            self._unknown(where, _QUEUE_TYPES)
        elif self._convert(
            listed(raw, TAGS_MAX) if key == "tags" else raw, _QUEUE_TYPES[key], _QUEUE_EXPECTED.get(key), where=where
        ):
            try:
                self.values[where] = _checked_field(name, key, self.values[where])
            except (InvalidQueue, InvalidJob) as error:
                del self.values[where]
                self._say(where, f": {str(error).removeprefix(f'Queue {name!r}: ')}")

    # -- one value -------------------------------------------------------------------------

    def _convert(
        self,
        raw: Any,
        hint: Any,
        expected: str | None,
        *,
        where: tuple[str, ...],
        path: tuple[str, ...] | None = None,
    ) -> bool:
        """Whether `raw` fits the annotation; if so, it is among the values."""
        try:
            self.values[path or where] = msgspec.convert(raw, hint)
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            item = _ITEM.search(str(error))
            index = f"[{item[1]}]" if item else ""
            bad = list(raw)[int(item[1])] if item else raw
            wanted = f"give {expected}" if expected else str(error)
            self._say(where, f"{index} is {shown_setting(bad, key=where[-1])}: {wanted}.")
            return False
        return True

    def _is_table(self, value: Any, *where: str) -> bool:
        if isinstance(value, Mapping):
            return True
        spelled = self._layer.spell(*where)
        wanted = f"make it a table, [{spelled}]" if self._layer.file else "give a dict of names to values"
        if where[0] == "queues" and not self._layer.file:
            wanted += """, as in queues={"mail": {"concurrency": 2}}"""
        self._say(where, f" is {_kind(value)}: {wanted}.")
        return False

    # -- saying so -------------------------------------------------------------------------

    def _say(self, where: tuple[str, ...], what: str) -> None:
        self.problems.append(f"{self._layer.at(*where)}{what}")

    def _unknown(self, where: tuple[str, ...], known: Any) -> None:
        self._say(where, f" is unknown.{self._elsewhere(where) or nearest(str(where[-1]), known)}")

    def _elsewhere(self, where: tuple[str, ...]) -> str | None:
        """The table that a key belongs to, if it is only in the wrong one."""
        *tables, key = where
        if tables and tables[0] not in TYPES:
            return None
        if tables and key in TABLES:
            return f" Its settings belong in [{self._layer.spell(key)}]."
        homes = [table for table, types in TYPES.items() if key in types]
        return f" It belongs in [{self._layer.spell(homes[0])}]." if homes else None


def message_of(problems: list[str]) -> str:
    """All that is wrong, as one text."""
    if len(problems) == 1:
        return problems[0]
    return "\n  ".join([f"{len(problems)} settings are wrong:", *problems])


def _checked_field(name: str, key: str, value: Any) -> Any:
    """A field of a queue, once a queue has been built with it.

    Raises:
        InvalidQueue: the queue refuses it.
        InvalidJob: the executor's options are not JSON, as which the database keeps them.
    """
    if key == "executor":
        value = _executor(value)
    if key == "executor_options":
        encode_checked(value, key)
    queue = Queue(name, **{key: value})
    check_declarable(queue)
    return getattr(queue, key)


def _executor(name: str) -> str:
    """An executor that is named by its import path, by a word, such as `threaded`, or by an installed package."""
    known = known_executor(name)
    if known is not None:
        return known
    installed = set() if _IMPORT_PATH.fullmatch(name) else offers(EXECUTOR_GROUP).names
    if not _IMPORT_PATH.fullmatch(name) and name not in installed:
        hint = nearest(name.lower(), [*executor_words(), *installed])
        raise InvalidQueue(
            f"executor {name[:60]!r} is neither one that comes with Chancy nor the import path of a class, and no "
            f"installed package offers it.{hint}"
        )
    return name


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), f"of type {type(value).__name__}")


def shown_setting(value: Any, *, key: str) -> str:
    """A wrong value as an error may show it: never a secret, and never a page of it."""
    if value == "":
        return "empty"
    if is_secret(key) or isinstance(value, Mapping | list | tuple):
        return _kind(value)
    if isinstance(value, str):
        # A connection string put into the wrong place.
        return HIDDEN if "://" in value or "=" in value else repr(value[:60])
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}"
    if isinstance(value, bool | int | float):
        return f"{_kind(value)}, {str(value).lower()}"
    return _kind(value)
