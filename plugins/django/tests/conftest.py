"""What these tests share, beyond `chancy.testing`: a site of Django in the tests' database."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from chancy import Worker


@pytest.fixture(scope="session")
def site(dsn: str) -> Iterator[str]:
    """Django, set up for this process, with tables in a schema of their own; the name of that."""
    name = f"shop_{uuid.uuid4().hex[:8]}"
    os.environ.update(SHOP_DSN=dsn, SHOP_SCHEMA=name, DJANGO_SETTINGS_MODULE="shop.settings")
    import django
    from django.core.management import call_command
    from django.db import connections

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
        django.setup()
        os.environ["SHOP_CHANCY"] = name
        from django.test import override_settings

        with override_settings(TASKS={}):
            call_command("migrate", run_syncdb=True, verbosity=0)
        yield name
        connections.close_all()
        connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


@pytest.fixture
def tasks(site: str, schema: str) -> Iterator[Callable[..., Any]]:
    """Sets `TASKS` for this test: a backend of Chancy in the test's schema, with these options."""
    from django.test import override_settings

    from chancy_django import applications, get_chancy

    with override_settings():
        from django.conf import settings
        from django.test.signals import setting_changed

        def use(**options: Any) -> Any:
            queues = options.pop("QUEUES", ["default", "mail"])
            given = {"schema": schema, "discover": False, **options}
            settings.TASKS = {"default": {"BACKEND": "chancy_django.ChancyBackend", "QUEUES": queues, "OPTIONS": given}}
            setting_changed.send(sender=None, setting="TASKS", value=settings.TASKS, enter=True)
            return get_chancy()

        use()
        yield use
    setting_changed.send(sender=None, setting="TASKS", value=settings.TASKS, enter=False)
    for chancy in [*applications._made.values()]:
        chancy.sync_close()
    applications._made.clear()


@pytest.fixture
def orders(site: str) -> Iterator[Any]:
    """The shop's orders, and none of them afterwards."""
    from django.db import connections

    from shop.models import Order

    yield Order.objects
    Order.objects.all().delete()
    connections.close_all()


@pytest.fixture
def drain(tasks: Callable[..., Any]) -> Callable[..., Any]:
    """Runs a worker until nothing waits."""
    from asgiref.sync import async_to_sync

    from chancy_django.applications import backend_of, passing
    from chancy_django.plugin import DjangoPlugin

    async def run(wait_for: list[str], **options: Any) -> list[Any]:
        chancy = passing(backend_of().settings, plugins=[DjangoPlugin()])
        async with chancy, Worker(chancy, **options):
            return [await chancy.wait_for_job(one, timeout=60) for one in wait_for]

    return async_to_sync(run)
