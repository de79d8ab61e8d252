"""Tell plugins of the jobs that an application ends, or brings back, in the transaction in which it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

import psycopg
from psycopg.rows import TupleRow

from chancy_core.plugins import HookAbandoned, PluginHost
from chancy_core.plugins.ending import is_told_now
from chancy_core.plugins.weather import LostInHook
from chancy_core.store import Store, run
from chancy_core.store.ends import ends_of, leave_ended
from chancy_core.store.flow import AsyncConnection
from chancy_core.store.telling import telling
from chancy_core.store.weather import ConnectionGone, Fault, fault_of, text_of
from chancy_core.values.ended import Ended


def hearing(store: Store, plugins: PluginHost) -> ToldHere | None:
    """Who hears of the jobs that end by the next step: the plugins here with `on_end`; None if there is none.

    A hook that ends jobs while it is told of others holds locks that the same hook may need to be told of these. So
    then they are left for a worker to tell.
    """
    here = plugins.listening
    return ToldHere(store, plugins, here, call=not is_told_now()) if here else None


class ToldHere:
    """The plugins of an application, which hear of the jobs that end by one step. A `Hearing`.

    A plugin that fails gets the ends as rows, in the same transaction, and a worker tells it later. One that spoils the
    transaction, or the connection, costs a second attempt, in which all plugins get rows and none is called: whatever
    they do, the step is done.

    Attributes:
        here: their names.
    """

    def __init__(self, store: Store, plugins: PluginHost, here: Sequence[str], *, call: bool) -> None:
        self.here: Final = here
        self._store = store
        self._plugins = plugins
        # Whether they are called in this attempt, and in the next one.
        self._called, self._call = False, call

    async def hear(self, rows: list[TupleRow], connection: AsyncConnection) -> list[TupleRow]:
        """As `Hearing.hear`. In what it returns, each row says last whether a plugin has yet to be told."""
        self._called = False
        ended, meta = ends_of(rows)
        if not ended:
            return rows
        if self._call:
            left = await self._tell(ended, meta, connection)
        else:
            await run(connection, leave_ended(self._store, self.here, ended, meta))
            left = True
        return [(*row[:-1], True) for row in rows] if left else rows

    def not_committed(self, error: psycopg.Error) -> NoReturn:
        """As `Hearing.not_committed`."""
        if not self._called:
            raise error
        if fault_of(error) is Fault.GONE:
            # Nobody's fault: whatever became of it, the plugins did what was theirs.
            self._call = True
            raise error
        self._spoilt(error)

    async def _tell(self, ended: Sequence[Ended], meta: Sequence[str | None], connection: AsyncConnection) -> bool:
        """Call the plugins. Returns whether some of them have yet to be told."""
        try:
            async with telling(connection) as now:
                self._called, self._call = True, False
                unheard = await self._plugins.on_end(ended, now, self.here)
                if unheard and not now.spoilt:
                    await run(connection, leave_ended(self._store, unheard, ended, meta))
        except HookAbandoned as error:
            # It is switched off, and the connection cut.
            raise ConnectionGone(f"the connection was cut in on_end: {error}") from error
        except psycopg.Error as error:
            if not self._called or isinstance(error, LostInHook):
                raise
            self._spoilt(error)
        return bool(unheard)

    def _spoilt(self, error: psycopg.Error) -> NoReturn:
        """A plugin has ended the transaction, closed the connection, or written what does not commit."""
        self._plugins.blame("on_end", error)
        raise ConnectionGone(f"the transaction failed after on_end: {text_of(error)}") from error
