"""`Jobs` in the tests of others: unittest, its asyncio, and Django's `TestCase`."""

from __future__ import annotations

import unittest
from datetime import timedelta

import django_items
import drained_jobs
import pytest
from asgiref.sync import sync_to_async
from django.db import IntegrityError
from django.test import TestCase
from handed_over import django_connections

from chancy import Queue
from chancy.testing import AsyncJobs, Jobs


def run_case(case):
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert [text for _, text in (*result.errors, *result.failures)] == []
    return result.testsRun


def test_unittest_had_nothing(application):
    """A plain block in a test case, and one that is entered for each test."""

    class Case(unittest.TestCase):
        def setUp(self):
            self.jobs = self.enterContext(Jobs(application))

        def test_one(self):
            application.sync_push(drained_jobs.third_time_lucky)
            self.jobs.drain(until=timedelta(hours=1))
            self.jobs.assert_pushed(drained_jobs.third_time_lucky, state="succeeded")

        def test_two(self):
            self.jobs.refute_pushed()

    assert run_case(Case) == 2


def test_unittest_with_asyncio_had_nothing(new_chancy):
    """Each of these tests has an event loop of its own."""
    chancy = new_chancy()

    class Case(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self):
            self.jobs = await self.enterAsyncContext(AsyncJobs(chancy))

        async def test_one(self):
            await chancy.push(drained_jobs.count_down_later.job.with_kwargs(n=2))
            assert (await self.jobs.drain()).succeeded == 3

        async def test_two(self):
            await self.jobs.refute_pushed()

    assert run_case(Case) == 2
    chancy.sync_close()


def test_django_needed_a_transaction_test_case(application, dsn):
    """What is pushed is drained in the transaction of the TestCase, and is rolled back with it; with asyncio, too."""
    connection = django_connections(dsn)["default"]
    connection.close()
    application.sync_declare(Queue("default"))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS item (n integer PRIMARY KEY)")

    class Case(TestCase):
        def test_jobs_see_what_the_test_wrote_and_the_other_way_round(self):
            with Jobs(application, connection) as jobs:
                for job in (django_items.insert, django_items.insert_later):
                    n = len(django_items.items())
                    application.sync_push(job.job.with_kwargs(n=n))
                    assert jobs.drain().succeeded == 1
                assert django_items.items() == [0, 1]
                for job in (django_items.insert, django_items.insert_spoiling):
                    application.sync_push(job.job.with_kwargs(n=0))
                    with pytest.raises(IntegrityError):
                        jobs.drain()
                assert django_items.items() == [0, 1]

        async def test_with_asyncio(self):
            jobs = await sync_to_async(lambda: Jobs(application, connection).__enter__())()
            assert await sync_to_async(django_items.items)() == []
            with jobs.inline():
                await application.push(django_items.insert_later.job.with_kwargs(n=7))
            assert await sync_to_async(django_items.items)() == [7]
            await sync_to_async(jobs.__exit__)()

    try:
        assert run_case(Case) == 2
        assert application.sync_count_jobs() == {}
        assert django_items.items() == []
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE item")
        connection.close()
