"""What the fields of a job may hold, and what to say of anything else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias, get_args

from chancy_core.errors import InvalidJob
from chancy_core.values.ranges import EARLIEST, LATEST, MAX_ATTEMPTS, NAME_MAX_LENGTH, PRIORITY, Range

PRIORITY_MIN: Final = int(PRIORITY.low)
PRIORITY_MAX: Final = int(PRIORITY.high)
MAX_ATTEMPTS_MAX: Final = int(MAX_ATTEMPTS.high)
# What Python puts into the names of classes that are defined inside functions.
LOCALS: Final = "<locals>"
# So many characters of a wrong value are shown.
SHOWN_MAX: Final = 80

# What holds a unique key, and what becomes of a push whose key is taken.
UniqueWhile: TypeAlias = Literal["live", "waiting"]
OnConflict: TypeAlias = Literal["existing", "raise", "replace"]
_UNIQUE_WHILE: Final = get_args(UniqueWhile)
_ON_CONFLICT: Final = get_args(OnConflict)

# Names that have been checked; only so many, because anybody may make jobs of any name.
_GOOD_MAX: Final = 10_000
_good_funcs: Final[set[str]] = set()
_good_queues: Final[set[str]] = set()


def _remember(good: set[str], name: str) -> None:
    if len(good) < _GOOD_MAX:
        good.add(name)


def as_builtin(value: object) -> object:
    """The string or the number that a member of an enumeration is: it may print itself as something else."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__int__(value)
    return value


def shown(value: object) -> str:
    """A wrong value as an error shows it: not a page of it."""
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]} …"


def check_func(func: object) -> None:
    """Raise InvalidJob unless this is the name of a function. Many jobs are made of few names: good once is good."""
    if type(func) is str and func in _good_funcs:
        return
    check_text("func", func)
    name = str(func)
    if not all(map(str.isidentifier, name.replace(":", ".").split("."))):
        raise InvalidJob(f"func is {shown(func)}: give the dotted name of a function, as in 'package.module.function'.")
    _remember(_good_funcs, name)


def check_queue(queue: object) -> None:
    """Raise InvalidJob unless this may be the name of a queue."""
    if type(queue) is str and queue in _good_queues:
        return
    if hasattr(queue, "serves"):
        raise InvalidJob(f"queue is {shown(queue)}: give its name, {getattr(queue, 'name', None)!r}.")
    check_text("queue", queue)
    _remember(_good_queues, str(queue))


def check_text(field: str, value: object) -> None:
    """Raise InvalidJob unless a field holds a name that can be stored."""
    if not isinstance(value, str):
        raise InvalidJob(f"{field} is {shown(value)}: give a string.")
    if not value.strip():
        raise InvalidJob(f"{field} is empty: give it a name.")
    if len(value) > NAME_MAX_LENGTH:
        raise InvalidJob(f"{field} has {len(value)} characters ({value[:40]!r} …): the most is {NAME_MAX_LENGTH}.")
    if "\x00" in value:
        raise InvalidJob(f"{field} {shown(value)} contains a NUL character, which PostgreSQL cannot store.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidJob(
            f"{field} {shown(value)} contains a lone surrogate, which is not valid Unicode text."
        ) from None


def check_number(field: str, value: object, range_: Range) -> None:
    """Raise InvalidJob unless a field holds a number in its range."""
    if not range_.holds(value):
        raise InvalidJob(f"{field} is {shown(value)}: give {range_.expected}.")


def check_moment(field: str, value: object) -> None:
    """Raise InvalidJob unless a field holds None, or a moment that can be stored."""
    if value is not None:
        problem = moment_problem(value)
        if problem:
            raise InvalidJob(f"{field} {problem}")


def unique_while(value: object) -> UniqueWhile:
    """The word for what holds a unique key. Raises InvalidJob."""
    give = "'live' (the default: a job holds its unique key until it has ended) or 'waiting' (until it is started)"
    word: UniqueWhile = _word("unique_while", value, _UNIQUE_WHILE, give)
    return word


def on_conflict(value: object) -> OnConflict:
    """The word for what becomes of a push whose unique key is taken. Raises InvalidJob."""
    give = "'existing' (the default: the push returns the job that is there), 'raise', or 'replace' (while that waits)"
    word: OnConflict = _word("on_conflict", value, _ON_CONFLICT, give)
    return word


def _word(field: str, value: object, words: tuple[str, ...], give: str) -> Any:
    word = as_builtin(value)
    if word not in words:
        raise InvalidJob(f"{field} is {shown(value)}: give {give}.")
    return word


def dotted(cls: type) -> str:
    """The importable name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def exception_names(field: str, value: object) -> tuple[str, ...]:
    """The names of exceptions given as classes or as names; None is as good as none. Raises InvalidJob."""
    if value is None:
        return ()
    given = value if isinstance(value, tuple | list | set | frozenset) else (value,)
    names = []
    for one in given:
        if isinstance(one, type) and issubclass(one, BaseException):
            # Built-in ones go by the name everybody knows.
            names.append(one.__qualname__ if one.__module__ == "builtins" else dotted(one))
        elif isinstance(one, str) and all(part.isidentifier() or part == LOCALS for part in one.split(".")):
            names.append(one)
        else:
            raise InvalidJob(f"{field} has {shown(one)}: give exception classes, or their names.")
    return tuple(names)


def moment_problem(value: object) -> str | None:
    """What keeps `value` from being a moment that can be stored, as the end of a sentence; None if it is one."""
    if isinstance(value, timedelta):
        return (
            f"is {shown(value)}, which is no moment: give a datetime with a time zone, such as "
            "datetime.now(timezone.utc) + timedelta(hours=1)."
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (
            f"is {shown(value)}, which is no moment: give a datetime with a time zone, such as "
            f"datetime.now(timezone.utc) + timedelta(seconds={shown(value)})."
        )
    if not isinstance(value, datetime):
        return f"is {shown(value)}: give a datetime with a time zone."
    if value.utcoffset() is None:
        return (
            f"is {value.isoformat()}, without a time zone: say which moment is meant, as in "
            "datetime.now(timezone.utc) + timedelta(hours=1)."
        )
    if not EARLIEST <= value <= LATEST:
        return f"is {value.isoformat()}: give a moment from {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}."
    return None


def copied_dict(field: str, value: object) -> dict[str, Any]:
    """A copy of a mapping, so that changing the original later changes no job. Raises InvalidJob."""
    if type(value) is dict:
        return value.copy()
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidJob(f"{field} is {shown(value)}: give a mapping of names to JSON values.")
    return dict(value)
