"""Ask plugins how many jobs may be claimed, in the transaction of the claim."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from chancy_core.errors import PluginError
from chancy_core.plugins.budget import Budget, Grant, as_budget
from chancy_core.plugins.calling import HookAbandoned, cut, within
from chancy_core.plugins.containing import Containment, Implementation, call_hook, cancelled_or, is_ours, told
from chancy_core.plugins.enforced import enforced_by
from chancy_core.plugins.load import Loaded
from chancy_core.plugins.weather import LostInHook, has_lost
from chancy_core.values.queue import Queue

# Meanwhile no other worker claims from that queue.
CLAIM_BUDGET_S: Final = 2.0


class Budgets(Containment):
    """The plugins that limit queues.

    Attributes:
        loaded: the plugins, in order.
        enforced: the limits of queues that they enforce, by name.
    """

    def __init__(self, loaded: Sequence[Loaded], hooks: dict[str, list[Implementation]]) -> None:
        super().__init__(hooks)
        self.loaded: Final = list(loaded)
        self.enforced: Final = enforced_by(self.loaded)
        self._budgets_off: set[str] = set()

    async def claim_budget(self, queue: Queue, wanted: int, connection: psycopg.AsyncConnection[Any]) -> Grant:
        """How many jobs may be claimed now: the smallest answer. Raises only if the connection is lost."""
        smallest = Budget(wanted)
        tell = []
        for one in self._hooks["claim_budget"]:
            well, budget = await self._budget_of(one, queue, wanted, connection)
            if not well:
                return Grant(0, None, roll_back=True)
            if budget is None:
                continue
            if budget.taken is not None:
                tell.append((one.plugin, budget.taken))
            if budget.count < smallest.count:
                smallest = budget
            if budget.count == 0:
                break
        failed = connection.info.transaction_status is TransactionStatus.INERROR
        return Grant(smallest.count, smallest.again_in_s, tuple(tell), roll_back=failed)

    async def tell_taken(self, grant: Grant, count: int, connection: psycopg.AsyncConnection[Any]) -> bool:
        """Tell those who want to know how many jobs were claimed. Returns False if that failed: nothing may be."""
        for plugin, taken in grant.tell:

            async def tell(taken: Callable[[int], Awaitable[None]] = taken) -> None:
                await taken(count)
                check_in_transaction(connection, "claims")

            if not await self._in_claim(plugin, tell, connection):
                return False
        return True

    async def _budget_of(
        self, one: Implementation, queue: Queue, wanted: int, connection: psycopg.AsyncConnection[Any]
    ) -> tuple[bool, Budget | None]:
        budget: Budget | None = None

        async def ask() -> None:
            nonlocal budget
            answer = await call_hook(one, queue=queue, wanted=wanted, connection=connection)
            promised = self._enforces(one.plugin).intersection(queue.limited_by)
            if answer is None and promised:
                raise TypeError(f"it enforces {', '.join(sorted(promised))}, and gave no number")
            budget = None if answer is None else as_budget(answer)
            check_in_transaction(connection, "claims", may_have_failed=budget is not None and budget.count == 0)

        return await self._in_claim(one.plugin, ask, connection), budget

    def _enforces(self, plugin: str) -> frozenset[str]:
        return enforced_by(one for one in self.loaded if one.name == plugin)

    async def _in_claim(
        self, plugin: str, call: Callable[[], Awaitable[Any]], connection: psycopg.AsyncConnection[Any]
    ) -> bool:
        """Call a plugin in a claim's transaction, which it must leave open. Returns whether that went well."""
        if plugin in self._budgets_off:
            return False
        try:
            await within(CLAIM_BUDGET_S, call, lambda held_s: self._held(plugin, "claim_budget", held_s))
        except HookAbandoned as error:
            # Not called again, and not forgotten either: without its word nothing may be claimed.
            self._budgets_off.add(plugin)
            self._tell_off(plugin, "claim_budget", error)
            await cut(connection)
            raise cancelled_or(psycopg.OperationalError(f"the connection was cut in claim_budget: {error}")) from error
        except BaseException as error:
            if is_ours(error):
                raise
            if has_lost(connection, error):
                # Weather, and nobody's fault.
                raise LostInHook(f"the connection was lost in claim_budget: {told(error)}") from error
            self._went_wrong(plugin, "claim_budget", error)
            return False
        return True


def check_in_transaction(
    connection: psycopg.AsyncConnection[Any], what_for: str, *, may_have_failed: bool = False
) -> None:
    """Raise PluginError unless a hook has left the transaction that it took part in as it was."""
    status = connection.info.transaction_status
    if status is not TransactionStatus.INTRANS and not (may_have_failed and status is TransactionStatus.INERROR):
        raise PluginError(f"it must leave the transaction that {what_for} as it is, and left it {status.name}")
