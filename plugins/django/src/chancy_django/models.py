"""What the admin shows: the views of Chancy's schema, as models that Django neither makes nor changes."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from django.db import models

STATES = [(word, word) for word in ("scheduled", "pending", "running", "retrying")]
ENDS = [(word, word) for word in ("succeeded", "failed", "cancelled")]


class ReadJSON(models.JSONField):
    """JSON of either of PostgreSQL's types, of which psycopg has read one already, and leaves the other to Django."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        """The value itself."""
        if isinstance(value, str):
            with suppress(ValueError):
                return json.loads(value)
        return value


class ViewManager(models.Manager):
    """Reads a view in the database, and in the schema, of the backend that is Chancy's."""

    def get_queryset(self) -> Any:
        """All of it. Raises ImproperlyConfigured if no backend of `TASKS` is Chancy's."""
        from chancy_django.applications import first  # noqa: PLC0415 -- not before the settings are read

        backend = first()
        meta = self.model._meta  # noqa: SLF001 -- as all of Django calls it
        # With quotes round it, so that Django takes it as it is.
        table = f'"{backend.chancy.settings.schema}"."{self.model.view}"'
        if meta.db_table != table:
            meta.db_table = table
            for field in meta.get_fields():
                # It remembers the table.
                field.__dict__.pop("cached_col", None)
        return super().get_queryset().using(backend.settings.database)


class _Described(models.Model):
    """What waiting and finished jobs have in common."""

    id = models.UUIDField(primary_key=True)
    queue = models.TextField()
    func = models.TextField("function")
    priority = models.IntegerField(help_text="lower runs first")
    attempts = models.IntegerField()
    max_attempts = models.IntegerField()
    created_at = models.DateTimeField()
    scheduled_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    worker = models.TextField(null=True)  # noqa: DJ001 -- as the view has it
    unique_key = models.TextField(null=True)  # noqa: DJ001
    kwargs = ReadJSON("arguments")
    meta = ReadJSON()
    errors = ReadJSON()
    error_type = models.TextField(null=True)  # noqa: DJ001
    error_message = models.TextField(null=True)  # noqa: DJ001
    note = models.TextField(null=True)  # noqa: DJ001

    class Meta:
        abstract = True
        managed = False
        # Also for what Django asks by itself, such as by `refresh_from_db`: its own manager does not know the schema.
        base_manager_name = "objects"
        ordering = ("-id",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.func} {self.pk}"


class Job(_Described):
    """A job that waits or runs."""

    view = "jobs_v1"
    state = models.TextField(choices=STATES)

    objects = ViewManager()

    class Meta(_Described.Meta):
        permissions = (
            ("cancel_job", "Can cancel jobs"),
            ("push_job", "Can push jobs"),
            ("change_job", "Can move jobs"),
        )


class FinishedJob(_Described):
    """A job that has ended."""

    view = "finished_jobs_v1"
    state = models.TextField(choices=ENDS)
    finished_at = models.DateTimeField()
    result = ReadJSON(null=True)
    run_s = models.FloatField("seconds", null=True)

    objects = ViewManager()

    class Meta(_Described.Meta):
        permissions = (
            ("retry_finishedjob", "Can run finished jobs again"),
            ("delete_finishedjob", "Can delete finished jobs"),
            ("reveal_finishedjob", "Can see arguments and results without redaction"),
        )


class Queue(models.Model):
    """A queue."""

    view = "queues_v1"
    name = models.TextField(primary_key=True)
    state = models.TextField()
    resume_at = models.DateTimeField(null=True)
    concurrency = models.IntegerField(null=True)
    executor = models.TextField()
    rate_limit = models.IntegerField(null=True)
    global_concurrency = models.IntegerField(null=True)
    created_at = models.DateTimeField()

    objects = ViewManager()

    class Meta:
        managed = False
        # Also for what Django asks by itself, such as by `refresh_from_db`: its own manager does not know the schema.
        base_manager_name = "objects"
        ordering = ("name",)
        default_permissions = ("view",)
        permissions = (("pause_queue", "Can pause and resume queues"), ("change_queue", "Can change limits of queues"))

    def __str__(self) -> str:
        return str(self.name)


class Worker(models.Model):
    """A worker."""

    view = "workers_v1"
    name = models.TextField(primary_key=True)
    alive = models.BooleanField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    running = models.IntegerField()

    objects = ViewManager()

    class Meta:
        managed = False
        # Also for what Django asks by itself, such as by `refresh_from_db`: its own manager does not know the schema.
        base_manager_name = "objects"
        ordering = ("name",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return str(self.name)
