"""Ids of jobs in a filter: whole ones, or how they begin."""

from __future__ import annotations

import re
import uuid
from typing import Final

from chancy_core.errors import InvalidFilter

_HEX: Final = re.compile(r"[0-9a-f]{1,32}")
_DIGITS: Final = 32


def checked(value: object) -> str:
    """An id, or its beginning, in its one form: lower case, with dashes. Raises InvalidFilter."""
    digits = str(value).strip().lower().removesuffix("*").replace("-", "")
    if not _HEX.fullmatch(digits):
        raise InvalidFilter(
            f"id is {str(value)[:60]!r}, which is not how the id of a job begins: ids have hexadecimal digits, as in "
            "0197c3f2-8a1b-7c4d-9e2f-3a4b5c6d7e8f."
        )
    return str(uuid.UUID(digits)) if len(digits) == _DIGITS else _dashed(digits)


def bounds(text: str) -> tuple[uuid.UUID, uuid.UUID]:
    """The lowest and the highest id that begin like this."""
    digits = text.replace("-", "")
    return uuid.UUID(digits.ljust(_DIGITS, "0")), uuid.UUID(digits.ljust(_DIGITS, "f"))


def is_whole(text: str) -> bool:
    """Whether it names one job."""
    return len(text.replace("-", "")) == _DIGITS


def _dashed(digits: str) -> str:
    cuts = [digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]]
    return "-".join(cut for cut in cuts if cut)
