from datetime import timedelta

import bank
from chancy_django import task
from django.utils import timezone


@task(max_attempts=4, retry_on=[ConnectionError])
def charge(order: int, euros: int) -> str:
    booking = bank.charge(order, euros)
    soon = timezone.now() + timedelta(seconds=1)
    send_receipt.using(run_after=soon).enqueue(order, booking)
    return booking


@task(queue_name="mail")
def send_receipt(order: int, booking: str) -> None:
    bank.mail(order, booking)
