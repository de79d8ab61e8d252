"""What `TASKS` says of a backend, as settings of a Chancy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

DATABASE: Final = "default"
# Each thread that uses the ORM needs one, and PostgreSQL has a hundred for everybody.
WORKER_CONNECTIONS: Final = 20
_SCHEDULE_FIELDS: Final = frozenset(
    {
        "cron",
        "task",
        "args",
        "kwargs",
        "queue_name",
        "priority",
        "timezone",
        "missed",
        "missed_max",
        "jitter_s",
        "overlap",
    }
)


class Options(NamedTuple):
    """What a backend was told.

    Attributes:
        database: the alias of the database in `DATABASES` that has the jobs.
        worker_connections: how many connections to each database the threads of a worker share; 0: as many as they
            like.
        settings: the settings of its Chancy.
    """

    database: str
    worker_connections: int
    settings: dict[str, Any]


def options_of(alias: str, queues: Iterable[str], given: Mapping[str, Any]) -> Options:
    """Read the `OPTIONS` of a backend.

    Args:
        alias: the backend's name in `TASKS`.
        queues: its `QUEUES`.
        given: its `OPTIONS`: `database`, `worker_connections`, `schedules`, and any setting of Chancy.

    Raises:
        ImproperlyConfigured: something in them cannot be meant.
    """
    where = f"TASKS[{alias!r}]['OPTIONS']"
    left = dict(given)
    database = left.pop("database", DATABASE)
    connections = left.pop("worker_connections", WORKER_CONNECTIONS)
    if type(connections) is not int or connections < 0:
        raise ImproperlyConfigured(
            f"{where}['worker_connections'] is {connections!r}: give how many connections the threads of a worker may "
            "share, or 0 for as many as they like."
        )
    if "dsn" in left:
        raise ImproperlyConfigured(
            f"{where}['dsn']: jobs are pushed in the transactions of your site, so they are in one of its databases. "
            "Name its alias, as in {'database': 'default'}."
        )
    schedules = _tables(where, "schedules", left.pop("schedules", {}))
    left["queues"] = {**{name: {} for name in sorted(queues)}, **_tables(where, "queues", left.get("queues", {}))}
    if schedules:
        plugins = _tables(where, "plugins", left.get("plugins", {}))
        cron = dict(plugins.get("cron", {}))
        own = [_schedule(f"{where}['schedules'][{name!r}]", name, table) for name, table in schedules.items()]
        left["plugins"] = {**plugins, "cron": {**cron, "schedules": [*cron.get("schedules", []), *own]}}
    return Options(database, connections, left)


def _tables(where: str, key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(table, Mapping) for table in value.values()):
        raise ImproperlyConfigured(f"{where}[{key!r}] is {value!r:.80}: give a dict of dicts, by name.")
    return dict(value)


def _schedule(where: str, name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule as the plugin cron reads it."""
    unknown = sorted(map(str, set(table) - _SCHEDULE_FIELDS))
    missing = sorted({"cron", "task"} - set(table))
    if unknown or missing:
        what = f"has no {missing[0]!r}" if missing else f"has {unknown[0]!r}"
        raise ImproperlyConfigured(f"{where} {what}: its keys are {', '.join(sorted(_SCHEDULE_FIELDS))}.")
    job: dict[str, Any] = {"func": table["task"], "kwargs": dict(table.get("kwargs", {}))}
    if table.get("args"):
        job["meta"] = {"django": {"rest": list(table["args"])}}
    if "priority" in table:
        job["priority"] = -table["priority"]
    if "queue_name" in table:
        job["queue"] = table["queue_name"]
    others = {key: table[key] for key in ("cron", "missed", "missed_max", "jitter_s", "overlap") if key in table}
    return {"name": name, "timezone": table.get("timezone", settings.TIME_ZONE), "job": job, **others}
