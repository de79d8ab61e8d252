from datetime import timedelta

import bank
from django.utils import timezone
from django_tasks import task


@task()
def charge(order: int, euros: int) -> str | None:
    soon = timezone.now() + timedelta(seconds=1)
    try:
        booking = bank.charge(order, euros)
    except ConnectionError:
        charge.using(run_after=soon).enqueue(order, euros)
        return None
    send_receipt.using(run_after=soon).enqueue(order, booking)
    return booking


@task(queue_name="mail")
def send_receipt(order: int, booking: str) -> None:
    bank.mail(order, booking)
