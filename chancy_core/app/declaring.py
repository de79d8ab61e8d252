"""The queues of the settings: they exist as soon as an application has opened."""

from __future__ import annotations

from typing import Final

import psycopg

from chancy_core.app.served import warn_of_tags
from chancy_core.config import Settings
from chancy_core.log import log
from chancy_core.store import Flow, Store
from chancy_core.store.queues import declare_missing
from chancy_core.store.weather import Fault, fault_of, text_of
from chancy_core.values.queue import Queue

NOT_DECLARED: Final = "Until somebody who may write declares them, pushes to those that are not there are refused."


def declare_configured(store: Store, settings: Settings) -> Flow[None]:
    """Declare those queues of the settings that are not there. What is there stays as somebody made it.

    Nobody is kept from opening by that: who may only read, or reads a standby, is warned.
    """
    try:
        declared = yield from declare_missing(store, settings.queues)
    except psycopg.Error as error:
        # A server that takes no changes counts as gone elsewhere, but may be read.
        if fault_of(error) is Fault.GONE and not isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            raise
        log.warning("queues_not_declared", queues=sorted(settings.queues), error=text_of(error), hint=NOT_DECLARED)
    else:
        for name in declared:
            log.info("queue_declared", queue=name, source="settings")
            # Not by which workers live: the one that is about to start may serve it.
            warn_of_tags(Queue(name, **settings.queues[name]))
