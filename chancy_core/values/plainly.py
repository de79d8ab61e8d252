"""Values as dicts of what JSON has, for web endpoints, logs and whoever else wants no objects."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from chancy_core.values.jsonvalue import decode, encode_checked
from chancy_core.values.typed import encode_typed

# Somebody else's values, which are checked as they are when a job is pushed.
_CHECKED: Final = frozenset({"meta"})


def as_dict(value: msgspec.Struct) -> dict[str, Any]:
    """Every field by its name. Ids and times are text, the times as RFC 3339 writes them; states are their words.

    Raises:
        InvalidJob: `kwargs` or `meta` are not JSON.
    """
    found = {name: _plain(name, getattr(value, name)) for name in value.__struct_fields__ if name != "kwargs"}
    if "kwargs" not in value.__struct_fields__:
        return found
    write = encode_typed if getattr(value, "json", None) == "typed" else encode_checked
    found["kwargs"] = decode(write(value.kwargs, "kwargs"))  # type: ignore[attr-defined]  # a job
    # In the order of the fields.
    return {name: found[name] for name in value.__struct_fields__}


def as_json(value: msgspec.Struct) -> str:
    """The same as JSON text."""
    return msgspec.json.encode(as_dict(value)).decode()


class Plain(msgspec.Struct, frozen=True):
    """A value that can be had as what JSON has."""

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has: for a web endpoint, `json.dumps`, or a log.

        Raises:
            InvalidJob: `kwargs` or `meta` are not JSON.
        """
        return as_dict(self)

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return as_json(self)


def _plain(name: str, value: Any) -> Any:
    if name in _CHECKED:
        return decode(encode_checked(value, name))
    if name == "limits":
        # As they are written in a configuration file.
        return [{"type": limit.type_.value, "value": limit.value} for limit in value]
    if name == "progress" and value is not None:
        # A running job's has more to it.
        return {"fraction": value.fraction, "note": value.note}
    return msgspec.to_builtins(value)
