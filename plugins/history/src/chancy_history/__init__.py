"""Knows what the queues and functions did: rates, waits and failures, by the minute and by the hour."""

from chancy_history.plugin import History
from chancy_history.rates import Rate, Rates
from chancy_history.reading import rates, sync_rates

__all__ = ["History", "Rate", "Rates", "rates", "sync_rates"]
