import os
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
django.setup()

from django.db import transaction  # noqa: E402 -- after django.setup()
from tasks import charge  # noqa: E402

with transaction.atomic():
    results = [charge.enqueue(order, 10 * order) for order in (1, 2, 3)]
for result in results:
    while not result.is_finished:
        time.sleep(0.1)
        result.refresh()
    print(result.return_value)
