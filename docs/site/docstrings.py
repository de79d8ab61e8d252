"""Docstrings are written as the pages are, in Markdown; what reads them wants reStructuredText."""

from __future__ import annotations

import re
from typing import Any, Final

import api

_FENCE: Final = re.compile(r"^(\s*)```(\w*).*$")
_CODE: Final = re.compile(r"(?<!`)`(?!`)(?P<code>[^`]+)`(?!`)|``(?P<double>.+?)``")
_LINK: Final = re.compile(r"\[([^\]]+)\]\((https?://[^)]+)\)")
_NAME_WITH_END: Final = re.compile(r"(?<=\w)_(?=\W|$)")
_ITEM: Final = re.compile(r"^(\s*)[*-] ")


def as_rst(_app: object, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Rewrite one docstring in place; Sphinx calls it for each."""
    lines[:] = converted(lines)


def converted(lines: list[str]) -> list[str]:
    """The lines of a docstring, as reStructuredText."""
    made: list[str] = []
    indent: str | None = None
    before = ""
    for line in lines:
        fence = _FENCE.match(line)
        if indent is not None:
            if fence:
                indent = None
                made.append("")
            else:
                made.append(f"    {line}" if line.strip() else "")
        elif fence:
            indent = fence[1]
            made.extend(["", f"{indent}.. code-block:: {fence[2] or 'text'}", ""])
        else:
            # A list needs an empty line before it, which Markdown does not ask for.
            if _ITEM.match(line) and before.strip() and not _ITEM.match(before) and before[:1] != " ":
                made.append("")
            made.append(_inline(line))
        before = line
    return made


def _inline(line: str) -> str:
    """One line of prose: code, links, and signs that would mean something else."""
    made, at = [], 0
    for match in _CODE.finditer(line):
        made.append(_prose(line[at : match.start()]))
        code = match["code"] or match["double"]
        target = api.targets().get(code)
        text = f":py:obj:`{code} <{target}>`" if target else f"``{code}``"
        before, after = line[: match.start()][-1:], line[match.end() :][:1]
        # Code ends where a word does; a sign that shows nothing stands between `Job` and the s of its plural.
        made.append(("\\ " if before.isalnum() else "") + text + ("\\ " if after.isalnum() else ""))
        at = match.end()
    made.append(_prose(line[at:]))
    return "".join(made)


def _prose(text: str) -> str:
    """Words outside of code."""
    text = _LINK.sub(r"`\1 <\2>`__", text)
    return _NAME_WITH_END.sub(r"\\_", text)


def setup(app: Any) -> dict[str, bool]:
    """Before what reads Google's sections, which wants reStructuredText in them."""
    app.connect("autodoc-process-docstring", as_rst, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
