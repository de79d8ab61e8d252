import os

import bank
from procrastinate import App, PsycopgConnector, RetryStrategy

app = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))


@app.task(queue="default", retry=RetryStrategy(max_attempts=3, wait=1, retry_exceptions=[ConnectionError]))
async def charge(order: int, euros: int) -> None:
    booking = bank.charge(order, euros)
    await send_receipt.configure(schedule_in={"seconds": 1}).defer_async(order=order, booking=booking)


@app.task(queue="mail")
async def send_receipt(order: int, booking: str) -> None:
    bank.mail(order, booking)
