"""What goes wrong with schedules."""

from __future__ import annotations

from chancy import ChancyError


class InvalidSchedule(ChancyError, ValueError):  # noqa: N818 -- reads as what it is
    """A schedule that cannot be declared as asked: names the field and the value."""


class ScheduleNotFound(ChancyError, LookupError):  # noqa: N818
    """No schedule of that name: names the nearest one that there is."""
