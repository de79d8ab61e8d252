"""For servers of ASGI, under which the pages of the dashboard follow what happens."""

import os

from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bakery.settings")
application = get_asgi_application()
if settings.DEBUG:
    # As `manage.py runserver` does.
    application = ASGIStaticFilesHandler(application)
