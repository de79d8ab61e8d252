"""Keeps finished jobs as long as wanted, and no longer."""

from chancy_pruner.errors import InvalidRetention
from chancy_pruner.plan import Line
from chancy_pruner.plugin import Pruner
from chancy_pruner.prune import Pruned

__all__ = ["InvalidRetention", "Line", "Pruned", "Pruner"]
