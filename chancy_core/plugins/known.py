"""What is said about a plugin that is not there: whether it is built in, who publishes it, or what it may have meant.

A command to install something is given only for what this project publishes. Of any other name nobody knows who has it
on the package index today, or will have it tomorrow.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from chancy_core.errors import nearest

# The plugins of this project: chancy-NAME. A test holds this to the folder `plugins`.
OURS: Final = (
    "cron",
    "dashboard",
    "dask",
    "django",
    "doctor",
    "history",
    "leadership",
    "limits",
    "metrics",
    "otel",
    "pruner",
    "workflow",
)
# What was a plugin in Chancy 0, or is one in other queues, and is here without one.
BUILT_IN: Final = {
    "recovery": "every worker takes up the jobs of workers that were lost",
    "retry": "max_attempts, backoff, retry_on and give_up_on of a job say when it is tried again",
    "debug": "`chancy worker --log-level debug` shows what happens",
    "logging": "every event goes through the standard library's logging, under the name chancy",
}
ELSEWHERE: Final = {
    "sentry": "docs/how-to/sentry.md has one of a few lines, round Sentry's own client",
    "api": "the dashboard serves what it shows as JSON as well: pip install chancy-dashboard",
    "web": "the dashboard is a plugin of its own: pip install chancy-dashboard",
    "reprioritize": "give urgent work a queue of its own, or a lower priority when it is pushed",
}
# There was one in Chancy 0.
NOT_YET: Final = ("trigger",)
_PAGE: Final = "docs/how-to/coming-from/chancy-0.md"


def advice(name: str, installed: Iterable[str]) -> str:
    """What to do about a plugin of this name that is not installed; a clause that follows the sentence saying so.

    Args:
        name: the name, as somebody wrote it.
        installed: the names of the plugins that are there.
    """
    there = sorted(set(installed))
    told = _of(name)
    if told is not None:
        return told
    known = sorted({*there, *OURS, *BUILT_IN, *ELSEWHERE, *NOT_YET})
    meant = next(iter(difflib.get_close_matches(_bare(name), known, n=1)), None)
    if meant is None:
        return (
            f"{nearest(name, there)} If it is somebody else's, install the distribution that brings it: it offers the "
            "plugin by an entry point of the group chancy."
        )
    return f" Did you mean {meant!r}?{'' if meant in there else _of(meant) or ''}"


def _of(name: str) -> str | None:
    """What is known of exactly this name."""
    if name in OURS:
        return f" To install it: pip install chancy-{name}."
    if name in BUILT_IN:
        return f" There is nothing to install: what {name} does is built in, {BUILT_IN[name]}."
    if name in ELSEWHERE:
        return f" There is no plugin {name} for this Chancy: {ELSEWHERE[name]}."
    if name in NOT_YET:
        return f" There is no plugin {name} for this Chancy: {_PAGE} says what there is instead."
    return None


def _bare(name: str) -> str:
    """The plugin's name, if somebody wrote its distribution's."""
    return name.lower().replace("_", "-").removeprefix("chancy-")
