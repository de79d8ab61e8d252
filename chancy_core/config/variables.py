"""`CHANCY_*` variables: which are ours, and the values they spell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args, get_origin

from chancy_core.config.layer import Layer
from chancy_core.config.settings import NAMES, TYPES
from chancy_core.errors import nearest
from chancy_core.log import log

PREFIX: Final = "CHANCY_"
CONFIG: Final = "CHANCY_CONFIG"
# Read by others: the file's name, the embedded server, the tests, and whatever plugins like.
RESERVED: Final = frozenset({CONFIG, "CHANCY_EMBEDDED_DIR", "CHANCY_TEST_DSN"})
RESERVED_PREFIX: Final = "CHANCY_PLUGIN"
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
