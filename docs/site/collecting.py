"""Lays the pages of the repository out as the generator wants them. Nothing stands twice in the repository for that."""

from __future__ import annotations

import os.path
import re
import shutil
from pathlib import Path
from typing import Final

import api
from linking import rewritten
from pages import NAVIGATION, ROOT, SECTIONS, children, repository_pages

# Files that are shown as they are; all others that a page links to are shown as pages with their text.
_PICTURES: Final = {".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp"}
_LANGUAGES: Final = {
    ".py": "python", ".sql": "sql", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json",
    ".sh": "bash", ".html": "html", ".css": "css", ".js": "javascript", ".ini": "ini", ".cfg": "ini",
}  # fmt: skip
# What is in folders of examples and says nothing.
_SKIPPED: Final = {"__pycache__", ".venv", "build", "dist"}
# Its first page lists them by theme; at the left of every page they would be more than all others together.
_UNLISTED: Final = {"adr/index"}
_UNLISTED_PAGE: Final = "---\norphan: true\n---\n"
# A page that no list has, and that a search for words of the documentation does not find.
_APART: Final = "---\norphan: true\nnosearch: true\n---\n"


class Site:
    """The pages on their way from the repository to the generator.

    Args:
        into: the folder in which the generator looks for its pages.

    Attributes:
        pages: the files of pages, and what they are called on the site.
        texts: what stands in each page, by the name of the page.
    """

    def __init__(self, into: Path) -> None:
        self.into: Final = into
        self.pages: Final = repository_pages()
        self.texts: Final = {}
        self._written: Final[set[Path]] = set()

    def collect(self) -> None:
        """Write every page, and what they link to; remove what an earlier build wrote and this one does not."""
        for path, name in self.pages.items():
            self.texts[name] = rewritten(
                (ROOT / path).read_text(), path, lambda target, of=name: self._place(target, of)
            )
        if "reference/public" in self.texts:
            self.texts["reference/public"] = api.linked(self.texts["reference/public"])
        self.texts.update(api.pages())
        self._add_lists()
        for name, text in self.texts.items():
            self._write(f"{name}.md", text)
        for file in self.into.rglob("*"):
            if file.is_file() and file not in self._written:
                file.unlink()

    def _add_lists(self) -> None:
        """Put every page into a list: of its section, or of the first page."""
        files = {name: path for path, name in self.pages.items()}
        names = sorted(self.texts)
        for section, title in SECTIONS.items():
            own = files.get(section, "")
            inside = (
                []
                if section in _UNLISTED
                else list(children(section, names, (ROOT / own).read_text() if own else "", own))
            )
            if not own and inside:
                self.texts[section] = f"# {title}\n\n" + "".join(f"* [](/{name}.md)\n" for name in inside)
            if inside:
                self.texts[section] += _list_of(inside)
        first = [name for name in self.texts if "/" not in name and name not in NAVIGATION and name != "index"]
        shown = [name for name in NAVIGATION if name in self.texts]
        titles = [f"{NAVIGATION[name]} <{name}>" for name in shown]
        self.texts["index"] += _list_of([*titles, *sorted(first)])
        for name in self.texts:
            if name.startswith(("examples/", "source/")):
                self.texts[name] = _APART + self.texts[name]
            elif name.startswith("adr/") and name != "adr/index":
                self.texts[name] = _UNLISTED_PAGE + self.texts[name]

    def _place(self, target: str, of: str) -> str | None:
        """Where a file or a folder of the repository is on the site, seen from a page."""
        file = ROOT / target
        page = self.pages.get(target) or self.pages.get(f"{target}/README.md")
        if page is None and file.is_dir() and f"{target.removeprefix('docs/')}/index" in SECTIONS:
            page = f"{target.removeprefix('docs/')}/index"
        if page is None and not file.exists():
            return None
        if page is None and file.suffix in _PICTURES:
            self._write(f"files/{target}", file)
            return _from(of, f"files/{target}")
        if page is None:
            page = self._add_source(file, target)
        return _from(of, f"{page}.md")

    def _add_source(self, file: Path, target: str) -> str:
        """A page with the text of a file, or of the files in a folder."""
        name = f"source/{target}"
        if name not in self.texts:
            files = [file] if file.is_file() else [one for one in sorted(file.rglob("*")) if _shown(one)]
            parts = [f"# {target}\n"]
            for one in files:
                title = "" if one == file else f"\n## {one.relative_to(file).as_posix()}\n"
                # Longer than any fence in it.
                text = one.read_text().rstrip("\n")
                parts.append(f"{title}\n``````{_LANGUAGES.get(one.suffix, 'text')}\n{text}\n``````\n")
            self.texts[name] = "".join(parts)
        return name

    def _write(self, place: str, what: str | Path) -> None:
        """Write a file, if it is not there as it is to be: what did not change is not read again."""
        file = self.into / place
        self._written.add(file)
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, Path):
            if not file.exists() or file.read_bytes() != what.read_bytes():
                shutil.copyfile(what, file)
        elif not file.exists() or file.read_text() != what:
            file.write_text(what)


def _shown(file: Path) -> bool:
    """Whether a file of a folder is text that somebody may want to read."""
    if not file.is_file() or _SKIPPED & set(file.parts) or file.suffix in _PICTURES:
        return False
    try:
        return bool(file.read_text().strip())
    except UnicodeDecodeError:
        return False


def _from(page: str, target: str) -> str:
    """The way from a page to a file."""
    return Path(os.path.relpath(target, os.path.dirname(page) or ".")).as_posix()  # noqa: PTH120 -- no such files


def _list_of(names: list[str]) -> str:
    """The list of a section's pages, at the left and for the buttons at the end of a page."""
    entries = (re.sub(r"^([^<]*)$", r"/\1", name).replace("<", "</") for name in names)
    return "\n\n```{toctree}\n:hidden:\n\n" + "\n".join(entries) + "\n```\n"
