"""What plugins bring: tables, commands, and what the dashboard shows."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from chancy_core.errors import PluginError
from chancy_core.plugins.containing import Implementation, call_hook, told
from chancy_core.plugins.ending import Endings
from chancy_core.plugins.settings import file_of
from chancy_core.plugins.web import WebColumn, WebPage, WebPanel
from chancy_core.store import Migration

if TYPE_CHECKING:
    import click

T = TypeVar("T")


class Brought(NamedTuple):
    """What plugins bring to the dashboard.

    Attributes:
        pages: whose page, and the page; in plugin order.
        panels: the same of panels.
        columns: the same of columns for tables of jobs.
        problems: whose hook failed, or brought what cannot be used, and why.
    """

    pages: list[tuple[str, WebPage]]
    panels: list[tuple[str, WebPanel]]
    columns: list[tuple[str, WebColumn]]
    problems: list[tuple[str, str]]


class Bringing(Endings):
    """The plugins that bring something."""

    def migrations(self) -> list[Migration]:
        """Every plugin's migrations, in plugin order. Raises PluginError."""
        found: list[Migration] = []
        for one in self._hooks["migrations"]:
            brought = self._brought(one, "migrations", Migration)
            versions = [migration.version for migration in brought]
            if any(migration.owner != one.plugin for migration in brought) or versions != [
                *range(1, len(versions) + 1)
            ]:
                raise PluginError(
                    f"The plugin {one.plugin!r} brings migrations {[(m.owner, m.version) for m in brought]}: each "
                    "owner must be its name, and the versions count from 1."
                )
            found.extend(brought)
        return found

    def commands(self, taken: Collection[str] = ()) -> list[Any]:
        """Every plugin's commands.

        Args:
            taken: the names that the kernel's own commands have.

        Raises:
            PluginError: a plugin brought what is no command, or one whose name somebody else's has.
        """
        if not self._hooks["commands"]:
            return []
        import click  # noqa: PLC0415 -- an extra, which only the command line needs

        whose = dict.fromkeys(taken, "Chancy")
        found: list[click.Command] = []
        for one in self._hooks["commands"]:
            for command in self._brought(one, "commands", click.Command):
                other = whose.setdefault(str(command.name), one.plugin)
                if other != one.plugin or any(command.name == before.name for before in found):
                    raise PluginError(
                        f"The plugin {one.plugin!r} ({self._place(one.plugin)}) brings the command {command.name!r}, "
                        f'which {other} has already: give it another name, @click.command("…").'
                    )
                found.append(command)
        return found

    def web(self) -> Brought:
        """Every plugin's pages, panels and columns. What cannot be used is left out, and told: the others are shown."""
        brought = Brought([], [], [], [])
        whose: dict[str, str] = {}
        for one, page in self._each("pages", WebPage, brought.problems):
            other = whose.setdefault(page.path, one.plugin)
            if other == one.plugin and all(page.path != before.path for _, before in brought.pages):
                brought.pages.append((one.plugin, page))
            else:
                brought.problems.append((one.plugin, f"pages: the path {page.path!r} is taken by {other}."))
        brought.panels.extend((one.plugin, panel) for one, panel in self._each("panels", WebPanel, brought.problems))
        named: set[tuple[str, str]] = set()
        for one, column in self._each("columns", WebColumn, brought.problems):
            if (one.plugin, column.name) in named:
                brought.problems.append((one.plugin, f"columns: it has two of the name {column.name!r}."))
            else:
                named.add((one.plugin, column.name))
                brought.columns.append((one.plugin, column))
        return brought

    def _each(self, hook: str, kind: type[T], problems: list[tuple[str, str]]) -> list[tuple[Implementation, T]]:
        found = []
        for one in self._hooks[hook]:
            try:
                found += [(one, item) for item in self._brought(one, hook, kind)]
            except PluginError as error:
                self._failed(one.plugin, hook, error)
                problems.append((one.plugin, str(error)))
        return found

    def _place(self, plugin: str) -> str:
        cls = next(type(one.plugin) for one in self.loaded if one.name == plugin)
        return f"{cls.__qualname__} in {file_of(cls.__module__)}"

    def _brought(self, one: Implementation, hook: str, kind: type[T]) -> list[T]:
        try:
            brought = list(call_hook(one))
        except BaseException as error:
            raise PluginError(f"The plugin {one.plugin!r} failed in {hook}: {told(error)}") from error
        if not all(isinstance(item, kind) for item in brought):
            raise PluginError(
                f"The plugin {one.plugin!r} ({self._place(one.plugin)}) returned {brought!r:.200} from {hook}: "
                f"return a list of objects of the type {kind.__name__}."
            )
        return brought
