"""What is done behind the counter."""

from chancy_django import task
from django.db.models import Sum
from django.utils import timezone

from orders.models import Day, Order


class BurntError(Exception):
    """It happens."""


@task(takes_context=True, max_attempts=3, backoff=1, retry_on=(BurntError,))
def bake(context, order_id):
    """Bake an order; the first try of a large one goes wrong."""
    order = Order.objects.get(pk=order_id)
    if order.loaves > 10 and context.attempt == 1:
        raise BurntError(f"The oven is too small for {order.loaves} loaves.")
    order.baked_at = timezone.now()
    order.save(update_fields=["baked_at"])
    tell.using(queue_name="mail").enqueue(order.customer, loaves=order.loaves)
    return order.loaves


@task
async def tell(customer, *, loaves):
    """Tell a customer that his bread is ready."""
    return f"Dear {customer}, {loaves} loaves are ready."


@task
def close_the_day():
    """Write down what was sold today."""
    today = timezone.localdate()
    sold = Order.objects.filter(baked_at__date=today).aggregate(sold=Sum("loaves"))["sold"] or 0
    Day.objects.update_or_create(date=today, defaults={"loaves": sold})
    return sold
