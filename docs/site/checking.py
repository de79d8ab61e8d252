"""Looks at the finished site: every link leads somewhere, and nothing is fetched from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

# Signs in text are escaped, so that whatever looks like an attribute is one.
_NAMES: Final = re.compile(r'\b(?:id|name)="([^"]*)"')
_LINKS: Final = re.compile(r'<(\w+)\b[^>]*?\s(href|src|srcset)="([^"]*)"')
_IMPORTED: Final = re.compile(r"url\(\s*[\"']?(https?:)?//[^)]*\)|@import\s+[\"'](https?:)?//")


def faults(folder: Path) -> Iterator[str]:
    """What is wrong with the links of a site: a sentence for each.

    Args:
        folder: the finished pages.
    """
    for page in sorted(folder.rglob("*.html")):
        for element, attribute, link in set(_LINKS.findall(page.read_text())):
            if fault := _fault(page, element, attribute, unescape(link)):
                yield f"{page.relative_to(folder)}: {fault}"
    for sheet in sorted(folder.rglob("*.css")):
        if found := _IMPORTED.search(sheet.read_text()):
            yield f"{sheet.relative_to(folder)}: it fetches {found[0]} from elsewhere."


def _fault(page: Path, element: str, attribute: str, link: str) -> str | None:
    """What is wrong with one link; None: nothing."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        # To go elsewhere is what links are for; to need something from there is not.
        fetched = attribute != "href" or element == "link"
        return f"it needs {link}, which is not there without a network." if fetched and parts.scheme != "data" else None
    file = page.parent / unquote(parts.path) if parts.path else page
    if not file.is_file():
        return f"{link} leads to a page that is not there."
    if parts.fragment and file.suffix == ".html" and unquote(parts.fragment) not in _anchors(file.resolve()):
        return f"{link} leads to a heading that is not there."
    return None


@cache
def _anchors(page: Path) -> frozenset[str]:
    """The places within a page that a link can name."""
    return frozenset(unescape(name) for name in _NAMES.findall(page.read_text()))
