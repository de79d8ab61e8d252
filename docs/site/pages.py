"""Which files of the repository are pages of the site, and in which order they stand at the left of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
# At the left of every page, in this order. A page of the first level that is not named here comes after these.
NAVIGATION: Final = {
    "tutorial": "Tutorial",
    "how-to/index": "How-to",
    "reference/index": "Reference",
    "explanation/index": "Explanation",
    "how-to/coming-from/index": "Coming from",
    "how-to/something-is-wrong": "Something is wrong",
    "plugins/index": "Plugins",
    "glossary": "Glossary",
    "changelog": "Changelog",
    "adr/index": "Decisions",
    "contributing": "Contributing",
    "security": "Security",
    "readme": "The README",
}
# Sections for which nobody has written a first page yet get one with a list.
SECTIONS: Final = {
    "tutorial": "Tutorial",
    "how-to/index": "How-to",
    "reference/index": "Reference",
    "explanation/index": "Explanation",
    "how-to/coming-from/index": "Coming from",
    "plugins/index": "Plugins",
    "adr/index": "Decisions",
}
_LINKED: Final = re.compile(r"\]\(([^)#\s]+\.md)")


def repository_pages() -> dict[str, str]:
    """The pages that stand in the repository: the file of each, and what it is called on the site."""
    files = [
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
        *(ROOT / "plugins").glob("*.md"),
        *(ROOT / "plugins").glob("*/*.md"),
        *(ROOT / "examples").glob("*/*.md"),
    ]
    found = (file.relative_to(ROOT).as_posix() for file in files)
    return {path: name_of(path) for path in sorted(found)}


def name_of(path: str) -> str:
    """What the page of a file is called on the site: `docs/how-to/README.md` is `how-to/index`.

    Args:
        path: the file, from the root of the repository.
    """
    place = path.removeprefix("docs/").removesuffix(".md")
    if path.startswith("docs/"):
        return re.sub(r"(^|/)README$", r"\1index", place)
    if path == "plugins/README.md":
        return "plugins/index"
    # `plugins/doctor/README.md` is `plugins/doctor`, and `CHANGELOG.md` is `changelog`.
    return place.removesuffix("/README").lower()


def children(section: str, names: list[str], text: str, own: str) -> Iterator[str]:
    """The pages of a section: those that its first page links to, in that order, and then all others.

    Args:
        section: what the section's first page is called.
        names: all pages of the site.
        text: the first page.
        own: the first page's file, for the links in it.
    """
    folder = section.removesuffix("index").rstrip("/")
    inside = {name for name in names if _belongs(name, folder) and name != section and name not in NAVIGATION}
    linked = [(ROOT / own).parent / target for target in _LINKED.findall(text)] if own else []
    for file in linked:
        path = file.resolve()
        name = name_of(path.relative_to(ROOT).as_posix()) if path.is_relative_to(ROOT) else ""
        if name in inside:
            inside.discard(name)
            yield name
    yield from sorted(inside)


def _belongs(name: str, folder: str) -> bool:
    """Whether a page stands in a folder itself, or is the first page of a folder within."""
    place = name.removesuffix("/index")
    return bool(folder) and place.rpartition("/")[0] == folder
