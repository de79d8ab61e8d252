"""Failures that are one and the same: by function, exception, and the line of one's own code where it was raised."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec

from chancy_core.values.plainly import as_dict

_FRAME: Final = re.compile(
    r'^ *(?:\| *)?File "(?P<file>[^"\n]*)", line (?P<line>\d+)(?:, in (?P<name>[^\n]*))?$', re.MULTILINE
)
# What is in these is nobody's own code: Python, what is installed, and Chancy itself.
_OTHERS: Final = re.compile(
    r"[/\\](site-packages|dist-packages|lib[/\\]python3[^/\\]*|chancy_core)[/\\]|^<(?!string>|stdin>)"
)
# Where it is in somebody's home or container does not matter: the end of the path says which file it is.
_PARTS_SHOWN: Final = 3


class FailureGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs whose latest attempt failed in the same way.

    Attributes:
        func: the importable name of their function.
        type: the name of the exception's class.
        where: the innermost line of one's own code, such as `app/mail.py:31 in send`; None: there is none, as when a
            module does not import.
        count: how many jobs these are.
        retrying: how many of them are going to be tried again.
        message: what the exception of the newest of them said.
        first_at: when the first of these failures was, by its worker's clock.
        last_at: when the last was.
        newest: the job that was pushed last.
    """

    func: str
    type: str
    where: str | None
    count: int
    retrying: int
    message: str
    first_at: datetime | None
    last_at: datetime | None
    newest: uuid.UUID

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has."""
        return as_dict(self)


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """What fails, as far as there was time to look.

    Attributes:
        groups: the most frequent first.
        count: how many failed jobs were looked at.
        searched_until: if time ran out: when the last job was pushed that was looked at. None: all were.
    """

    groups: list[FailureGroup]
    count: int
    searched_until: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has."""
        rest = msgspec.to_builtins({"count": self.count, "searched_until": self.searched_until})
        return {"groups": [group.to_dict() for group in self.groups], **rest}


def own_frame(traceback: str) -> str | None:
    """The innermost line of a traceback that is in somebody's own code; None if there is none."""
    frames = [frame for frame in _FRAME.finditer(traceback) if not _OTHERS.search(frame["file"])]
    if not frames:
        return None
    frame = frames[-1]
    path = "/".join(PurePosixPath(frame["file"].replace("\\", "/")).parts[-_PARTS_SHOWN:]).removeprefix("//")
    return f"{path}:{frame['line']}" + (f" in {frame['name']}" if frame["name"] else "")
