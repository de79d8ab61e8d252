"""Tags: expressions by which a queue chooses its workers. The database has them, where anybody may have put them.

Python's own `re` matches by trying, holds the interpreter meanwhile, and may need hours for twenty characters. So
expressions are bounded in length, and matched by `regex`, which reads the same language and gives up when told to.
"""

from __future__ import annotations

import re
from typing import Any, Final

from chancy_core.values.ranges import TAG_MAX_LENGTH

# An expression of a sane kind takes microseconds, so that this is plenty on the slowest machine.
MATCHED_WITHIN_S: Final = 0.1
EVERYTHING: Final = ".*"
# Most tags are words, which need no expression: none of these has a meaning in one.
_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
# What took too long once is not tried again by this process; only so many, because anybody may write expressions.
_HOPELESS_MAX: Final = 1000
_hopeless: Final[set[tuple[str, str]]] = set()


def tag_problem(tag: str) -> str | None:
    """What keeps a text from being a tag, as the end of a sentence; None if it is one."""
    if len(tag) > TAG_MAX_LENGTH:
        return f"has {len(tag)} characters; the most is {TAG_MAX_LENGTH}."
    if tag == EVERYTHING or _WORD.fullmatch(tag):
        return None
    try:
        re.compile(tag)
        _compiled(tag)
    except Exception as error:  # noqa: BLE001 -- besides its own errors: OverflowError, RecursionError, and whatever comes
        hint = f" Any characters are .* in one: {EVERYTHING + tag[1:]!r:.80}." if tag.startswith("*") else ""
        return f"is not a regular expression: {str(error) or type(error).__name__}.{hint}"
    return None


def matches(tag: str, own: str) -> bool:
    """Whether an expression matches a worker's tag, from its first to its last character.

    Raises:
        ValueError: it takes too long to find out.
    """
    if tag == EVERYTHING:
        return "\n" not in own
    if _WORD.fullmatch(tag):
        return tag == own
    if (tag, own) not in _hopeless:
        try:
            return _compiled(tag).fullmatch(own, timeout=MATCHED_WITHIN_S) is not None
        except TimeoutError:
            if len(_hopeless) < _HOPELESS_MAX:
                _hopeless.add((tag, own))
    raise ValueError(
        f"tag {tag!r:.80} cannot be matched with {own!r:.80} within {MATCHED_WITHIN_S} s. Expressions that repeat "
        "what repeats, such as (a|aa)+, try every way there is: write it without."
    )


def _compiled(tag: str) -> Any:
    # Few queues need it, and whoever only pushes none.
    import regex  # noqa: PLC0415

    return regex.compile(tag)
