"""`manage.py` has all that a site needs of Chancy: its schema, its checks, and its commands."""

from __future__ import annotations

import copy
import io
import json
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest


def test_migrate_makes_the_schema_with_the_tables_of_all_plugins_and_makemigrations_has_nothing_to_say(tasks, query):
    from django.core.management import call_command

    tasks(discover=True)
    told = [io.StringIO(), io.StringIO()]
    for stream in told:
        call_command("migrate", verbosity=1, stdout=stream)
    assert "Applied chancy" in told[0].getvalue() or "Applied cron" in told[0].getvalue()
    assert "Applied" not in told[1].getvalue()
    assert query("SELECT count(*) FROM {s}.migrations WHERE owner = 'cron'")[0][0] > 0
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize(
    ("engine", "options", "id_", "said"),
    [
        ("sqlite3", {}, "E001", "a database of sqlite: Chancy keeps jobs in PostgreSQL"),
        ("postgresql", {"database": "nowhere"}, "E001", "DATABASES has no 'nowhere'"),
        ("postgresql", {"shcema": "x"}, "E002", "Did you mean 'schema'?"),
        ("postgresql", {"discover": True, "plugins": {"corn": {}}}, "E002", "corn"),
    ],
)
def test_check_says_what_keeps_tasks_from_being_stored(tasks, monkeypatch, engine, options, id_, said):
    from django.db import connections

    from chancy_django.applications import backend_of
    from chancy_django.checks import check_backend

    if engine != "postgresql":
        monkeypatch.setattr(type(connections["default"]), "vendor", "sqlite")
    with suppress(Exception):  # what it raises is told by whoever enqueues first
        tasks(**options)
    (message,) = check_backend(backend_of())
    assert message.id == f"chancy_django.{id_}"
    assert said in message.msg


@pytest.mark.parametrize(
    "options",
    [
        {"dsn": "postgresql://x"},
        {"schedules": {"a": {"cron": "* * * * *"}}},
        {"schedules": {"a": {"cron": "* * * * *", "task": "a.b", "func": 1}}},
        {"worker_connections": "many"},
        {"queues": ["a"]},
    ],
)
def test_options_that_cannot_be_meant_are_refused_with_where_they_stand(tasks, options):
    from django.core.exceptions import ImproperlyConfigured

    with pytest.raises(ImproperlyConfigured, match=r"TASKS\['default'\]\['OPTIONS'\]\['" + next(iter(options))):
        tasks(**options)


def test_another_driver_is_told_with_what_to_install(tasks, monkeypatch):
    from django.db.backends.postgresql import psycopg_any

    from chancy_django.applications import backend_of
    from chancy_django.checks import check_backend

    monkeypatch.setattr(psycopg_any, "is_psycopg3", False)
    (message,) = check_backend(backend_of())
    assert "psycopg2, and Chancy writes with psycopg 3: pip install psycopg" in message.msg


def test_check_deploy_finds_a_missing_schema_worker_and_pruner(tasks):
    from chancy_django.applications import backend_of, passing
    from chancy_django.checks import check_deployment

    assert [message.id for message in check_deployment()] == ["chancy_django.E003"]
    with passing(backend_of().settings) as chancy:
        chancy.sync_migrate()
    assert [message.id for message in check_deployment()] == ["chancy_django.W003", "chancy_django.W004"]


def test_a_command_of_chancy_is_one_of_manage_py_with_the_database_of_the_site(tasks, capsys):
    from django.core.management import CommandError, call_command

    from chancy_django.management.commands.chancy import Command
    from shop.tasks import pay

    result = pay.enqueue(1)
    call_command("chancy", "jobs", "--json", "state:pending")
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == [result.id]
    with pytest.raises(CommandError, match="exit code 2"):
        call_command("chancy", "nonsense")
    assert "manage.py chancy" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        Command().run_from_argv(["manage.py", "chancy", "--backend=other", "jobs"])


@pytest.mark.parametrize(
    "run", [lambda call: call(), lambda call: ThreadPoolExecutor(1).submit(call).result()], ids=["here", "thread"]
)
def test_a_worker_that_was_called_from_code_changed_the_program_for_good(tasks, run):
    """It goes on, with its connections as they were, and ends by Ctrl-C; in a thread nobody may say what signals do."""
    from django.core.management import call_command
    from django.db import connections

    def state() -> Any:
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        return [signal.getsignal(number) for number in numbers], copy.deepcopy(connections.settings)

    before = state()
    run(lambda: call_command("chancy", "worker", "--until-idle"))
    assert state() == before


def test_a_worker_begins_anew_when_code_changes_only_where_debug_says_so(site, settings_debug):
    from chancy_django.management.commands.chancy import reloading, taken

    assert reloading(["worker", "--queue", "a"]) == ["worker", "--queue", "a", "--watch"]
    assert reloading(["worker", "--noreload"]) == ["worker"]
    assert reloading(["worker", "--until-idle"]) == ["worker", "--until-idle"]
    assert reloading(["jobs"]) == ["jobs"]
    settings_debug(False)
    assert reloading(["worker"]) == ["worker"]
    given = ["--settings", "a.b", "worker", "--pythonpath=x", "--backend", "other", "--traceback", "--tag=a"]
    given += ["-v", "2", "-v3", "--verbosity=1", "--force-color", "--skip-checks"]
    assert taken(given) == (["worker", "--tag=a"], "other")


@pytest.fixture
def settings_debug(site):
    """Sets DEBUG, which it is at first."""
    from django.test import override_settings

    with override_settings():
        from django.conf import settings

        def debug(on):
            settings.DEBUG = on

        debug(True)
        yield debug
