"""Structured events, through the standard library's logging: an application decides where they go, as for any library.

An event is named in the past tense and has fields. In the text of its record it reads `jobs_rescued failed=0
runnable_again=3`; the record's attribute `fields` has them as a dict, for JSON formatters.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

NAME: Final = "chancy"
_render: Final = structlog.processors.KeyValueRenderer(sort_keys=True)


def _to_record(logger: Any, method: str, event: MutableMapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    name = event.pop("event")
    passed = {key: event.pop(key) for key in ("exc_info", "stack_info", "stacklevel") if key in event}
    text = f"{name} {_render(logger, method, dict(event))}" if event else str(name)
    extra = {"event": name, "fields": dict(event)}
    # The text is an argument, not the format: it may contain a %.
    return ("%s", text), {**passed, "extra": extra}


log: Final[structlog.stdlib.BoundLogger] = structlog.wrap_logger(
    logging.getLogger(NAME),
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.contextvars.merge_contextvars,
        _to_record,
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
)
