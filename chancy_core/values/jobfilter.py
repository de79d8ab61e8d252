"""Which jobs are meant: one value for the API, the command, the search box and a URL."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, Self, TypeAlias

import msgspec
from msgspec.structs import force_setattr

from chancy_core.errors import InvalidFilter, similar
from chancy_core.values import jobids, moments, paths, patterns
from chancy_core.values.filtertext import TEXT_MAX, Term, at, terms_in
from chancy_core.values.queuedjob import State
from chancy_core.values.spans import Span, span

Values: TypeAlias = tuple[str, ...]
# A word for several states.
_GROUPS: Final = {
    "live": tuple(state for state in State if not state.finished),
    "finished": tuple(state for state in State if state.finished),
}
# Each term of the language, and the field that it is.
_FIELDS: Final = {
    "id": "ids",
    "state": "states",
    "queue": "queues",
    "func": "funcs",
    "worker": "workers",
    "key": "keys",
    "tag": "tags",
    "error": "errors",
    "note": "notes",
    "attempts": "attempts",
    "priority": "priorities",
}
_MOMENTS: Final = ("since", "until")
_JSON: Final = ("kwargs", "meta")
_WORDS: Final = (*_FIELDS, *_MOMENTS, *(f"{column}.NAME" for column in _JSON))


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs are meant: those for which everything holds that it says. Without anything, all jobs.

    Where several values may be given, one of them has to hold. Texts are patterns: `*` is any text, `?` any character,
    and after a backslash each is itself. `str(filter)` is its text, and `JobFilter.parse` reads that again.

    Attributes:
        ids: ids of jobs, or how they begin.
        states: a `State`, or its word; `live` and `finished` are words for several.
        queues: names of queues.
        funcs: names of functions, such as `app.mail.*`.
        workers: names of workers, of the latest attempt.
        keys: unique keys.
        tags: tags of queues: the jobs of those that are declared with one.
        errors: what the type or the message of the latest error contains, whatever its case.
        notes: what the note contains, whatever its case.
        kwargs: by the path of an argument, `user.id`, what it is, as JSON has it: `{"user.id": 7}`.
        meta: the same of `meta`.
        since: when something happened to the job last: it finished, was started, or was pushed. This moment, or later.
            A `datetime` with a time zone, a `timedelta` (how long ago), or a text such as "2h", "14:00" or "today".
        until: the same, before this moment.
        attempts: how many attempts were started: a number, a `Span`, or a text such as ">2".
        priorities: the same of the priority.
        without: leaves out every job for which anything holds that this filter says.

    Raises:
        InvalidFilter: a value that none can be, and what would be right.
    """

    ids: Values = ()
    states: tuple[State, ...] = ()
    queues: Values = ()
    funcs: Values = ()
    workers: Values = ()
    keys: Values = ()
    tags: Values = ()
    errors: Values = ()
    notes: Values = ()
    kwargs: Mapping[str, Values] = {}
    meta: Mapping[str, Values] = {}
    since: datetime | timedelta | None = None
    until: datetime | timedelta | None = None
    attempts: tuple[Span, ...] = ()
    priorities: tuple[Span, ...] = ()
    without: JobFilter | None = None

    def __post_init__(self) -> None:
        for word, field in _FIELDS.items():
            given = getattr(self, field)
            if given != ():
                force_setattr(self, field, _read_all(word, given))
        for field in _JSON:
            force_setattr(self, field, _read_paths(field, getattr(self, field)))
        for field in _MOMENTS:
            given = getattr(self, field)
            if given is not None:
                read = moments.moment(given) if isinstance(given, str) else moments.checked(given)
                force_setattr(self, field, read)
        self._check_without()
        text = str(self)
        if len(text) > TEXT_MAX:
            raise InvalidFilter(f"The filter has {len(text):,} characters ({text[:40]} …): the most is {TEXT_MAX:,}.")

    @classmethod
    def parse(cls, text: str, *, now: datetime | None = None, zone: tzinfo = UTC) -> Self:
        """The filter that a text means, such as `state:failed func:app.mail.* error:Timeout since:2h`.

        Args:
            text: terms with spaces between them, `-` before one that must not hold. Empty: all jobs.
            now: what `14:00`, `today` and `yesterday` are relative to; None: this machine's clock.
            zone: the time zone of moments that name none.

        Raises:
            InvalidFilter: it is none: where, why, and what to write.
        """
        wanted: dict[str, Any] = {}
        unwanted: dict[str, Any] = {}
        for term in terms_in(text):
            with at(term.place, text):
                _take(term, unwanted if term.negated else wanted, now, zone)
        if unwanted:
            wanted["without"] = cls(**unwanted)
        return cls(**wanted)

    def __str__(self) -> str:
        return " ".join(self._terms(""))

    def __hash__(self) -> int:
        return hash(str(self))

    def _terms(self, sign: str) -> Iterable[str]:
        for word, field in _FIELDS.items():
            values = getattr(self, field)
            if values:
                yield f"{sign}{word}:{','.join(patterns.written(str(value)) for value in values)}"
        for field in _JSON:
            for path, values in getattr(self, field).items():
                yield f"{sign}{field}.{path}:{','.join(map(patterns.written, values))}"
        for field in _MOMENTS:
            value = getattr(self, field)
            if value is not None:
                yield f"{sign}{field}:{moments.moment_text(value)}"
        if self.without is not None:
            yield from self.without._terms("-")  # noqa: SLF001 -- it is one of these

    def _check_without(self) -> None:
        without = self.without
        if without is None:
            return
        if not isinstance(without, JobFilter):
            raise InvalidFilter(f"without is {without!r:.60}: give a JobFilter, or None.")
        if without.without is not None:
            raise InvalidFilter("without has a `without` of its own: say in the filter itself what must hold.")
        if without.since is not None or without.until is not None:
            raise InvalidFilter("without has a moment: instead of -since write until, and since instead of -until.")
        if without == JobFilter():
            force_setattr(self, "without", None)


