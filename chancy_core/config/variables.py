"""`CHANCY_*` variables: which are ours, and the values they spell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args, get_origin

from chancy_core.config.layer import Layer
from chancy_core.config.settings import NAMES, TYPES
from chancy_core.errors import nearest
from chancy_core.log import log

PREFIX: Final = "CHANCY_"
CONFIG: Final = "CHANCY_CONFIG"
# Read by others: the file's name, the embedded server, the tests, and whatever plugins like.
RESERVED: Final = frozenset({CONFIG, "CHANCY_EMBEDDED_DIR", "CHANCY_TEST_DSN", "CHANCY_PLUGINS"})
RESERVED_PREFIX: Final = "CHANCY_PLUGIN_"
# Two underscores, because names of plugins and of their settings have single ones.
OF_PLUGIN: Final = re.compile(r"CHANCY_PLUGINS__([A-Z][A-Z0-9_]*?)__([A-Z][A-Z0-9_]*)")
OF_PLUGIN_SPELLED: Final = (
    "Settings of plugins are CHANCY_PLUGINS__NAME__SETTING, in capitals, such as CHANCY_PLUGINS__METRICS__PORT."
)
OF_QUEUES: Final = "Queues are set in a file, [queues.NAME], or by chancy queue declare."
KNOWN: Final = {f"{PREFIX}{name.upper()}": place for name, place in NAMES.items()}
WORDS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def variables(environ: Mapping[str, str]) -> Iterator[Layer]:
    """One layer for each variable that sets something. Warns of those that look as if they did."""
    for name in sorted(environ):
        if name in KNOWN:
            yield _layer(name, environ[name])
        elif (found := OF_PLUGIN.fullmatch(name)) is not None:
            yield _layer_of_plugin(name, found[1].lower(), found[2].lower(), environ[name])
        elif name.startswith(("CHANCY_PLUGINS_", "CHANCY_PLUGIN__")):
            log.warning("variable_ignored", variable=name, hint=OF_PLUGIN_SPELLED)
        elif name.startswith("CHANCY_QUEUE"):
            log.warning("variable_ignored", variable=name, hint=OF_QUEUES)
        elif _looks_ours(name):
            # Only a warning: others may use the prefix.
            log.warning("variable_ignored", variable=name, hint=nearest(name, KNOWN).strip())


def _looks_ours(name: str) -> bool:
    return name.startswith(PREFIX) and name not in RESERVED and not name.startswith(RESERVED_PREFIX)


def _layer(name: str, text: str) -> Layer:
    table, key = KNOWN[name]
    return Layer(
        source=name,
        tables={table: {key: _value(text, _kinds(TYPES[table][key]))}},
        spell=lambda *_: name,
    )


def _layer_of_plugin(name: str, plugin: str, key: str, text: str) -> Layer:
    return Layer(source=name, tables={"plugins": {plugin: {key: _toml(text)}}}, spell=lambda *_: name)


def _toml(text: str) -> Any:
    """What `text` would be in a file; what is no value there is a string that has no quotes.

    The type of a plugin's setting is not known here, before the plugin is found.
    """
    import tomllib  # noqa: PLC0415 -- only where there is such a variable

    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # More than one line is more than a value.
    return found["value"] if len(found) == 1 else text


def _kinds(hint: Any) -> set[Any]:
    """The plain types in an annotation: `{bool, NoneType}` for an optional, described boolean."""
    if hasattr(hint, "__metadata__"):
        return _kinds(hint.__origin__)
    if get_origin(hint) is list:
        return {list}
    members = get_args(hint)
    return set().union(*map(_kinds, members)) if members else {hint}


def _value(text: str, kinds: set[Any]) -> Any:
    """What `text` spells. Text that spells nothing stays text, which the check then refuses."""
    if list in kinds:
        return [item for part in text.split(",") if (item := part.strip())]
    if bool in kinds:
        return WORDS.get(text.strip().lower(), text)
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                return text
    return text
