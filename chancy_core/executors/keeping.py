"""The door through which a plugin keeps what jobs have done: `context.step`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, runtime_checkable

from msgspec import UNSET

from chancy_core.errors import PluginError

if TYPE_CHECKING:
    from chancy_core.executors.context import JobContext

T = TypeVar("T")

NOBODY_KEEPS: Final = (
    "context.step and context.each need a plugin that keeps what a job has done, and this worker has none: "
    "pip install chancy-workflow where the worker runs, leave it enabled, and call chancy migrate."
)


class Steps(Protocol):
    """What one job keeps from an attempt to the next."""

    async def step(
        self,
        name: str,
        function: Callable[..., Awaitable[Any] | Any],
        *args: Any,
        connection: Any = UNSET,
        **kwargs: Any,
    ) -> Any:
        """What `context.step` is to do."""
        ...

    def sync_step(
        self, name: str, function: Callable[..., Any], *args: Any, connection: Any = UNSET, **kwargs: Any
    ) -> Any:
        """What `context.sync_step` is to do."""
        ...

    def each(self, name: str, items: Iterable[T]) -> AsyncIterator[T]:
        """What `context.each` is to do."""
        ...

    def sync_each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """What `context.sync_each` is to do."""
        ...


@runtime_checkable
class KeepsSteps(Protocol):
    """A plugin that keeps what jobs have done."""

    def steps_of(self, context: JobContext) -> Steps:
        """What the job of this context keeps."""
        ...


def steps_of(context: JobContext) -> Steps:
    """What a job keeps, by the first plugin that keeps anything. Raises PluginError if there is none."""
    for loaded in context.chancy.plugins.loaded:
        if isinstance(loaded.plugin, KeepsSteps):
            return loaded.plugin.steps_of(context)
    raise PluginError(NOBODY_KEEPS)
