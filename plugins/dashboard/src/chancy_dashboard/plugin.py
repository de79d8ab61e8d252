"""`DashboardPlugin`: the settings, the tables and the pages that the dashboard brings itself, by the hooks of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from chancy.plugin import (
    Migration,
    Plugin,
    Statements,
    Tick,
    WebPage,
    check_text,
    check_whole,
    hookimpl,
    read_migrations,
)
from chancy_dashboard.door.redacting import PATTERNS

if TYPE_CHECKING:
    import click

NAME: Final = "dashboard"
SQL: Final = Statements("chancy_dashboard.sql")


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
        audit_days: for how many days the audit is kept.
    """

    name: ClassVar[str] = NAME
    leader_only: ClassVar[bool] = True

    interval: float | None = 3_600.0
    redact: list[str] = msgspec.field(default_factory=lambda: list(PATTERNS))
    links: dict[str, str] = msgspec.field(default_factory=dict)
    audit_days: int = 400

    def __post_init__(self) -> None:
        check_whole("audit_days", self.audit_days, 1, 36_500)
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
    async def on_tick(self, tick: Tick) -> None:
        """Forget what is too old."""
        async with tick.connection() as connection:
            await SQL.rows(connection, tick.schema, "forget_audit", days=self.audit_days)

    @hookimpl
    def commands(self) -> list[click.Command]:
        """`chancy dashboard`."""
        from chancy_dashboard.commands import dashboard  # noqa: PLC0415 -- workers do without the command line

        return [dashboard]
