"""The tests of the site: `python manage.py test`."""

from django.db import transaction
from django.test import TestCase
from django.urls import reverse

from orders.models import Order
from orders.tasks import bake, close_the_day


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

    def test_the_day_is_closed(self):
        self.assertEqual(close_the_day.call(), 0)
