"""How long something is, as people write it."""

from __future__ import annotations

import re

from chancy.errors import ConfigError
from chancy.plugin import duration_s, duration_text

LENGTH = re.compile(r"[0-9]{1,12} ?[smhdw]")


def length_s(name: str, text: str, least_s: int) -> int:
    """The seconds in "5m", "36h" or "14d".

    Args:
        name: what the setting or the argument is called, for the error.
        text: what the user wrote.
        least_s: the shortest that makes sense there.

    Raises:
        ConfigError: it is no length, too short, or too long; "forever" is no length here, because nothing is kept so.
    """
    found = duration_s(name, text, least_s=least_s) if LENGTH.fullmatch(text) else None
    if found is None:
        raise ConfigError(
            f'{name} is {text!r:.60}: give a whole number and a unit (s, m, h, d or w), such as "36h", and at least '
            f'"{duration_text(least_s)}".'
        )
    return found
