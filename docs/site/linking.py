"""Rewrites a page for the site: its links lead to pages there, and what is GitHub's own way looks well."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pages import ROOT

# Code in a line is matched first, so that what looks like a link in it is left alone.
_LINK: Final = re.compile(r"(?P<code>(`+)[^`].*?\2)|(?P<before>\]\()(?P<inside>[^)\s]+)")
_DEFINED: Final = re.compile(r"^(?P<before> {0,3}\[[^\]]+\]: )(?P<inside>\S+)")
_PICTURE: Final = re.compile(
    r'<picture>\s*<source[^>]*\bsrcset="(?P<dark>[^"]+)"[^>]*>\s*(?P<img><img[^>]*>)\s*</picture>', re.DOTALL
)
_FENCE: Final = re.compile(r"^(?P<indent>\s*)(?P<marks>```+|~~~+)(?P<info>.*)$")
_TITLE: Final = re.compile(r'\btitle="([^"]*)"')
_ELSEWHERE: Final = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|#|//)", re.IGNORECASE)


def rewritten(text: str, path: str, place: Callable[[str], str | None]) -> str:
    """A page as the generator reads it.

    Args:
        text: the page as it stands in the repository.
        path: its file, from the root of the repository.
        place: where a file or folder of the repository is on the site, seen from this page; None: nowhere.
    """
    text = _PICTURE.sub(_two_pictures, text)
    return "\n".join(_lines(text.split("\n"), path, place))


def _lines(lines: list[str], path: str, place: Callable[[str], str | None]) -> Iterator[str]:
    """The lines of a page: code stays as it is, but for the title of a block, which becomes its caption."""
    ending = ""
    for line in lines:
        fence = _FENCE.match(line)
        if ending:
            if fence and fence["marks"].startswith(ending) and not fence["info"].strip():
                ending = ""
            yield line
        elif fence:
            ending = fence["marks"]
            yield from _opening(fence)
        else:
            yield _linked(line, path, place)


def _opening(fence: re.Match[str]) -> Iterator[str]:
    """The beginning of a block of code. A title that names a file, or says that something is printed, is shown."""
    info = fence["info"].strip()
    language = info.split(" ")[0]
    title = _TITLE.search(info)
    shown = (
        "It prints" if title and title[1] == "prints" else title[1] if title and re.search(r"[./]", title[1]) else ""
    )
    if shown and language:
        yield f"{fence['indent']}{fence['marks']}{{code-block}} {language}"
        yield f"{fence['indent']}:caption: {shown}"
        yield ""
    else:
        yield f"{fence['indent']}{fence['marks']}{info if info.startswith('{') else language}"


def _linked(line: str, path: str, place: Callable[[str], str | None]) -> str:
    """A line, the targets of whose links are those of the site."""

    def moved(match: re.Match[str]) -> str:
        groups = match.groupdict()
        if groups.get("code"):
            return match[0]
        target, mark, anchor = groups["inside"].partition("#")
        if _ELSEWHERE.match(groups["inside"]):
            return match[0]
        file = os.path.normpath((ROOT / path).parent / target)
        found = place(Path(file).relative_to(ROOT).as_posix()) if Path(file).is_relative_to(ROOT) else None
        # What leads nowhere is left, for the generator to complain of.
        return match[0] if found is None else f"{groups['before']}{found}{mark}{anchor}"

    return _DEFINED.sub(moved, _LINK.sub(moved, line))


def _two_pictures(match: re.Match[str]) -> str:
    """A picture for each theme, of which the style sheet shows one."""
    told = dict(re.findall(r'\b(alt|src)="([^"]*)"', match["img"]))
    alt = told.get("alt", "")
    return f"![{alt}]({told.get('src', '')}){{.only-light}}\n![{alt}]({match['dark']}){{.only-dark}}"
