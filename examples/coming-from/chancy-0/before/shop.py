import os
from datetime import UTC, datetime, timedelta

import bank
from chancy import Chancy, Queue, job
from chancy.plugins.retry import RetryPlugin

chancy = Chancy(os.environ["DATABASE_URL"], plugins=[RetryPlugin()])
QUEUES = [Queue("default", executor=Chancy.Executor.Threaded), Queue("mail", executor=Chancy.Executor.Threaded)]


@job(max_attempts=4, meta={"retry_settings": {"backoff": 1, "backoff_jitter": [0, 0]}})
def charge(*, order: int, euros: int) -> None:
    booking = bank.charge(order, euros)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    with Chancy(os.environ["DATABASE_URL"]) as ours:
        ours.sync_push(send_receipt.job.with_kwargs(order=order, booking=booking).with_scheduled_at(soon))


@job(queue="mail")
def send_receipt(*, order: int, booking: str) -> None:
    bank.mail(order, booking)
