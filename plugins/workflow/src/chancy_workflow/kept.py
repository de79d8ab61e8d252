"""`Kept`: what a job keeps of its own steps, so that another attempt does not take them again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from inspect import isawaitable
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from chancy import Chancy, JobContext
from chancy.plugin import check_json, check_text
from chancy_workflow.errors import InvalidWorkflow
from chancy_workflow.pushing import transaction, transaction_sync
from chancy_workflow.work import Ask, Work, run, run_sync

I = TypeVar("I")  # noqa: E741 -- an item
OWN: Final = msgspec.UNSET


class Kept:
    """What a job keeps from one attempt to the next: `context.step` and `context.each` of a job are its own.

    ```python
    @job(max_attempts=5)
    async def checkout(*, order: int, context: JobContext) -> None:
        payment = await context.step("charge", charge, order)
        await Kept(context).save("paid", payment)
    ```

    An attempt that comes after `charge` has returned does not call it again: `step` returns what it returned then.
    Nothing between the steps is replayed, and there are no rules for it. A value belongs to its name: code that has
    changed meanwhile finds what the older code has kept under that name, and calls what it finds nothing for.

    Args:
        context: that of the job.
    """

    __slots__ = ("_chancy", "_job")

    def __init__(self, context: JobContext) -> None:
        self._chancy: Final[Chancy] = context.chancy
        self._job: Final = str(context.id)

    async def step(
        self, name: str, function: Callable[..., Awaitable[Any] | Any], *args: Any, connection: Any = OWN, **kwargs: Any
    ) -> Any:
        """What `function(*args, **kwargs)` returned in the first attempt in which it did; else call it, and keep that.

        Args:
            name: unique in the job: in a loop, put the item into it, or use `save` and `load`.
            function: a coroutine function, or a plain one that does not block.
            args: its arguments.
            connection: a connection of your own: the value is kept if and only if its transaction commits, together
                with what the function has written there.
            kwargs: its arguments by name.

        Returns:
            The value as JSON gives it back, in the first attempt too: a tuple is a list.

        Raises:
            InvalidWorkflow: the value is no JSON, or the name is none.
        """
        found = await self._do(self._find(name), connection)
        if found:
            return found[0]
        value = function(*args, **kwargs)
        value = await value if isawaitable(value) else value
        return await self._do(self._keep(name, value), connection)

    def sync_step(
        self, name: str, function: Callable[..., Any], *args: Any, connection: Any = OWN, **kwargs: Any
    ) -> Any:
        """As `step`, for code without asyncio."""
        found = self._do_sync(self._find(name), connection)
        return found[0] if found else self._do_sync(self._keep(name, function(*args, **kwargs)), connection)

    async def each(self, name: str, items: Iterable[I]) -> AsyncIterator[I]:
        """The items that no attempt has been through yet: how far the loop is, is kept whenever it asks for the next.

        Args:
            name: unique in the job.
            items: the same ones in each attempt, in the same order; more may have come behind them.

        Raises:
            InvalidWorkflow: what is kept under this name is no place in a loop, or the name is none.
        """
        done = self._place(name, await self.load(name, 0))
        for place, item in enumerate(islice(items, done, None), done + 1):
            yield item
            await self.save(name, place)

    def sync_each(self, name: str, items: Iterable[I]) -> Iterator[I]:
        """As `each`, for code without asyncio."""
        done = self._place(name, self.sync_load(name, 0))
        for place, item in enumerate(islice(items, done, None), done + 1):
            yield item
            self.sync_save(name, place)

    async def save(self, name: str, value: Any, *, connection: Any = OWN) -> None:
        """Keep a value, in the place of the one of that name: how far a loop is, say. Raises as `step`."""
        await self._do(self._save(name, value), connection)

    def sync_save(self, name: str, value: Any, *, connection: Any = OWN) -> None:
        """As `save`, for code without asyncio."""
        self._do_sync(self._save(name, value), connection)

    async def load(self, name: str, default: Any = None) -> Any:
        """The value that was kept under that name, by `save` or by `step`; `default` if none was."""
        found = await self._do(self._find(name))
        return found[0] if found else default

    def sync_load(self, name: str, default: Any = None) -> Any:
        """As `load`, for code without asyncio."""
        found = self._do_sync(self._find(name))
        return found[0] if found else default

    async def _do(self, work: Work[Any], connection: Any = OWN) -> Any:
        async with transaction(self._chancy, connection) as own:
            return await run(self._chancy, own, work)

    def _do_sync(self, work: Work[Any], connection: Any = OWN) -> Any:
        with transaction_sync(self._chancy, connection) as own:
            return run_sync(self._chancy, own, work)

    @staticmethod
    def _place(name: str, found: Any) -> int:
        """How far a loop was."""
        if type(found) is not int:
            raise InvalidWorkflow(
                f"What is kept as {name!r} is {found!r:.80}, which is no place in a loop: give each loop and each step "
                "of a job a name of its own."
            )
        return found

    def _find(self, name: str) -> Work[list[Any]]:
        check_text("The name of what is kept", name, error=InvalidWorkflow)
        return [json.loads(text) for (text,) in (yield Ask("read_kept", {"job": self._job, "name": name}))]

    def _keep(self, name: str, value: Any) -> Work[Any]:
        given = self._given(name, value)
        if (yield Ask("keep_first", given)):
            return json.loads(given["value"])
        # Another attempt, whose worker was taken for lost, has been faster.
        return (yield from self._find(name))[0]

    def _save(self, name: str, value: Any) -> Work[None]:
        check_text("The name of what is kept", name, error=InvalidWorkflow)
        yield Ask("keep_last", self._given(name, value))

    def _given(self, name: str, value: Any) -> dict[str, str]:
        check_json(f"What is to be kept as {name!r}", value, error=InvalidWorkflow)
        return {"job": self._job, "name": name, "value": json.dumps(value)}
