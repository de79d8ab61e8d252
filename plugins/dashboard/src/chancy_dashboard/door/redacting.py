"""What is not for everybody's eyes, by the names of keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import translate
from typing import Any, Final

HIDDEN: Final = "••••••"
#: Keys whose values are hidden, in small letters with `*` for any characters; `-` and `_` are alike.
PATTERNS: Final = (
    "*password*", "*passwd*", "*passphrase*", "*secret*", "*token*", "*api_key*", "*apikey*", "*access_key*",
    "*private_key*", "*authorization*", "*cookie*", "*credential*", "*session_id*", "*card_number*", "*cvc*", "*iban*",
    "*ssn*", "pin", "pwd", "dsn", "auth",
)  # fmt: skip
_WORD: Final = re.compile(r"\*[^*?\[\]]+\*")
# What nests deeper is no argument that people read.
DEPTH_MAX: Final = 100

Redact = Callable[[Any], Any]


class Redaction:
    """Hides the values of keys that say that they are secret.

    Args:
        patterns: which keys.
        more: called with what is left: what it returns is shown.
    """

    def __init__(self, patterns: Sequence[str] = PATTERNS, more: Redact | None = None) -> None:
        alike = [pattern.lower().replace("-", "_") for pattern in patterns]
        # Most patterns are a word with anything around it. Arguments may have a hundred thousand keys, each of which is
        # asked about, so a word is looked for as one.
        self._words: Final = tuple(one[1:-1] for one in alike if _WORD.fullmatch(one))
        others = [translate(one) for one in alike if not _WORD.fullmatch(one)]
        self._others: Final = re.compile("|".join(others)) if others else None
        self._more: Final = more

    def __call__(self, value: Any) -> Any:
        """The value, as somebody may see it who may not reveal it."""
        found = self._hidden(value, 0)
        return found if self._more is None else self._more(found)

    def is_secret(self, key: str) -> bool:
        """Whether a key says that its value is secret."""
        name = key.lower().replace("-", "_")
        # A loop, because `any` costs as much again.
        for word in self._words:
            if word in name:
                return True
        return self._others is not None and self._others.fullmatch(name) is not None

    def _hidden(self, value: Any, depth: int) -> Any:
        if depth > DEPTH_MAX:
            return HIDDEN
        if isinstance(value, dict):
            return {
                key: HIDDEN if self.is_secret(str(key)) and one not in (None, "") else self._hidden(one, depth + 1)
                for key, one in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._hidden(one, depth + 1) for one in value]
        return value
