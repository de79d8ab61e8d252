"""Arguments, results and meta for people: cut politely, numbers exact, and nothing in them that hides itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup, escape

# What is longer nobody reads on a page; `chancy job ID --json` has the whole.
TEXT_MAX: Final = 1_000
ITEMS_MAX: Final = 60
DEPTH_MAX: Final = 12
WHOLE_MAX: Final = 20_000
BRIEF_MAX: Final = 90
BRIEF_TEXT_MAX: Final = 40
# Characters that a browser does not show, or that change the order of others: somebody could hide something with them.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_TOKEN: Final = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?')


def seen(text: object) -> str:
    """A text in which every character is to be seen: the others are written as numbers."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text))


def cut(value: Any) -> tuple[Any, bool]:
    """A value that is short enough for a page, and whether something was left out."""
    cutting = _Cutting()
    return cutting.cut(value, 0), cutting.left_out


class _Cutting:
    """Leaves out what is too much, and says how much that is."""

    def __init__(self) -> None:
        self.left = WHOLE_MAX
        self.left_out = False

    def cut(self, value: Any, depth: int) -> Any:
        """A value, so deep inside the whole."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping) and value:
            return self._mapping(value, depth)
        if isinstance(value, list | tuple) and value:
            return self._list(value, depth)
        self.left -= 8
        return value

    def _text(self, value: str) -> str:
        if len(value) > TEXT_MAX:
            return self._instead(f"{value[:TEXT_MAX]}… ({len(value):,} characters)")
        self.left -= len(value)
        return value

    def _mapping(self, value: Mapping[str, Any], depth: int) -> Any:
        if self._is_over(depth):
            return self._instead(f"… {len(value):,} keys")
        found = {}
        for count, (key, one) in enumerate(value.items()):
            if count == ITEMS_MAX or self.left < 0:
                found["…"] = self._instead(f"{len(value) - count:,} more")
                break
            self.left -= len(str(key)) + 8
            found[str(key)[:TEXT_MAX]] = self.cut(one, depth + 1)
        return found

    def _list(self, value: Sequence[Any], depth: int) -> Any:
        if self._is_over(depth):
            return self._instead(f"… {len(value):,} items")
        found = []
        for count, one in enumerate(value):
            if count == ITEMS_MAX or self.left < 0:
                found.append(self._instead(f"… {len(value) - count:,} more"))
                break
            found.append(self.cut(one, depth + 1))
        return found

    def _is_over(self, depth: int) -> bool:
        return depth >= DEPTH_MAX or self.left < 0

    def _instead(self, told: str) -> str:
        self.left -= len(told)
        self.left_out = True
        return told


def brief(kwargs: Mapping[str, Any]) -> str:
    """Arguments in a line: `user=7, template='weekly'`."""
    found: list[str] = []
    length = 0
    for name, value in kwargs.items():
        text = f"{name}={_short(value)}"
        length += len(text) + 2
        if length > BRIEF_MAX and found:
            return seen(", ".join([*found, f"… {len(kwargs) - len(found)} more"]))
        found.append(text)
    return seen(", ".join(found))


def _short(value: Any) -> str:
    if isinstance(value, str):
        return (
            repr(value) if len(value) <= BRIEF_TEXT_MAX else f"{value[:BRIEF_TEXT_MAX]!r}… ({len(value):,} characters)"
        )
    if isinstance(value, Mapping):
        return "{}" if not value else f"{{{len(value):,} keys}}"
    if isinstance(value, list | tuple):
        return "[]" if not value else f"[{len(value):,} items]"
    return json.dumps(value)


def pretty(value: Any) -> Markup:
    """JSON in lines, its keys and texts marked."""
    text = seen(json.dumps(value, indent=2, ensure_ascii=False, default=str))
    out, at = [], 0
    for found in _TOKEN.finditer(text):
        out.append(escape(text[at : found.start()]))
        mark = Markup("<b>{}</b>{}") if found[2] else Markup("<i>{}</i>{}")
        out.append(mark.format(found[1], found[2] or ""))
        at = found.end()
    return Markup("").join([*out, escape(text[at:])])


FILTERS: Final[dict[str, Callable[..., Any]]] = {"brief": brief, "pretty": pretty, "seen": seen}
