from datetime import UTC, datetime, timedelta

import bank
from chancy import JobContext, job


@job(retry_on=[ConnectionError], max_attempts=4)
def charge(order: int, euros: int, *, context: JobContext) -> str:
    booking = bank.charge(order, euros)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    context.sync_push(send_receipt.job.with_kwargs(order=order, booking=booking).with_scheduled_at(soon))
    return booking


@job(queue="mail")
def send_receipt(order: int, booking: str) -> None:
    bank.mail(order, booking)
