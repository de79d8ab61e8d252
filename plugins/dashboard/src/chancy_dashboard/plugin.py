"""`DashboardPlugin`: the settings, the tables and the pages that the dashboard brings itself, by the hooks of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from chancy.plugin import Migration, Plugin, WebPage, check_text, hookimpl, read_migrations
from chancy_dashboard.redacting import PATTERNS

if TYPE_CHECKING:
    import click

NAME: Final = "dashboard"


class DashboardPlugin(Plugin):
    """What is set of the dashboard, and its own pages.

    ```toml
    [plugins.dashboard]
    redact = ["*password*", "*token*", "customer_email"]
    links = { Logs = "https://logs.example.org/?q={id}" }
    ```

    Attributes:
        redact: the keys of arguments, results and meta whose values are hidden, with `*` for any characters.
        links: what a job's page links to: a word, and an address in which `{id}`, `{func}`, `{queue}` and `{meta.KEY}`
            are filled in.
    """

    name: ClassVar[str] = NAME

    redact: list[str] = msgspec.field(default_factory=lambda: list(PATTERNS))
    links: dict[str, str] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for pattern in self.redact:
            check_text("redact", pattern)
        for word, address in self.links.items():
            check_text("links", word)
            if not address.startswith(("https://", "http://", "/")):
                raise ValueError(f"links.{word} is {address!r:.80}: give an address that begins with https://")

    @hookimpl
    def migrations(self) -> list[Migration]:
        """The audit."""
        return read_migrations(NAME, "chancy_dashboard.migrations")

    @hookimpl
    def pages(self) -> list[WebPage]:
        """The dashboard's own pages."""
        from chancy_dashboard.pages import PAGES  # noqa: PLC0415 -- workers do without them

        return list(PAGES)

    @hookimpl
    def commands(self) -> list[click.Command]:
        """`chancy dashboard`."""
        from chancy_dashboard.commands import dashboard  # noqa: PLC0415 -- workers do without the command line

        return [dashboard]
