"""Tracebacks for people: one's own frames in sight, runs of others folded up."""

from __future__ import annotations

import re
from typing import Any, Final

from chancy_dashboard.showing.jsons import seen

_FRAME: Final = re.compile(
    r'^ *(?:\| *)?File "(?P<file>[^"\n]*)", line (?P<line>\d+)(?:, in (?P<name>[^\n]*))?$', re.MULTILINE
)
# What is in these is nobody's own code: Python, what is installed, and Chancy itself.
_OTHERS: Final = re.compile(
    r"[/\\](site-packages|dist-packages|lib[/\\]python3[^/\\]*|chancy_core)[/\\]|^<(?!string>|stdin>)"
)
_MARKS: Final = re.compile(r"^[\s|]*[\^~]+[\s^~]*$")
PARTS_SHOWN: Final = 4
CODE_MAX: Final = 300


def groups_of(traceback: str) -> list[dict[str, Any]]:
    """The frames of a traceback, outermost first, in groups: each is one's own frame, or a run of others'."""
    found: list[dict[str, Any]] = []
    frames = list(_FRAME.finditer(traceback))
    for place, frame in enumerate(frames):
        end = frames[place + 1].start() if place + 1 < len(frames) else len(traceback)
        own = _OTHERS.search(frame["file"]) is None
        one = {
            "file": seen("/".join(frame["file"].replace("\\", "/").split("/")[-PARTS_SHOWN:])),
            "line": int(frame["line"]),
            "name": seen(frame["name"] or ""),
            "code": _code(traceback[frame.end() : end]),
        }
        if not own and found and not found[-1]["own"]:
            found[-1]["frames"].append(one)
        else:
            found.append({"own": own, "frames": [one]})
    return found


def _code(text: str) -> str:
    """What stands below the line of a frame: its code, and nothing of what follows the last one."""
    lines = []
    for line in text.strip("\n").split("\n"):
        if line and not line.startswith((" ", "|")):
            break
        if line.strip(" |") and not _MARKS.match(line):
            lines.append(line.strip(" |"))
    return seen("\n".join(lines)[:CODE_MAX])
