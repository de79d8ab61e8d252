import os
from datetime import timedelta

import bank
from redis import Redis
from rq import Queue

redis = Redis.from_url(os.environ["REDIS_URL"])
default = Queue("default", connection=redis)
mail = Queue("mail", connection=redis)


def charge(order: int, euros: int) -> str:
    booking = bank.charge(order, euros)
    mail.enqueue_in(timedelta(seconds=1), send_receipt, order, booking)
    return booking


def send_receipt(order: int, booking: str) -> None:
    bank.mail(order, booking)
