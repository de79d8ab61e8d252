from datetime import UTC, datetime, timedelta

import bank
from chancy import Backoff, JobContext, job


@job(retry_on=[ConnectionError], max_attempts=4, backoff=Backoff.fixed(1))
async def charge(order: int, euros: int, *, context: JobContext) -> str:
    booking = bank.charge(order, euros)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    await context.push(send_receipt.job.with_kwargs(order=order, booking=booking).with_scheduled_at(soon))
    return booking


@job(queue="mail")
async def send_receipt(order: int, booking: str) -> None:
    bank.mail(order, booking)
