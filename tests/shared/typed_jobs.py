"""Functions with annotations, for jobs whose arguments are typed; and types of every kind."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NotRequired, TypedDict, Unpack
from uuid import UUID

import msgspec

from chancy import JobContext, Retry, job

if TYPE_CHECKING:
    from somewhere import Elsewhere


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"


class Email(str):
    """A text of its own."""

    __slots__ = ()


@dataclass
class Item:
    """A dataclass."""

    price: Decimal
    tags: set[str] = field(default_factory=set)


class Order(msgspec.Struct):
    """A struct with dataclasses in it."""

    id: UUID
    items: list[Item]
    at: datetime | None = None


class Point(NamedTuple):
    """A named tuple."""

    x: int
    when: date


class Span(TypedDict):
    """A typed dictionary."""

    start: date
    length: NotRequired[timedelta]


class Model:
    """What looks like a model of pydantic."""

    def __init__(self, name: str, at: datetime) -> None:
        self.name = name
        self.at = at

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def model_dump(self, *, mode: str, by_alias: bool, round_trip: bool) -> dict[str, Any]:
        """What JSON has of it."""
        assert (mode, by_alias, round_trip) == ("json", True, True)
        return {"name": self.name, "at": self.at.isoformat()}

    @classmethod
    def model_validate(cls, value: dict[str, Any]) -> Model:
        """One of what JSON has."""
        return cls(value["name"], datetime.fromisoformat(value["at"]))


def everything(
    *,
    order: Order,
    orders: list[Order],
    prices: dict[str, Decimal],
    ages: dict[UUID, int],
    when: datetime | None,
    never: datetime | None,
    day: Annotated[date, "a comment"],
    hour: time,
    length: timedelta,
    either: int | date,
    colour: Colour,
    email: Email,
    point: Point,
    span: Span,
    raw: bytes,
    few: frozenset[date],
    pair: tuple[int, UUID],
    model: Model | None,
    bare,
    anything: Any,
    context: JobContext,
    **more: Decimal,
) -> dict[str, Any]:
    """What it was given, and of which types."""
    given = {name: value for name, value in locals().items() if name not in ("context", "more")} | more
    assert isinstance(context.kwargs["when"], str)
    return {"types": {name: type(value).__name__ for name, value in given.items()}, "given": given}


async def later(*, when: datetime) -> datetime:
    """A day later."""
    return when + timedelta(days=1)


def kind(*, value: datetime) -> str:
    """Of which type its argument is."""
    return type(value).__name__


def elsewhere(*, value: Elsewhere, plain: int = 0) -> str:
    """Annotated with what only type checkers know."""
    return type(value).__name__


def unknown(*, value: Callable[[], None]) -> None:
    """Annotated with what nothing can be made of."""


def unpacked(**more: Unpack[Span]) -> list[str]:
    """Annotated with a typed dictionary for further arguments."""
    return [type(value).__name__ for value in more.values()]


def _given(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def decorated(**kwargs: Any) -> Any:
        return function(extra=1, **kwargs)

    return decorated


@_given
def decorated(*, extra: int, when: datetime) -> str:
    """Its decorator gives it an argument."""
    return f"{extra} {type(when).__name__}"


class Callables:
    """Functions in a class."""

    @classmethod
    def of_class(cls, when: date) -> str:
        """A class method."""
        return f"{cls.__name__} {type(when).__name__}"

    @staticmethod
    def static(when: date) -> str:
        """A static method."""
        return type(when).__name__

    def __call__(self, *, when: date) -> str:
        """An object that can be called."""
        return type(when).__name__


an_object = Callables()
_tries: list[str] = []


def again(*, value: Decimal) -> list[str]:
    """Succeeds at the second attempt."""
    _tries.append(type(value).__name__)
    if len(_tries) == 1:
        raise Retry(after=0)
    found = _tries[:]
    _tries.clear()
    return found


def no_json() -> object:
    """Returns what is no JSON, and what nothing can be made of."""
    return {"at": date(2030, 1, 1), "that": no_json}


@job(json="typed", max_attempts=2)
def declared(*, when: date) -> date:
    """Its decorator says that its arguments are typed."""
    return when + timedelta(days=1)
