"""Tell plugins how runs, and jobs, have ended, in the transaction that records it."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final

import psycopg

from chancy_core.plugins.budgets import Budgets, check_in_transaction
from chancy_core.plugins.calling import HookAbandoned, cut
from chancy_core.plugins.containing import Implementation, cancelled_or, is_ours, told
from chancy_core.plugins.weather import LostInHook, has_lost
from chancy_core.store.telling import Telling
from chancy_core.values.ended import Ended
from chancy_core.values.queuedjob import Outcome

ON_COMPLETE_S: Final = 5.0
ON_END_S: Final = 5.0

_telling: Final[ContextVar[bool]] = ContextVar("chancy_telling", default=False)


def is_told_now() -> bool:
    """Whether this code belongs to a hook that is being told in a transaction, whose locks it holds meanwhile."""
    return _telling.get()


class Endings(Budgets):
    """The plugins that want to know how runs end, and how jobs do."""

    def has(self, hook: str, plugin: str | None = None) -> bool:
        """Whether anybody implements a hook, or that plugin does, and it has not been switched off."""
        if plugin is None:
            return bool(self._hooks[hook])
        return any(one.plugin == plugin for one in self._hooks[hook])

    @property
    def listening(self) -> list[str]:
        """The plugins here that are to hear of every end of a job, wherever it ends."""
        return [one.plugin for one in self._hooks["on_end"]]

    async def on_complete(self, outcomes: Sequence[Outcome], now: Telling) -> None:
        """Tell each plugin, in a savepoint of its own.

        Raises:
            HookAbandoned: one goes on although its time is over. It may still use the connection, which is cut.
            LostInHook: the connection was lost.
        """
        for one in self._hooks["on_complete"]:
            await self._in_savepoint(ON_COMPLETE_S, one, "on_complete", now, outcomes=outcomes)

    async def on_end(self, ended: Sequence[Ended], now: Telling, here: Sequence[str]) -> list[str]:
        """Tell each of these plugins, in a savepoint of its own. Raises as `on_complete`.

        Returns:
            Those that did not hear it, because they failed, or were switched off meanwhile: they are to be told again.
        """
        found = {one.plugin: one for one in self._hooks["on_end"]}
        unheard = []
        for plugin in here:
            one = found.get(plugin)
            if one is None or not await self._in_savepoint(ON_END_S, one, "on_end", now, ended=ended):
                unheard.append(plugin)
        return unheard

    async def _in_savepoint(self, seconds: float, one: Implementation, hook: str, now: Telling, **values: Any) -> bool:
        """Call a hook in a savepoint. Returns whether that went well; if not, nothing is left of what it wrote."""
        await now.next()
        outside = _telling.set(True)
        try:
            await self._with_connection(seconds, one, hook, connection=now.connection, **values)
            check_in_transaction(now.connection, "records this")
        except BaseException as error:
            if not self.has(hook, one.plugin):
                # Whatever the broken transaction says on top of that.
                raise cancelled_or(HookAbandoned(f"the plugin {one.plugin!r} still has the connection")) from error
            if is_ours(error) or isinstance(error, LostInHook):
                # Weather: the whole batch is written again, and nobody is to blame.
                raise
            self._went_wrong(one.plugin, hook, error)
            await now.undo()
            return False
        finally:
            _telling.reset(outside)
        return True

    async def _with_connection(
        self, seconds: float, one: Implementation, hook: str, *, connection: psycopg.AsyncConnection[Any], **values: Any
    ) -> None:
        try:
            await self._within(seconds, one, hook, connection=connection, **values)
        except HookAbandoned:
            await cut(connection)
            raise
        except BaseException as error:
            if is_ours(error) or not has_lost(connection, error):
                raise
            # Now, because the end of the savepoint closes it, and then nobody knows any more whose doing it was.
            raise LostInHook(f"the connection was lost in {hook}: {told(error)}") from error
