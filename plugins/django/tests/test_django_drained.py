"""A test of a site runs its tasks on Django's own connection, and nothing round them takes that from it."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta

import pytest


@pytest.mark.parametrize("in_transaction", [True, False])
def test_jobs_that_are_drained_leave_the_connection_of_the_test_as_it_is(tasks, orders, in_transaction):
    """Django's connection was closed round the first job, and with it the transaction of the test."""
    from django.db import connection, transaction

    from chancy.testing import Jobs
    from shop.tasks import apay, pay, third_time

    chancy = tasks(discover=True)
    chancy.sync_migrate()
    with transaction.atomic() if in_transaction else nullcontext():
        order, other = orders.create(customer="Ada"), orders.create(customer="Bob")
        session = connection.connection
        with Jobs(chancy, connection) as jobs:
            pay.enqueue(order.pk)
            third_time.enqueue(2)
            if in_transaction:
                apay.enqueue(other.pk)
            drained = jobs.drain(until=timedelta(minutes=1))
            assert drained.failed == 0
            assert connection.connection is session
        assert orders.filter(paid=True).count() == 1 + in_transaction
        if in_transaction:
            assert chancy.sync_count_jobs() == {}
            transaction.set_rollback(True)
    assert orders.count() == (0 if in_transaction else 2)


def test_the_queries_that_a_test_counts_are_not_forgotten_by_a_job(tasks, orders):
    """Within `assertNumQueries` a drain began to count anew."""
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    from chancy.testing import Jobs
    from shop.tasks import pay

    chancy = tasks(discover=True)
    chancy.sync_migrate()
    with transaction.atomic():
        order = orders.create(customer="Ada")
        with Jobs(chancy, connection) as jobs, CaptureQueriesContext(connection) as captured:
            orders.get(pk=order.pk)
            pay.enqueue(order.pk)
            jobs.drain()
        told = [query["sql"] for query in captured if "shop_order" in query["sql"]]
        assert [sql.split()[0] for sql in told] == ["SELECT", "UPDATE"]
        transaction.set_rollback(True)


def test_a_class_of_tests_that_closes_what_it_had_open_leaves_the_next_one_another(tasks):
    """Whoever called `get_chancy()` later in the process was told that it had been closed."""
    from chancy_django import get_chancy

    tasks().sync_migrate()
    with get_chancy() as chancy:
        assert chancy.sync_count_jobs() == {}
    assert get_chancy() is get_chancy() is not chancy
    assert get_chancy().sync_count_jobs() == {}


def test_a_unique_key_of_a_task_without_arguments_is_asked_for(tasks):
    """Its function was taken for one that is only declared, and each call was stored."""
    from shop.tasks import anything

    tasks()
    keyed = anything.using(unique_key=lambda *args, **kwargs: f"once {args} {kwargs}")
    assert keyed.enqueue().id == keyed.enqueue().id != keyed.enqueue(1).id


@pytest.mark.parametrize("name", ["dummy.DummyBackend", "immediate.ImmediateBackend"])
def test_tasks_can_be_declared_where_a_site_has_a_backend_of_django_in_its_tests(tasks, name):
    """`@task(max_attempts=…)` raised a TypeError when it was imported."""
    from django.conf import settings
    from django.test.signals import setting_changed

    from chancy_django import task
    from chancy_django.compat import BaseTaskBackend

    home = BaseTaskBackend.__module__.rpartition(".")[0]
    settings.TASKS = {"default": {"BACKEND": f"{home}.{name}", "QUEUES": ["default", "mail"]}}
    setting_changed.send(sender=None, setting="TASKS", value=settings.TASKS, enter=True)
    told = task(max_attempts=5, backoff=10, timeout_s=60, unique_key="one")(first_letters)
    result = told.using(queue_name="mail", max_attempts=2).enqueue("Ada")
    assert (result.args, told.max_attempts) == (["Ada"], 5)
    if "immediate" in name:
        assert result.return_value == "A"


def first_letters(name):
    return name[0]
