"""The pages, panels and columns that there are, and where each is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from chancy import Chancy
from chancy.plugin import WebColumn, WebPage, WebPanel

# The headings of the navigation, in their order; others come after them.
GROUPS: Final = ("Now", "Plans", "System")


class Entry(NamedTuple):
    """A page in the navigation."""

    path: str
    title: str
    icon: str


class Site:
    """What the dashboard has.

    Args:
        chancy: whose plugins bring it.

    Attributes:
        pages: the pages, by path.
        columns: what plugins bring for tables of jobs, by what stands in the address, `PLUGIN:NAME`.
        problems: whose pages, panels or columns could not be used, and why.
        nav: the headings of the navigation, and what stands under each.
    """

    def __init__(self, chancy: Chancy) -> None:
        brought = chancy.plugins.web()
        self.pages: Final[dict[str, WebPage]] = {page.path: page for _, page in brought.pages}
        self.whose: Final[dict[str, str]] = {page.path: plugin for plugin, page in brought.pages}
        self._panels: Final = brought.panels
        self.columns: Final[dict[str, WebColumn]] = {
            f"{whose}:{column.name}": column for whose, column in brought.columns
        }
        self.problems: Final = brought.problems
        self.nav: Final = _navigation([page for _, page in brought.pages])

    def panels(self, page: WebPage) -> list[tuple[str, WebPanel]]:
        """The panels on a page: whose, and which."""
        return [(plugin, panel) for plugin, panel in self._panels if panel.page == page.path]


def _navigation(pages: list[WebPage]) -> list[tuple[str, list[Entry]]]:
    named: dict[str, list[Entry]] = {group: [] for group in GROUPS}
    for page in pages:
        if page.group is not None and page.template is not None and "{" not in page.path:
            named.setdefault(page.group, []).append(Entry(page.path, page.title, page.icon))
    return [(group, entries) for group, entries in named.items() if entries]


Url = Callable[..., str]
