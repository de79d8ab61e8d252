"""Limits of Chancy's queues across all workers, enforced: how many jobs may start in a time, and run at a time."""

from chancy_limits.plugin import Limits

__all__ = ["Limits"]
