"""Functions that say with `@job` how they are to be run."""

from typing import Any

from chancy import Backoff, Limit, job

DECLARED: dict[str, Any] = {
    "queue": "mail",
    "kwargs": {"to": "declared"},
    "priority": -7,
    "max_attempts": 4,
    "limits": [Limit(Limit.Type.MEMORY, 300 << 20), Limit(Limit.Type.TIME, 30)],
    "meta": {"team": "post"},
    "backoff": Backoff.fixed(7),
    "keep_result": False,
    "retry_on": ("OSError",),
    "give_up_on": ("KeyError",),
}


@job(**DECLARED)
def everything(*, to: str) -> str:
    return to


@job(priority=5)
def more() -> None:
    """Says more of itself later."""
