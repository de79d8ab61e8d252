import os

import bank
from celery import Celery

app = Celery("shop", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.task_routes = {"shop.send_receipt": {"queue": "mail"}}
app.conf.broker_connection_retry_on_startup = True


@app.task(autoretry_for=(ConnectionError,), max_retries=3, retry_backoff=True)
def charge(order: int, euros: int) -> str:
    booking = bank.charge(order, euros)
    send_receipt.apply_async((order, booking), countdown=1)
    return booking


@app.task
def send_receipt(order: int, booking: str) -> None:
    bank.mail(order, booking)
