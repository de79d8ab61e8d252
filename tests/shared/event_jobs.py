"""Functions that write events in a child process, as plugins do there."""

from __future__ import annotations

from typing import Any

from chancy_core.log import log


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def writes() -> str:
    log.warning("thing_happened", number=3, text="x\ny", exc_info=ValueError("why"))
    log.info("thing_below_the_level")
    log.error("thing_unshown", value=Unshowable())
    log.error("thing_failed")
    return "written"


def initialize() -> Any:
    raise KeyError("not there")
