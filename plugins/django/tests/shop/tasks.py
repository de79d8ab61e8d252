import os
import threading
import time

from django.db import connection

from chancy_django import task
from shop.models import Order


class RefusedError(Exception):
    pass


@task
def pay(order_id):
    Order.objects.filter(pk=order_id).update(paid=True)
    return {"paid": order_id, "by": os.getpid()}


@task
async def apay(order_id):
    order = await Order.objects.aget(pk=order_id)
    order.paid = True
    await order.asave()
    return order.customer


@task(max_attempts=3, backoff=0.01)
def fail(text="no", *, until=99, **kwargs):
    raise RefusedError(text)


@task(takes_context=True, max_attempts=3, backoff=0.01)
def third_time(context, wanted):
    if context.attempt < wanted:
        raise ValueError(context.attempt)
    return [context.attempt, context.task_result.id, context.task_result.worker_ids]


@task
def anything(*args, **kwargs):
    return [list(args), kwargs]


@task
def unjson():
    return threading.Lock()


@task
def order_and_wait(name, seconds=0.2):
    Order.objects.create(customer=name)
    time.sleep(seconds)
    return threading.get_ident()


@task
def drop_own():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
