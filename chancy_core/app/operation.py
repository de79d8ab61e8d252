"""An operation is written once, as a flow; a `Chancy` has it with asyncio and without."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Generator
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, ParamSpec, TypeAlias, TypeVar

from chancy_core.app.callers import write_on, write_on_sync
from chancy_core.app.course import Course, follow, follow_sync
from chancy_core.app.handed import OWN
from chancy_core.store import Flow

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

P = ParamSpec("P")
T = TypeVar("T")

# What an operation returns: it begins the flow, from its start each time. The arguments were checked before, and read.
Begin: TypeAlias = Callable[[], Flow[T]]
# The same, or a course of several flows.
Steps: TypeAlias = Begin[T] | Course[T]
WithAsyncio: TypeAlias = "Callable[Concatenate[Chancy, P], Coroutine[Any, Any, T]]"
WithoutAsyncio: TypeAlias = "Callable[Concatenate[Chancy, P], T]"

_RETURNS: Final = ("Begin[", "Steps[")


class Operation(Generic[P, T]):
    """Something that can be asked of a database, whoever asks it.

    Attributes:
        begin: checks the arguments, and returns what begins the flow, or a course of several flows.
        name: what it is called.
        repeatable: whether the flow may be run again from its start when an answer was lost, so that nobody knows how
            far it came. If not, each of its steps is done once, and the database is asked what became of it.
        makes: whether it makes the schema, if that is missing, as a push does.
    """

    def __init__(
        self, begin: Callable[Concatenate[Chancy, P], Steps[T]], *, repeatable: bool, makes: bool = False
    ) -> None:
        self.begin: Final = begin
        self.name: Final = begin.__name__
        self.repeatable: Final = repeatable
        self.makes: Final = makes
        self.__doc__ = begin.__doc__


def repeatable(begin: Callable[Concatenate[Chancy, P], Begin[T]]) -> Operation[P, T]:
    """Declare an operation that changes nothing, and may be asked as often as it takes."""
    return Operation(begin, repeatable=True)


def once(begin: Callable[Concatenate[Chancy, P], Begin[T]]) -> Operation[P, T]:
    """Declare an operation that changes something, and must not do so twice.

    It has a parameter `connection`, which it need not read: given one, it is done in the transaction of its caller.
    Jobs that end by it are then told to plugins by a worker, once that has committed.
    """
    return Operation(begin, repeatable=False)


def first(begin: Callable[Concatenate[Chancy, P], Begin[T]]) -> Operation[P, T]:
    """As `once`, for an operation that a new application may begin with: it makes the schema if that is missing."""
    return Operation(begin, repeatable=False, makes=True)


def in_steps(begin: Callable[Concatenate[Chancy, P], Steps[T]]) -> Operation[P, T]:
    """Declare an operation that changes something in several transactions; or in one, as `once`.

    It returns a course, or what begins a flow. Given a `connection`, it returns the latter.
    """
    return Operation(begin, repeatable=False)


def faces(operation: Operation[P, T]) -> tuple[WithAsyncio[P, T], WithoutAsyncio[P, T]]:
    """The two methods of an operation, with its parameters and its docstring: with asyncio, and without."""

    @wraps(operation.begin)
    async def method(self: Chancy, /, *args: P.args, **kwargs: P.kwargs) -> T:
        begin, given = operation.begin(self, *args, **kwargs), kwargs.get("connection", OWN)
        side = self.opening.here or await self.opening.ready(makes=operation.makes)
        if isinstance(begin, Generator):
            return await follow(self, side, begin)
        if given is not OWN:
            return await write_on(self, given, begin())
        return await side.ask(begin, repeatable=operation.repeatable, hearer=self.connections.hearer)

    @wraps(operation.begin)
    def sync_method(self: Chancy, /, *args: P.args, **kwargs: P.kwargs) -> T:
        begin, given = operation.begin(self, *args, **kwargs), kwargs.get("connection", OWN)
        side = self.opening.ready_sync(makes=operation.makes)
        if isinstance(begin, Generator):
            return follow_sync(side, begin)
        if given is not OWN:
            return write_on_sync(self, given, begin())
        return side.ask(begin, repeatable=operation.repeatable)

    documentation = inspect.cleandoc(operation.__doc__ or "")
    _dress(method, operation, operation.name, documentation)
    _dress(
        sync_method,
        operation,
        f"sync_{operation.name}",
        f"As `{operation.name}`, for code without asyncio.\n\n{documentation}",
    )
    return method, sync_method


def _dress(method: Any, operation: Operation[P, T], name: str, documentation: str) -> None:
    """Let a method look, to `help()` and to whoever reads signatures, as if it had been written by hand."""
    signature = inspect.signature(operation.begin)
    returned = signature.return_annotation
    if not (isinstance(returned, str) and returned.startswith(_RETURNS)):
        raise TypeError(f"The operation {operation.name} returns {returned!r}: annotate it with Begin[…] or Steps[…].")
    us, *others = signature.parameters.values()
    shown = returned[returned.index("[") + 1 : -1]
    method.__signature__ = signature.replace(
        parameters=[us.replace(name="self", annotation=us.empty), *others], return_annotation=shown
    )
    method.__annotations__ = {**{other.name: other.annotation for other in others}, "return": shown}
    method.__name__ = name
    method.__qualname__ = f"Chancy.{name}"
    method.__doc__ = documentation
    method.operation = operation
