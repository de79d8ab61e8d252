"""The tests of the site: `python manage.py test`."""

from datetime import timedelta

from chancy_django import get_chancy
from django.db import connection, transaction
from django.test import TestCase
from django.urls import reverse

from chancy.testing import Jobs
from orders.models import Order
from orders.tasks import bake, close_the_day, tell


class OrderTest(TestCase):
    def test_an_order_and_its_task_are_stored_together(self):
        self.client.post(reverse("order"), {"customer": "Ada", "loaves": "2"})
        order = Order.objects.get()
        result = bake.get_result(order.task)
        self.assertEqual((result.status, result.args), ("READY", [order.pk]))
        self.assertEqual(self.client.get(reverse("progress", args=[order.task])).json()["status"], "READY")

    def test_without_the_order_there_is_no_task(self):
        with self.assertRaises(ValueError), transaction.atomic():
            self.client.post(reverse("order"), {"customer": "Ada", "loaves": "none"})
        self.assertFalse(Order.objects.exists())

    def test_an_order_is_baked_although_the_oven_burns_it_first(self):
        with Jobs(get_chancy(), connection) as jobs:
            self.client.post(reverse("order"), {"customer": "Ada", "loaves": "12"})
            drained = jobs.drain(until=timedelta(minutes=1))
            jobs.assert_pushed(tell, state="succeeded", kwargs={"customer": "Ada"})
        self.assertEqual((drained.retried, drained.succeeded), (1, 2))
        order = Order.objects.get()
        self.assertIsNotNone(order.baked_at)
        self.assertEqual(bake.get_result(order.task).return_value, 12)
        # Nothing of it is there for anybody else, and nothing is left of it after the test.
        with get_chancy() as chancy:
            self.assertEqual(chancy.sync_count_jobs(), {})

    def test_the_day_is_closed(self):
        self.assertEqual(close_the_day.call(), 0)
