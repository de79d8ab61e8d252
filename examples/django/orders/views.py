from django.db import transaction
from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from orders.models import Order
from orders.tasks import bake, tell


def counter(request):
    """The counter, with the last orders."""
    return render(request, "orders/counter.html", {"orders": Order.objects.order_by("-pk")[:20]})


@require_POST
def order(request):
    """Take an order: the order and its task are stored together, or neither is."""
    with transaction.atomic():
        taken = Order.objects.create(customer=request.POST["customer"], loaves=int(request.POST["loaves"]))
        taken.task = bake.enqueue(taken.pk).id
        taken.save(update_fields=["task"])
    return redirect("counter")


@require_POST
async def remind(request):
    """Remind a customer, from an async view."""
    result = await tell.using(queue_name="mail").aenqueue(request.POST["customer"], loaves=0)
    return redirect("progress", result.id)


async def progress(request, task_id):
    """How far a task is."""
    backend = bake.get_backend()
    result = await backend.aget_result(task_id)
    errors = [error.traceback.splitlines()[-1] for error in result.errors]
    value = result.return_value if result.status == "SUCCESSFUL" else None
    return JsonResponse({"status": result.status, "attempts": result.attempts, "errors": errors, "value": value})
