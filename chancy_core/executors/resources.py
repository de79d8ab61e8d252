"""Resources of jobs, of a worker or one of its child processes: set up for the first job, torn down at the end.

What a plain function provides is one for all threads and loops. What a coroutine function provides belongs to the loop
in which it was set up, and is kept by a task of its own there, so that it is torn down where it was set up.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final

from chancy_core.errors import CannotRunHere
from chancy_core.log import log
from chancy_core.values.provided import Provider

# How long one may take to be torn down: a little less than a worker that stops has for all of them.
TORN_DOWN_WITHIN_S: Final = 4.0


class Resources:
    """The resources of one process, for one worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._plain: dict[Provider, _Plain] = {}
        self._kept: dict[tuple[asyncio.AbstractEventLoop, Provider], _Kept] = {}

    def plain(self, wanted: Mapping[str, Provider]) -> dict[str, Any]:
        """What a plain function is given, by the names of its parameters. Blocks while one is set up.

        Raises:
            CannotRunHere: one of them cannot be set up; another worker, or a later attempt, may do better.
        """
        return {name: self._plain_of(provider).get() for name, provider in wanted.items()}

    async def here(self, wanted: Mapping[str, Provider]) -> dict[str, Any]:
        """What a coroutine function is given that runs in this loop. Raises as `plain`."""
        found: dict[str, Any] = {}
        for name, provider in wanted.items():
            if provider.is_async:
                found[name] = await self._kept_of(provider)
                continue
            found[name] = await self._plain_of(provider).soon()
        return found

    async def close_here(self) -> None:
        """Tear down what belongs to this loop, the last first."""
        loop = asyncio.get_running_loop()
        with self._lock:
            kept = [self._kept.pop(key) for key in [*reversed(self._kept)] if key[0] is loop]
        for one in kept:
            await one.end()

    def close_plain(self) -> None:
        """Tear down what belongs to no loop, the last first."""
        with self._lock:
            plain, self._plain = self._plain, {}
        for one in reversed(plain.values()):
            one.end()

    async def close(self) -> None:
        """Tear down all that a worker has, on its loop."""
        await self.close_here()
        if self._plain:
            closed: Future[None] = Future()
            closed.set_running_or_notify_cancel()

            def close_plain() -> None:
                self.close_plain()
                closed.set_result(None)

            _start(close_plain, "tear-down")
            await asyncio.wrap_future(closed)

    @property
    def looped(self) -> bool:
        """Whether anything belongs to a loop."""
        return bool(self._kept)

    def _plain_of(self, provider: Provider) -> _Plain:
        with self._lock:
            return self._plain.setdefault(provider, _Plain(provider))

    async def _kept_of(self, provider: Provider) -> Any:
        key = (asyncio.get_running_loop(), provider)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = _Kept(provider)
        try:
            # A job that is stopped while it waits takes the resource from nobody else.
            return await asyncio.shield(kept.ready)
        except CannotRunHere:
            # The next job tries again.
            with self._lock:
                if self._kept.get(key) is kept:
                    del self._kept[key]
            raise


