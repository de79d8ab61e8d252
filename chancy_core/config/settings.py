"""What can be set, of which type, in which range, and what it is when nobody sets it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

import msgspec
from msgspec import Meta, field

from chancy_core.config.redacting import redacted, without_secrets
from chancy_core.values.ranges import (
    CONCURRENCY,
    GRACE_S,
    LEASE_S,
    POOL_SIZE,
    TAG_MAX_LENGTH,
    TAGS_MAX,
    UNRUNNABLE_FOR_S,
    VALUE_BYTES,
    WORKER_NAME_MAX_LENGTH,
    WORKER_QUEUES_MAX,
    Range,
)

# Neither NUL nor half a character can reach PostgreSQL; the other control characters spoil a log.
_TEXT: Final = r"\A(?=.*\S)[^\x00-\x1f\x7f\ud800-\udfff]+\Z"
_DSN: Final = r"\A(?=[\s\S]*\S)[^\x00\ud800-\udfff]+\Z"
# The name of a queue, in which * may stand for any characters.
_QUEUES: Final = r"\A[A-Za-z0-9_*][A-Za-z0-9_.:/@*-]{0,99}\Z"
_FUNCTIONS: Final = r"\A(?!\d)[\w*]+(\.(?!\d)[\w*]+)*\Z"


def _in(range_: Range) -> Meta:
    """What msgspec is to hold a setting to; none of ours excludes its least number."""
    return Meta(ge=range_.low, le=range_.high, description=range_.expected)


# `description` completes "give …" in an error; msgspec decides, and the description explains.
Text = Annotated[str, Meta(pattern=_TEXT)]
Bytes = Annotated[int, _in(VALUE_BYTES)]
Flag = Annotated[bool, Meta(description="true or false")]
Tag = Annotated[str, Meta(pattern=_TEXT, max_length=TAG_MAX_LENGTH)]


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[worker]`.

    Attributes:
        name: a readable name for the worker. None: its host and process id.
        tags: what queues may ask for, such as `gpu`; plain words, which the queues' patterns match.
        queues: names of the queues to serve, in which `*` stands for any characters. None: all that the tags match.
        concurrency: jobs at a time, for queues that do not say.
        lease_s: seconds after which a worker that gives no sign of life counts as lost; 1 to 3600.
        grace_s: seconds that running jobs may take to end at shutdown.
        unrunnable_for_s: seconds after which a job fails that no worker which claimed it could run.
    """

    name: Annotated[
        Annotated[str, Meta(pattern=_TEXT, max_length=WORKER_NAME_MAX_LENGTH)] | None,
        Meta(description=f"a name of 1 to {WORKER_NAME_MAX_LENGTH} characters, none of them a control character"),
    ] = None
    tags: Annotated[
        list[Tag],
        Meta(
            max_length=TAGS_MAX,
            description=f'a list of words, such as ["gpu"], at most {TAGS_MAX}, each of at most {TAG_MAX_LENGTH} '
            "characters",
        ),
    ] = field(default_factory=list)
    queues: Annotated[
        Annotated[list[Annotated[str, Meta(pattern=_QUEUES)]], Meta(min_length=1, max_length=WORKER_QUEUES_MAX)] | None,
        Meta(
            description=f'a list of names of queues, such as ["mail", "reports-*"], from 1 to {WORKER_QUEUES_MAX}, or '
            "leave it out for all"
        ),
    ] = None
    concurrency: Annotated[int, _in(CONCURRENCY)] = 100
    lease_s: Annotated[float, _in(LEASE_S)] = 15.0
    # What stops a process kills it in the end: Kubernetes after 30 seconds, in which jobs must also be handed back.
    grace_s: Annotated[float, _in(GRACE_S)] = 20.0
    unrunnable_for_s: Annotated[float, _in(UNRUNNABLE_FOR_S)] = 86_400.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is set, by whomever, and who set it.

    `load` makes and checks it. Its `repr` holds no secrets.

    Attributes:
        dsn: the database. None: the embedded one.
        schema: the schema that holds Chancy's tables; its spelling is checked by the store.
        functions: patterns of the importable functions that may be run, such as `app.jobs.*`, where
            `*` stands for any characters, dots included. None: any function; empty: none.
        notifications: whether to LISTEN and NOTIFY; everything works by polling without.
        pooler: whether a transaction pooler, such as pgbouncer, stands before the database, so that
            nothing may rely on a session.
        payload_limit_bytes: the largest arguments of a job, as JSON.
        result_limit_bytes: the largest result of a job, as JSON.
        auto_migrate: whether to migrate on start. None: only a schema that does not exist yet, and
            the embedded database.
        pool_max_size: how many connections the pool opens at most.
        discover: whether to look for installed plugins.
        json: what the arguments of pushed jobs may be, unless a job says it itself: `plain`, what JSON has, or `typed`,
            dates, UUIDs, dataclasses and the like too.
        plugin_order: names of plugins whose hooks run first, in this order.
        log_format: how the `chancy` command writes events to standard error: `json`, `console`, or `auto`: JSON
            unless it is a terminal.
        worker: the table `[worker]`.
        queues: name to the fields of a `Queue` that were given; each has been checked.
        plugins: name to the plugin's table as it was written; the plugin host checks it.
        sources: attribute path, such as `worker.lease_s`, to where the value came from: `default`,
            the name of the file, the name of the variable, or `argument`.
        file: the file that was read. None: there was none.
    """

    dsn: Annotated[
        Annotated[str, Meta(pattern=_DSN)] | None,
        Meta(
            description="a connection string such as postgresql://user@host/database, or leave it "
            "out for the embedded database"
        ),
    ] = None
    schema: Annotated[Text, Meta(description='the name of a schema, such as "chancy"')] = "chancy"
    functions: Annotated[
        list[Annotated[str, Meta(pattern=_FUNCTIONS)]] | None,
        Meta(description='a list of dotted names, such as ["app.jobs.*"], in which * stands for any characters'),
    ] = None
    notifications: Flag = True
    pooler: Flag = False
    payload_limit_bytes: Bytes = 1_048_576
    result_limit_bytes: Bytes = 262_144
    auto_migrate: Annotated[bool | None, Meta(description="true or false")] = None
    pool_max_size: Annotated[int, _in(POOL_SIZE)] = 10
    discover: Flag = True
    json: Annotated[Literal["plain", "typed"], Meta(description='"plain" or "typed"')] = "plain"
    plugin_order: Annotated[list[Text], Meta(description='a list of names of plugins, such as ["cron"]')] = field(
        default_factory=list
    )
    log_format: Annotated[Literal["auto", "json", "console"], Meta(description='"auto", "json" or "console"')] = "auto"
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    queues: dict[str, dict[str, Any]] = field(default_factory=dict)
    plugins: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    file: Path | None = None

    def __repr__(self) -> str:
        pairs = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"Settings({pairs})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        pairs = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name == "dsn" and value is not None:
                value = redacted(value)
            elif name in ("queues", "plugins"):
                value = {key: without_secrets(table) for key, table in value.items()}
            pairs.append((name, value))
        return pairs


# The tables of a file, and what may stand in those that are ours. `chancy` is the table of the
# settings that belong to no other.
TABLES: Final = ("chancy", "worker", "queues", "plugins")
_NOT_SCALARS: Final = frozenset({"worker", "queues", "plugins", "sources", "file"})
TYPES: Final[dict[str, dict[str, Any]]] = {
    "chancy": {
        name: hint for name, hint in get_type_hints(Settings, include_extras=True).items() if name not in _NOT_SCALARS
    },
    "worker": get_type_hints(WorkerSettings, include_extras=True),
}
# How a variable (in capitals, after CHANCY_) or an argument names a setting: its table and key.
NAMES: Final[dict[str, tuple[str, str]]] = {
    **{key: ("chancy", key) for key in TYPES["chancy"]},
    **{f"worker_{key}": ("worker", key) for key in TYPES["worker"]},
}
