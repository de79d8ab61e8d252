"""How many connections an application without asyncio has at once."""

from __future__ import annotations

from typing import NoReturn

import pytest

from chancy import Job
from chancy_core.errors import DatabaseUnavailable
from chancy_core.store import pooling, syncpools


def test_a_pool_of_two_lends_two_connections_and_no_third(new_chancy, monkeypatch):
    """Whoever waits in vain takes none away, and what could not be opened leaves its place to another."""

    def refused(*_: object, **__: object) -> NoReturn:
        raise DatabaseUnavailable("nobody answers")

    monkeypatch.setattr(pooling, "SLOT_WITHIN_S", 0.05)
    with new_chancy(pool_max_size=2) as chancy:
        chancy.sync_migrate()
        pool = chancy.opening.ready_sync().pool
        for _ in range(3):
            with pool.connection(), pool.connection(), pytest.raises(DatabaseUnavailable, match="All 2 connections"):
                chancy.sync_push(Job("app.mail"))
            chancy.sync_push(Job("app.mail"))
            pool.drop_idle()
            with monkeypatch.context() as patch:
                patch.setattr(syncpools, "connect_sync", refused)
                for _ in range(3):
                    with pytest.raises(DatabaseUnavailable, match="nobody answers"), pool.connection():
                        pass
