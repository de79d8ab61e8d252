"""Cron schedules for Chancy: each fire is pushed exactly once."""

from chancy_cron.errors import InvalidSchedule, ScheduleNotFound
from chancy_cron.plugin import Cron
from chancy_cron.schedule import Missed, Schedule, StoredSchedule

__all__ = ["Cron", "InvalidSchedule", "Missed", "Schedule", "ScheduleNotFound", "StoredSchedule"]
