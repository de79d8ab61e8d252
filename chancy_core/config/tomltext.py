"""Values and key paths written the way a TOML file spells them."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any, Final

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


def dotted(*keys: str) -> str:
    """The key path, with quotes around every key that needs them."""
    return ".".join(str(key) if _BARE_KEY.fullmatch(str(key)) else _quoted(str(key)) for key in keys)


def toml_text(value: Any) -> str:
    """`value` on one line of TOML; empty for None, which TOML has no word for."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{dotted(key)} = {toml_text(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_text(item) for item in value)}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return _quoted(str(value))


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's, but JSON leaves DEL as it is. A lone surrogate has no spelling in
    # either; what is shown must at least be printable.
    written = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return written.encode("utf-8", "backslashreplace").decode()
