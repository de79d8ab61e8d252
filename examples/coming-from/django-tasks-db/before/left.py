import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
django.setup()

from django_tasks_db.models import DBTaskResult  # noqa: E402 -- after django.setup()

print(DBTaskResult.objects.filter(status__in=["READY", "RUNNING"]).count(), "left")
