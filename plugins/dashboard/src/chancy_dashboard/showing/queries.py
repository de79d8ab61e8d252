"""The query language in addresses and forms: what was typed, what it means, and its terms one by one."""

from __future__ import annotations

import re
import uuid
from typing import Any, Final, NamedTuple

from chancy import JobFilter
from chancy.errors import InvalidFilter

# What an address may hold; a filter has less.
TEXT_MAX: Final = 10_000
# A term ends at a space that is neither in quotes nor after a backslash.
_TERM: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\\.|[^\s"\\])+')
_HEX: Final = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}", re.IGNORECASE)


class Typed(NamedTuple):
    """What somebody typed.

    Attributes:
        text: as he typed it.
        wanted: what it means; None: nothing.
        wrong: why it means nothing; None: it means something.
    """

    text: str
    wanted: JobFilter | None
    wrong: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As what JSON has."""
        return {"text": self.text, "filter": None if self.wanted is None else str(self.wanted), "wrong": self.wrong}


def read(text: str) -> Typed:
    """What a text means. An id alone means that job."""
    text = text.replace("\x00", "").strip()[:TEXT_MAX]
    try:
        return Typed(text, JobFilter.parse(f"id:{text.lower()}" if _is_id(text) else text))
    except InvalidFilter as error:
        return Typed(text, None, str(error))


def wanted(text: str) -> JobFilter:
    """The same, for those who act on it. Raises InvalidFilter."""
    found = read(text)
    if found.wanted is None:
        raise InvalidFilter(found.wrong or "The query cannot be read.")
    return found.wanted


def terms(text: str) -> list[str]:
    """The terms of a text, as they stand there."""
    return _TERM.findall(text)


def without(text: str, term: str) -> str:
    """The text without one of its terms."""
    found = terms(text)
    if term in found:
        found.remove(term)
    return " ".join(found)


def with_state(text: str, state: str | None) -> str:
    """The text, of jobs of one state; None: of any."""
    found = [term for term in terms(text) if not term.startswith(("state:", "-state:"))]
    return " ".join([*found, *([f"state:{state}"] if state else [])])


def written(name: str) -> str:
    """A value as it stands in a query."""
    text = "".join(f"\\{letter}" if letter in '\\*?"' else letter for letter in name)
    return f'"{text}"' if any(letter in ' ,"' for letter in name) else text


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern of a filter holds for a name: `*` is any text, `?` any character, after a backslash neither."""
    chunks = [""]
    for part in re.split(r"(\\.|[*?])", pattern, flags=re.DOTALL):
        if part == "*":
            chunks.append("")
        else:
            literal = part[1:] if len(part) > 1 and part[0] == "\\" else part
            chunks[-1] += "." if part == "?" else re.escape(literal)
    first, *others = chunks
    # What stands between two stars is taken where it comes first, and never elsewhere: no pattern takes long.
    middle = "".join(f"(?>.*?{chunk})" for chunk in others[:-1])
    return re.fullmatch(first + middle + (".*" + others[-1] if others else ""), name, re.DOTALL) is not None


def _is_id(text: str) -> bool:
    if _HEX.fullmatch(text):
        return True
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False


FILTERS: Final = {"terms": terms, "without": without, "with_state": with_state, "written": written}
