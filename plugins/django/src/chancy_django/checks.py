"""What `manage.py check` says, and with `--deploy` what is missing beside the site."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 -- as Django calls it
from django.core.exceptions import ImproperlyConfigured

from chancy import Chancy, ChancyError
from chancy_django.applications import ours, passing

MIGRATE = "Run `manage.py migrate`, or `manage.py chancy migrate`."


def check_backend(backend: Any) -> list[CheckMessage]:
    """What keeps a backend from storing tasks, without asking the database."""
    where = f"TASKS[{backend.alias!r}]"
    if backend.driver_problem is not None:
        return [Error(f"{where}: {backend.driver_problem}", id="chancy_django.E001")]
    try:
        _ = backend.chancy
    except (ChancyError, ImproperlyConfigured) as error:
        return [Error(f"{where}['OPTIONS']: {error}", id="chancy_django.E002")]
    if not apps.is_installed("chancy_django"):
        hint = "Add 'chancy_django' to INSTALLED_APPS: `migrate`, `manage.py chancy` and the admin come with it."
        return [Warning(f"{where} is Chancy's, and its application is not installed.", hint, id="chancy_django.W001")]
    return []


def check_deployment(**_: Any) -> list[CheckMessage]:
    """What is missing for tasks to be run, asked of the database: with `check --deploy` only."""
    found: list[CheckMessage] = []
    for backend in ours():
        if not any(message.is_serious() for message in check_backend(backend)):
            found += _looked_at(backend)
    return found


def _looked_at(backend: Any) -> list[CheckMessage]:
    where = f"TASKS[{backend.alias!r}]"
    try:
        with passing(backend.settings, auto_migrate=False) as chancy:
            chancy.check_schema()
            return _missing(where, chancy)
    except ChancyError as error:
        if type(error).__name__ == "SchemaError":
            return [Error(f"{where}: {error}", MIGRATE, id="chancy_django.E003")]
        return [Warning(f"{where} could not be looked at: {error}", id="chancy_django.W002")]


def _missing(where: str, chancy: Chancy) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if not any(worker.alive for worker in chancy.sync_get_workers()):
        hint = "Start one: `manage.py chancy worker`."
        found.append(Warning(f"{where}: no worker runs, so that tasks only wait.", hint, id="chancy_django.W003"))
    if all(one.plugin.name != "pruner" for one in chancy.plugins.loaded):
        hint = "pip install chancy-pruner: it removes them after a while."
        found.append(Warning(f"{where}: finished tasks are kept for ever.", hint, id="chancy_django.W004"))
    return found
