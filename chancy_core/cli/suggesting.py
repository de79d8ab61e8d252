"""What a shell may complete: names of queues and functions, and the terms of a query."""

from __future__ import annotations

import os
from typing import Final

import click

from chancy_core.values.queuedjob import State

# By which a shell asks; click's name for it.
VARIABLE: Final = "_CHANCY_COMPLETE"
# Whoever presses a key waits for it.
WITHIN_S: Final = 1
_TERMS: Final = (
    *("id", "state", "queue", "func", "worker", "key", "tag", "error", "note", "attempts", "priority"),
    *("since", "until", "kwargs.", "meta."),
)


def is_completing() -> bool:
    """Whether a shell asks, and nobody reads what went wrong."""
    return VARIABLE in os.environ


def queue_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The queues that are declared."""
    return _names(ctx, "queue", incomplete)


def func_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The functions that jobs call."""
    return _names(ctx, "func", incomplete)


def query_terms(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The terms of a query, and the values of those that have a few.

    bash takes a colon for the end of a word: what stands before it is a word of its own then, and so is the colon.
    """
    before = [str(word) for word in ctx.params.get("query") or ()]
    if incomplete == ":" and before:
        return _values(ctx, before[-1], "")
    if len(before) > 1 and before[-1] == ":":
        return _values(ctx, before[-2], incomplete)
    term, colon, value = incomplete.partition(":")
    if colon:
        return [f"{term}:{one}" for one in _values(ctx, term, value)]
    return [name if name.endswith(".") else f"{name}:" for name in _TERMS if name.startswith(term)]


def _values(ctx: click.Context, term: str, value: str) -> list[str]:
    if term == "state":
        return [word for word in (*State, "live", "finished") if word.startswith(value)]
    return _names(ctx, term, value) if term in ("queue", "func") else []


def _names(ctx: click.Context, kind: str, prefix: str) -> list[str]:
    """The names that begin so, as the database knows them; none if it does not answer at once."""
    try:
        return _asked(ctx.find_root().params, kind, prefix)
    except Exception:  # noqa: BLE001 -- whatever it is, a shell is no place to tell it
        return []


def _asked(options: dict[str, str | None], kind: str, prefix: str) -> list[str]:
    # Not at the top: most of what is completed needs no database.
    from chancy_core.cli.looking import Looking  # noqa: PLC0415
    from chancy_core.store import run_sync  # noqa: PLC0415
    from chancy_core.store.connect import connect_sync  # noqa: PLC0415
    from chancy_core.store.looks import suggest_names  # noqa: PLC0415

    chancy = Looking(options.get("dsn"), schema=options.get("schema"), config=options.get("config"))
    dsn = chancy.settings.dsn or _running()
    if dsn is None:
        return []
    with connect_sync(
        dsn,
        application_name="chancy completion",
        pooler=chancy.settings.pooler,
        connect_timeout_s=WITHIN_S,
        deadline_s=WITHIN_S,
    ) as connection:
        return run_sync(connection, suggest_names(chancy.store, kind, prefix))


def _running() -> str | None:
    """The embedded PostgreSQL, if it runs: it is not started for this."""
    from chancy_core.embedded import keeping  # noqa: PLC0415

    return keeping.look().dsn
