"""The settings of a plugin, checked like those of the kernel: also where they are given in code."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from chancy_core.config.checking import shown_setting
from chancy_core.config.redacting import HIDDEN, is_secret
from chancy_core.errors import ConfigError
from chancy_core.values.ranges import Range

# A plugin that wants to do something a hundred times a second needs a task of its own, not ticks. No tick comes back
# after a year; and a day is longer than anybody waits.
TIMES_S: Final = {
    "interval": Range(0.01, 31_536_000, "seconds"),
    "tick_timeout_s": Range(0.01, 86_400, "seconds"),
    "answer_within_s": Range(0.01, 86_400, "seconds"),
}
# Those that may be None, and what that means.
NONE_MEANS: Final = {
    "interval": ", or None for no ticks",
    "answer_within_s": ", or None for nearly as long as a tick may take",
}
# What msgspec says of a value of another type, and its names of types in words.
_ANOTHER_TYPE: Final = re.compile(r"Expected `([^`]+)`, got `[^`]+`")
_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")


class WrongSetting(ConfigError):  # noqa: N818 -- as the others of its tree
    """A setting that a plugin cannot have been meant to have.

    Attributes:
        told: what is wrong, without the plugin's name and file.
    """

    def __init__(self, message: str, told: str) -> None:
        super().__init__(message)
        self.told: Final = told


def file_of(module: str) -> str:
    """The file of a module, or, where it has none, its name."""
    return getattr(sys.modules.get(module), "__file__", None) or module


def check_settings(plugin: Any) -> None:
    """Raise WrongSetting unless every setting is what its annotation says."""
    told = " ".join([*_type_problems(plugin), *time_problems(plugin)])
    if told:
        cls = type(plugin)
        name = getattr(cls, "name", None)
        called = f"The plugin {name!r}" if isinstance(name, str) else "The plugin"
        raise WrongSetting(f"{called} ({cls.__qualname__} in {file_of(cls.__module__)}): {told}", told)


def in_words(text: str) -> str:
    """What msgspec says of a wrong value, as the end of a sentence that says what to give."""
    found = _ANOTHER_TYPE.fullmatch(text)
    if found is None:
        return f"{text[:1].lower()}{text[1:].removesuffix('.')}"
    kinds = found[1].split(" | ")
    wanted = " or ".join(_WORDS.get(kind, kind) for kind in kinds if kind != "null")
    return f"give {wanted}{', or leave it out' if 'null' in kinds else ''}"


def table_problem(text: str, table: Mapping[str, Any], where: str) -> str:
    """What msgspec says of a plugin's table, with the place and the value.

    Args:
        text: its words; or the plugin's own, which may end as a sentence.
        table: the table.
        where: where that stands.
    """
    said, _, path = text.partition(" - at `$")
    path = path.rstrip("`")
    if not path or not said.startswith(("Expected ", "Invalid ")):
        return f"{where}{path}: {said}{'' if said.endswith(('.', '?')) else '.'}"
    value: Any = table
    last = ""
    for key, index in _STEP.findall(path):
        value = value[int(index)] if index else value[key]
        last = key or last
    # Somewhere in a table of any keys, which msgspec does not name.
    shown = "" if "[...]" in path else f" is {shown_setting(value, key=last)}"
    return f"{where}{path}{shown}: {in_words(said)}."


def time_problems(plugin: Any) -> Iterator[str]:
    """What is wrong with the times that the kernel goes by, a sentence each."""
    for name, bounds in TIMES_S.items():
        value = getattr(plugin, name)
        if not (bounds.holds(value) or (value is None and name in NONE_MEANS)):
            yield (f"{name} is {value!r}: give {bounds.expected}{NONE_MEANS.get(name, '')}.")


def _type_problems(plugin: Any) -> Iterator[str]:
    try:
        fields = msgspec.structs.fields(type(plugin))
    except (NameError, TypeError):
        # An annotation that cannot be read here; whoever has a table for the plugin is told so.
        return
    for field in fields:
        if field.name not in TIMES_S:
            found = _type_problem(plugin, field.name, field.type)
            if found:
                yield found


def _type_problem(plugin: Any, name: str, hint: Any) -> str | None:
    value = getattr(plugin, name)
    try:
        converted = msgspec.convert(value, hint, strict=True)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        shown = HIDDEN if is_secret(name) else f"{value!r:.80}"
        inside = f", and {path.rstrip('`')} in it" if path else ""
        return f"{name} is {shown}{inside}: {in_words(text)}."
    except Exception:  # noqa: BLE001 -- a type that cannot be in a file is for code, which knows what it gives
        return None
    # A list for a tuple, a text for an enumeration: as the file would have it.
    if isinstance(value, str | list | dict) and type(converted) is not type(value):
        msgspec.structs.force_setattr(plugin, name, converted)
    return None
