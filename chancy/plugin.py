"""What a plugin is made of, and the tools that every plugin needs. Imported when first used, as in `chancy`."""

from typing import TYPE_CHECKING, Final

from chancy._lazy import lazily

if TYPE_CHECKING:
    from chancy_core.app.apart import apart
    from chancy_core.app.callers import savepoint, savepoint_sync
    from chancy_core.app.commandline import command_line
    from chancy_core.app.problems import find_problems
    from chancy_core.cli.program import Program
    from chancy_core.cli.ranged import Ranged
    from chancy_core.cli.showing import looked_at, show_table
    from chancy_core.cli.within import run_program
    from chancy_core.errors import nearest
    from chancy_core.hookspecs import hookimpl
    from chancy_core.log import log
    from chancy_core.plugins.again import opened, opened_sync, with_connection
    from chancy_core.plugins.base import Plugin
    from chancy_core.plugins.budget import Budget
    from chancy_core.plugins.tick import Tick
    from chancy_core.plugins.toolkit import (
        answering_within,
        check_json,
        check_number,
        check_seconds,
        check_text,
        check_whole,
    )
    from chancy_core.plugins.weather import is_outage
    from chancy_core.plugins.web import Cell, Done, Visit, WebAction, WebColumn, WebPage, WebPanel
    from chancy_core.store.migrate import Migration, read_migrations
    from chancy_core.store.named import Statements
    from chancy_core.store.statements import statement
    from chancy_core.store.weather import text_of
    from chancy_core.values.durations import duration_s, duration_text
    from chancy_core.values.finding import Finding, Severity, Subject
    from chancy_core.values.gauge import Gauge
    from chancy_core.values.raised import Raised
    from chancy_core.values.ranges import MAX_ATTEMPTS, PRIORITY, Range

__all__ = [
    "MAX_ATTEMPTS",
    "PRIORITY",
    "Budget",
    "Cell",
    "Done",
    "Finding",
    "Gauge",
    "Migration",
    "Plugin",
    "Program",
    "Raised",
    "Range",
    "Ranged",
    "Severity",
    "Statements",
    "Subject",
    "Tick",
    "Visit",
    "WebAction",
    "WebColumn",
    "WebPage",
    "WebPanel",
    "answering_within",
    "apart",
    "check_json",
    "check_number",
    "check_seconds",
    "check_text",
    "check_whole",
    "command_line",
    "duration_s",
    "duration_text",
    "find_problems",
    "hookimpl",
    "is_outage",
    "log",
    "looked_at",
    "nearest",
    "opened",
    "opened_sync",
    "read_migrations",
    "run_program",
    "savepoint",
    "savepoint_sync",
    "show_table",
    "statement",
    "text_of",
    "with_connection",
]

# The same as above, for Python; a test holds them together.
_HOMES: Final = {
    "chancy_core.app.apart": ("apart",),
    "chancy_core.app.callers": ("savepoint", "savepoint_sync"),
    "chancy_core.app.commandline": ("command_line",),
    "chancy_core.app.problems": ("find_problems",),
    "chancy_core.cli.program": ("Program",),
    "chancy_core.cli.within": ("run_program",),
    "chancy_core.cli.ranged": ("Ranged",),
    "chancy_core.cli.showing": ("looked_at", "show_table"),
    "chancy_core.errors": ("nearest",),
    "chancy_core.hookspecs": ("hookimpl",),
    "chancy_core.log": ("log",),
    "chancy_core.plugins.again": ("opened", "opened_sync", "with_connection"),
    "chancy_core.plugins.base": ("Plugin",),
    "chancy_core.plugins.budget": ("Budget",),
    "chancy_core.plugins.tick": ("Tick",),
    "chancy_core.plugins.toolkit": (
        "answering_within",
        "check_json",
        "check_number",
        "check_seconds",
        "check_text",
        "check_whole",
    ),
    "chancy_core.plugins.weather": ("is_outage",),
    "chancy_core.plugins.web": ("Cell", "Done", "Visit", "WebAction", "WebColumn", "WebPage", "WebPanel"),
    "chancy_core.store.migrate": ("Migration", "read_migrations"),
    "chancy_core.store.named": ("Statements",),
    "chancy_core.store.statements": ("statement",),
    "chancy_core.store.weather": ("text_of",),
    "chancy_core.values.durations": ("duration_s", "duration_text"),
    "chancy_core.values.finding": ("Finding", "Severity", "Subject"),
    "chancy_core.values.gauge": ("Gauge",),
    "chancy_core.values.raised": ("Raised",),
    "chancy_core.values.ranges": ("MAX_ATTEMPTS", "PRIORITY", "Range"),
}

if not TYPE_CHECKING:  # where it would make any name a good one
    __getattr__, __dir__ = lazily(__name__, _HOMES)
