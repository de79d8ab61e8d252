import os
import time

import bank
import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
django.setup()

from tasks import charge  # noqa: E402 -- after django.setup()

for order in (1, 2, 3):
    charge.enqueue(order, 10 * order)
for order in (1, 2, 3):
    # The task that charged an order need not be the one that was enqueued above.
    while (booking := bank.booking_of(order)) is None:
        time.sleep(0.1)
    print(booking)
