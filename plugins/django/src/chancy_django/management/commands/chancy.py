"""`manage.py chancy`: the command `chancy`, for the database and the settings of this site."""

from __future__ import annotations

import os
import sys
from argparse import REMAINDER
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.utils.module_loading import autodiscover_modules

from chancy.plugin import Program, run_program
from chancy_django.applications import backend_of, settings_of
from chancy_django.compat import DEFAULT_TASK_BACKEND_ALIAS
from chancy_django.pooling import share_connections

# What Django itself reads, wherever it stands; each with a value of its own, or without.
_OF_DJANGO: Final = {
    "--settings": True,
    "--pythonpath": True,
    "--verbosity": True,
    "-v": True,
    "--traceback": False,
    "--no-color": False,
    "--force-color": False,
    "--skip-checks": False,
}
BACKEND: Final = "--backend"
NO_RELOAD: Final = "--noreload"
# The commands that import the functions of jobs.
RUNS_TASKS: Final = frozenset({"worker", "push"})


class Command(BaseCommand):
    """All commands of `chancy`, of plugins as well."""

    help = (
        "The command chancy, for this site: `manage.py chancy worker`, `manage.py chancy status`, and all others; "
        "`manage.py chancy --help` lists them. --backend NAME says which one of TASKS is meant."
    )
    # The backend's own are looked at when it begins.
    requires_system_checks: Sequence[str] = []

    def run_from_argv(self, argv: list[str]) -> None:
        """Hand over what stands after `manage.py chancy` as it is."""
        try:
            self._run(os.path.basename(argv[0]), argv[2:])  # noqa: PTH119 -- a name for the usage
        except CommandError as error:
            self.stderr.write(f"{error.__class__.__name__}: {error}")
            sys.exit(error.returncode)
        finally:
            close()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whatever comes, for `call_command`."""
        parser.add_argument("words", nargs=REMAINDER)

    def handle(self, *_: Any, **options: Any) -> None:
        """Run a command from code: `call_command("chancy", "jobs", "state:failed")`."""
        try:
            self._run("manage.py", options["words"], goes_on=True)
        except SystemExit as end:
            if end.code:
                raise CommandError(f"chancy ended with exit code {end.code}.", returncode=int(end.code)) from None

    def _run(self, manage: str, given: Sequence[str], *, goes_on: bool = False) -> None:
        words, alias = taken(given)
        try:
            backend = backend_of(alias)
        except ImproperlyConfigured as error:
            raise CommandError(f"--backend={alias}: {error}") from error
        for message in backend.check():
            if message.is_serious():
                raise CommandError(str(message))

        def begins(command: str) -> None:
            if command in RUNS_TASKS:
                autodiscover_modules("tasks")
            # A program that goes on keeps its connections as they are.
            if command == "worker" and not goes_on:
                share_connections(backend.settings.worker_connections)

        named = [] if alias == DEFAULT_TASK_BACKEND_ALIAS else [f"{BACKEND}={alias}"]
        program = Program(
            name=f"{manage} chancy",
            start=[sys.executable, sys.argv[0], "chancy", *named, NO_RELOAD],
            settings=settings_of(backend.settings),
            begins=begins,
            goes_on=goes_on,
        )
        run_program(program, reloading(words))


def taken(given: Sequence[str]) -> tuple[list[str], str]:
    """The arguments that are for `chancy`, and the alias of the backend that is meant."""
    words: list[str] = []
    alias = DEFAULT_TASK_BACKEND_ALIAS
    left = iter(given)
    for word in left:
        name, has_value, value = word.partition("=")
        if name == BACKEND:
            alias = value if has_value else next(left, "")
        elif name[:2] == "-v" and name[2:].isdigit():
            continue
        elif name not in _OF_DJANGO:
            words.append(word)
        elif _OF_DJANGO[name] and not has_value:
            next(left, None)
    return words, alias


def reloading(words: Sequence[str]) -> list[str]:
    """The same, with `--watch` for a worker of a site with DEBUG, unless `--noreload` says that it is not wanted."""
    found = [word for word in words if word != NO_RELOAD]
    wanted = settings.DEBUG and len(found) == len(words) and found[:1] == ["worker"]
    if wanted and find_spec("watchfiles") and not {"--watch", "--until-idle", "--help", "-h"} & set(found):
        found.append("--watch")
    return found


def close() -> None:
    """Disconnect Django; the process is about to end."""
    connections.close_all()
    for connection in connections.all(initialized_only=True):
        if hasattr(connection, "close_pool"):
            connection.close_pool()