class _Plain:
    """What a plain function provides.

    It is set up by whoever needs it first, in his thread, or by a thread of its own if that is an event loop. All who
    need it meanwhile wait for that one try, and have what comes of it; after a failure the next job tries again.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider: Final = provider
        self._lock: Final = threading.Lock()
        self._stack: Final = ExitStack()
        self._value: Any = None
        # The try that goes on.
        self._try: Future[Any] | None = None
        self._over = False
        self.ready = False

    def get(self) -> Any:
        """The resource. Blocks while it is set up."""
        if self.ready:
            return self._value
        came, mine = self._join()
        if mine:
            self._set_up(came)
        return came.result()

    async def soon(self) -> Any:
        """The same, on a loop, which has other things to do meanwhile. One thread serves all who wait here.

        A daemon, and none of those of the loop, which many waiting jobs would use up.
        """
        if self.ready:
            return self._value
        came, mine = self._join()
        if mine:
            try:
                _start(partial(self._set_up, came), self._provider.name)
            except RuntimeError as error:
                self._failed(came, error)
        # A job that is stopped while it waits takes the resource from nobody else.
        return await asyncio.shield(asyncio.wrap_future(came))

    def _join(self) -> tuple[Future[Any], bool]:
        """The try that goes on, and whether it is the caller who is to make it."""
        with self._lock:
            if self._try is not None:
                return self._try, False
            came: Future[Any] = Future()
            self._try = came
            came.set_running_or_notify_cancel()
            if self.ready:
                # By a try that has ended since the caller looked.
                self._try = None
                came.set_result(self._value)
                return came, False
            return came, True

    def _set_up(self, came: Future[Any]) -> None:
        call = self._provider.call
        try:
            value = self._stack.enter_context(contextmanager(call)()) if self._provider.yields else call()
        except BaseException as error:  # noqa: BLE001 -- it may raise anything
            self._failed(came, error)
            return
        with self._lock:
            self._try = None
            over = self._over
            if not over:
                self._value, self.ready = value, True
        if over:
            # Nobody runs any more who could use it.
            self._tear_down()
        came.set_result(value)

    def _failed(self, came: Future[Any], cause: BaseException) -> None:
        error = _not_set_up(self._provider, cause)
        error.__cause__ = cause
        with self._lock:
            self._try = None
        came.set_exception(error)

    def end(self) -> None:
        """Tear it down; one that is being set up still, as soon as it is."""
        with self._lock:
            self._over = True
            if self._try is not None:
                return
        self._tear_down()

    def _tear_down(self) -> None:
        try:
            self._stack.close()
        except BaseException as error:  # noqa: BLE001 -- the others are to be torn down all the same
            _not_torn_down(self._provider, error)


def _start(call: Callable[[], None], name: str) -> None:
    """Call it in a thread that keeps no process alive. Raises RuntimeError: there is none."""
    threading.Thread(target=call, name=f"chancy.resource.{name}", daemon=True).start()


class _Kept:
    """What a coroutine function provides, in the loop in which this is made."""

    def __init__(self, provider: Provider) -> None:
        self._provider: Final = provider
        self.ready: Final[asyncio.Future[Any]] = asyncio.get_running_loop().create_future()
        self._over: Final = asyncio.Event()
        # Not in the context of the job that happens to be the first.
        self._task = asyncio.get_running_loop().create_task(
            self._keep(), name=f"chancy.resource.{provider.name}", context=contextvars.Context()
        )

    async def _keep(self) -> None:
        try:
            async with _set_up(self._provider) as value:
                self.ready.set_result(value)
                await self._over.wait()
        except BaseException as error:
            if self.ready.done():
                _not_torn_down(self._provider, error)
            else:
                self.ready.set_exception(_not_set_up(self._provider, error))
                # Perhaps nobody waits for it any more.
                self.ready.exception()
            if isinstance(error, asyncio.CancelledError):
                raise

    async def end(self) -> None:
        self._over.set()
        _, late = await asyncio.wait([self._task], timeout=TORN_DOWN_WITHIN_S)
        if late:
            self._task.cancel()
            log.error("resource_torn_down_late", resource=self._provider.name, waited_s=TORN_DOWN_WITHIN_S)


@asynccontextmanager
async def _set_up(provider: Provider) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:
        if provider.yields:
            yield await stack.enter_async_context(asynccontextmanager(provider.call)())
        else:
            yield await provider.call()


def _not_set_up(provider: Provider, error: BaseException) -> CannotRunHere:
    log.error("resource_not_set_up", resource=provider.name, exc_info=error)
    return CannotRunHere(f"The resource {provider.name} could not be set up: {type(error).__name__}: {error}")


def _not_torn_down(provider: Provider, error: BaseException) -> None:
    log.error("resource_not_torn_down", resource=provider.name, exc_info=error)