def filter_of(given: JobFilter | str) -> JobFilter:
    """A filter that is given as such, or as its text. Raises InvalidFilter."""
    if isinstance(given, JobFilter):
        return given
    if isinstance(given, str):
        return JobFilter.parse(given)
    raise InvalidFilter(f"{given!r:.60} is no filter: give a JobFilter, or a text such as 'state:failed since:2h'.")


def _take(term: Term, into: dict[str, Any], now: datetime | None, zone: tzinfo) -> None:
    """Put a term to those that were read before it."""
    column, dot, path = term.word.partition(".")
    if column in _JSON:
        place = into.setdefault(column, {})
        name = paths.joined(paths.segments(column, path))
        if dot and name in place and not term.negated:
            raise _twice(term)
        place[name] = (*place.get(name, ()), *_each(term, lambda text: _json_pattern(term.word, text)))
    elif term.word in _MOMENTS:
        if term.negated:
            other = _MOMENTS[1 - _MOMENTS.index(term.word)]
            raise InvalidFilter(f"-{term.word} is written {other}: without the minus.")
        if term.word in into:
            raise _twice(term)
        if len(term.values) > 1:
            raise InvalidFilter(f"{term.word} takes one time.")
        (into[term.word],) = _each(term, lambda text: moments.moment(text, now=now, zone=zone))
    elif term.word in _FIELDS:
        field = _FIELDS[term.word]
        if field in into and not term.negated:
            raise _twice(term)
        read = _each(term, lambda text: _read(term.word, text))
        into[field] = (*into.get(field, ()), *_flat(read))
    else:
        raise InvalidFilter(
            f"there is no field {term.word!r}.{similar(term.word, _WORDS)} One of them is: {', '.join(_WORDS)}."
        )


def _each(term: Term, read: Callable[[str], Any]) -> list[Any]:
    found = []
    for place, value in term.values:
        with at(place, None):
            found.append(read(value))
    return found


def _twice(term: Term) -> InvalidFilter:
    return InvalidFilter(
        f"{term.word} stands there twice, and nothing is both: for either of two values write {term.word}:one,other."
    )


def _read_all(word: str, given: object) -> tuple[Any, ...]:
    single = isinstance(given, str | int | uuid.UUID | Span) or not isinstance(given, Iterable)
    each = [given] if single else given
    return tuple(dict.fromkeys(_flat(_read(word, one) for one in each)))  # type: ignore[attr-defined]


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def _read(word: str, value: object) -> Any:
    """One value of a term; for a word that stands for several, a list of these."""
    if word == "id":
        return jobids.checked(value)
    if word == "state":
        return _states(value)
    if word in ("attempts", "priority"):
        return span(word, value)
    return patterns.checked(word, value)


def _states(value: object) -> list[State]:
    word = str(value).lower() if isinstance(value, str) else repr(value)
    if word in _GROUPS:
        return list(_GROUPS[word])
    try:
        return [State(word)]
    except ValueError:
        known = [*(state.value for state in State), *_GROUPS]
        meant = similar(word, known)
        raise InvalidFilter(f"there is no state {word[:60]!r}.{meant} The states are: {', '.join(known)}.") from None


def _read_paths(column: str, given: object) -> dict[str, Values]:
    if not isinstance(given, Mapping):
        raise InvalidFilter(
            f'{column} is {given!r:.60}: give what its values are by their paths, as in {{"user.id": 7}}.'
        )
    found = {}
    for path, values in given.items():
        name = paths.joined(paths.segments(column, path))
        each = values if isinstance(values, list | tuple | set | frozenset) else [values]
        found[name] = tuple(dict.fromkeys(_json_pattern(f"{column}.{path}", value) for value in each))
        if not found[name]:
            raise InvalidFilter(f"{column}.{path} has no value: say what it is to be, '*' for anything at all.")
    return found


def _json_pattern(field: str, value: object) -> str:
    """What a value is compared with: its text, if it is one, else its JSON."""
    if value is None or isinstance(value, bool | int | float):
        return patterns.escaped(msgspec.json.encode(value).decode())
    return patterns.checked(field, value)
