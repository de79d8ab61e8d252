import os

SECRET_KEY = "of the example"
INSTALLED_APPS = ["chancy_django"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}}
TASKS = {"default": {"BACKEND": "chancy_django.ChancyBackend", "QUEUES": ["default", "mail"]}}
USE_TZ = True
