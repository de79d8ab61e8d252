import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
django.setup()

from chancy import Chancy  # noqa: E402 -- after django.setup()
from django.conf import settings  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from tasks import charge  # noqa: E402

chancy = Chancy(settings.DATABASES["default"])
jobs = [charge.job.with_kwargs(order=order, euros=10 * order) for order in (1, 2, 3)]
with transaction.atomic():
    references = chancy.sync_push_many(jobs, connection=connection)
for done in chancy.sync_wait_for_jobs(references, timeout=300):
    print(done.result)
