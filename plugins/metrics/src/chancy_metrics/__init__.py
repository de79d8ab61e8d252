"""Prometheus metrics and health pages for Chancy's workers."""

from chancy_metrics.plugin import Metrics

__all__ = ["Metrics"]
