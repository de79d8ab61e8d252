"""What a run raised: one value for all executors, wherever the run was."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from chancy_core.errors import InvalidJob
from chancy_core.values.fields import dotted
from chancy_core.values.ranges import DELAY_S
from chancy_core.values.storable import TRACEBACK_MAX, clean, noted
from chancy_core.values.tracebacks import formatted
from chancy_core.values.verdicts import Cancel, Retry, Snooze, Verdict


class Wish(StrEnum):
    """How a job wants its run to end: which verdict it raised."""

    SNOOZE = "snooze"
    RETRY = "retry"
    CANCEL = "cancel"


class Advice(NamedTuple):
    """What is to become of a run that failed, if somebody has a say in it: the job by a verdict, or a plugin.

    Attributes:
        wish: a verdict's; None: whether it is tried again is for the job's own policy to say.
        delay_s: seconds until it is; None: as the job's backoff says.
        reason: a verdict's, in its own words.
    """

    wish: Wish | None = None
    delay_s: float | None = None
    reason: str = ""


_WISHES: Final[dict[type[Verdict], Wish]] = {Snooze: Wish.SNOOZE, Retry: Wish.RETRY, Cancel: Wish.CANCEL}


NO_ADVICE: Final = Advice()
# So many classes are remembered, with their names.
KINDS_MAX: Final = 256
_kinds: dict[int, tuple[type[BaseException], tuple[str, ...]]] = {}
# A class of exceptions, or the name of one.
Kind: TypeAlias = type[BaseException] | str


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """What a run raised, as a value that is the same whether the run was in this process or in another.

    Attributes:
        type: the name of the exception's class.
        message: its text, at most 2,000 characters.
        traceback: its traceback, at most 8,000 characters: the end, where the cause is.
        kinds: the names of its class and of every class that this one inherits from, each with and without its module.
        wish: which verdict it is, if it is one.
        delay_s: then: the seconds that it asks for; None: it leaves that to the job's backoff.
        exception: the exception itself, where it was raised in this process; None where it was raised in another.
    """

    type: str
    message: str
    traceback: str
    kinds: tuple[str, ...] = ()
    wish: Wish | None = None
    delay_s: float | None = None
    exception: BaseException | None = None

    def is_a(self, *kinds: Kind) -> bool:
        """Whether it is one of these exceptions, or inherits from one: classes, or their names."""
        for kind in kinds:  # noqa: SIM110 -- it is asked once a failure, and a generator costs as much as the rest
            if (kind if isinstance(kind, str) else dotted(kind)) in self.kinds:
                return True
        return False

    @staticmethod
    def of(error: BaseException) -> Raised:
        """What there is to say of an exception. Never raises, whatever the exception does when it is asked.

        A verdict whose delay is no time is told as the `InvalidJob` that it should have been.
        """
        wish, delay_s = _wish(error), None
        if wish in (Wish.SNOOZE, Wish.RETRY):
            delay_s = _delay_s(error)
            if not (DELAY_S.holds(delay_s) or (delay_s is None and wish is Wish.RETRY)):
                return Raised.of(_wrong_delay(error, delay_s))
        return Raised(
            type=noted(type(error).__name__),
            message=noted(_message(error)),
            traceback=clean(_traceback(error), TRACEBACK_MAX, keep_end=True),
            kinds=kinds_of(type(error)),
            wish=wish,
            delay_s=None if delay_s is None else float(delay_s),
            exception=error,
        )


def advice_of(raised: Raised) -> Advice:
    """What the job itself wants to become of its run: as the verdict that it raised says, if it was one."""
    return Advice(raised.wish, raised.delay_s, raised.message) if raised.wish is not None else NO_ADVICE


def kinds_of(cls: type[BaseException]) -> tuple[str, ...]:
    """The names by which `retry_on` and `give_up_on` may call an exception's class."""
    known = _kinds.get(id(cls))
    if known is not None:
        return known[1]
    kinds = tuple(dict.fromkeys(name for one in cls.__mro__ for name in (one.__qualname__, dotted(one))))
    if len(_kinds) >= KINDS_MAX:
        _kinds.clear()
    # The class is held, so that its identity stays its own. It is not asked for a hash, which may be of its own making.
    _kinds[id(cls)] = (cls, kinds)
    return kinds


def _wish(error: BaseException) -> Wish | None:
    if not isinstance(error, Verdict):
        return None
    return next((wish for kind, wish in _WISHES.items() if isinstance(error, kind)), None)


def _delay_s(error: BaseException) -> Any:
    try:
        return getattr(error, "delay_s", None)
    except Exception as broken:  # noqa: BLE001 -- a verdict may be of a job's own class
        return type(broken)


def _wrong_delay(error: BaseException, delay_s: object) -> InvalidJob:
    wrong = InvalidJob(
        f"{type(error).__name__} has {delay_s!r:.60} as its delay_s: give seconds from 0 to {DELAY_S.high:,}."
    )
    wrong.__cause__ = error
    return wrong


def _message(error: BaseException) -> str:
    try:
        # Not what a subclass of str says of itself.
        return str.__str__(str(error))
    except Exception as broken:  # noqa: BLE001 -- an exception whose text raises is still recorded
        return f"(its message could not be made: {type(broken).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        return formatted(error)
    except Exception as broken:  # noqa: BLE001
        return f"(its traceback could not be made: {type(broken).__name__})"
