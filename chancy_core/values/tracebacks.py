"""What `traceback.format_exception` gives, to the letter, at a fraction of its price.

Most of what a traceback costs is the text of its frames: for each of them the source is parsed, so that carets can show
which part of the line it was. Jobs fail again and again at the same places, so that text is remembered.
"""

from __future__ import annotations

import linecache
import os
import sys
import traceback
from collections.abc import Iterator
from types import CodeType, TracebackType
from typing import Any, Final, NamedTuple, TypeAlias

# So many places are remembered. Hardly any application raises in more; then they are made anew.
PLACES_MAX: Final = 2000
# A longer text, of a line that somebody's program wrote, is not remembered: all of them together take a few megabytes.
TEXT_MAX: Final = 4000
# As `traceback` has it: so many frames of the same line are shown, the others counted.
_REPEATED: Final = 3
_HEADER: Final = "Traceback (most recent call last):\n"
# Those that know more than a message: a place in a text, what somebody may have meant, other exceptions.
_SAY_MORE: Final = (SyntaxError, NameError, AttributeError, ImportError, BaseExceptionGroup)
# Classes of these modules are told of without the module's name.
_UNNAMED: Final = frozenset({"builtins", "__main__"})

# Where this project's own code is. A file of it may change only when it is installed anew, below a worker that runs.
OWN: Final = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")  # noqa: PTH100, PTH118, PTH120

# What tells one state of a source from another; None: it cannot be told, and its frames are not remembered.
_Version: TypeAlias = Any
# A source that is nowhere, such as that of `<string>`.
_NOWHERE: Final = "nowhere"


class _Place(NamedTuple):
    """What a frame at one place in the code reads.

    Attributes:
        code: the code, which is held so that its identity stays its own: equal code may be in another file.
        version: the state that its source was in.
        text: the text.
    """

    code: CodeType
    version: _Version
    text: str


_places: dict[tuple[int, int, int], _Place] = {}


class _Frames(traceback.StackSummary):
    """Frames whose text has been made already.

    Args:
        texts: the text of each.
    """

    def __init__(self, texts: list[str]) -> None:
        # Never read: `traceback` asks only whether there are any, and for their texts.
        super().__init__(texts)  # type: ignore[arg-type]
        self._texts = texts

    def format(self, **_: Any) -> list[str]:
        """The text of each."""
        return self._texts


def formatted(error: BaseException) -> str:
    """The traceback of an exception, with all that led to it, as `traceback.format_exception` has it."""
    if hasattr(sys, "tracebacklimit"):
        return "".join(traceback.format_exception(error))
    if _is_alone(error):
        frames = [] if error.__traceback__ is None else [_HEADER, *_texts(error.__traceback__, {})]
        return "".join(frames) + _named(error)
    # Without frames: what is left is quickly made, and differs from one Python to the next.
    told = traceback.TracebackException(type(error), error, error.__traceback__, limit=0, compact=True)
    versions: dict[str, _Version] = {}
    for one, found in _all_of(told, error):
        if found.__traceback__ is not None:
            one.stack = _Frames(_texts(found.__traceback__, versions))
    return "".join(told.format())


def _is_alone(error: BaseException) -> bool:
    """Whether there is nothing to tell but its frames, its class and its message."""
    return not (
        error.__cause__ is not None
        or (error.__context__ is not None and not error.__suppress_context__)
        or isinstance(error, _SAY_MORE)
        or getattr(error, "__notes__", None) is not None
    )


def _named(error: BaseException) -> str:
    """The last line of one that is alone."""
    kind = type(error)
    module: Any = kind.__module__
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 -- an exception may do what it likes when it is asked
        return "".join(traceback.format_exception_only(error))
    if not isinstance(module, str) or type(message) is not str:
        return "".join(traceback.format_exception_only(error))
    name = kind.__qualname__ if module in _UNNAMED else f"{module}.{kind.__qualname__}"
    return f"{name}: {message}\n" if message else f"{name}\n"


def _all_of(
    told: traceback.TracebackException, error: BaseException
) -> Iterator[tuple[traceback.TracebackException, BaseException]]:
    """Each exception that is told of, and what is told of it."""
    left: list[tuple[Any, Any]] = [(told, error)]
    while left:
        one, found = left.pop()
        yield one, found
        if one.__cause__ is not None:
            left.append((one.__cause__, found.__cause__))
        if one.__context__ is not None:
            left.append((one.__context__, found.__context__))
        if isinstance(found, BaseExceptionGroup):
            left.extend(zip(one.exceptions, found.exceptions, strict=True))


def _texts(first: TracebackType, versions: dict[str, _Version]) -> list[str]:
    """The text of each frame, and of those that are only counted.

    Args:
        first: the outermost one.
        versions: the states of the sources that have been looked at already.
    """
    texts: list[str] = []
    last: tuple[str, int, str] | None = None
    count = 0
    at: TracebackType | None = first
    while at is not None:
        code = at.tb_frame.f_code
        here = (code.co_filename, at.tb_lineno, code.co_name)
        if here == last:
            count += 1
        else:
            _add_repeated(count, texts)
            last, count = here, 1
        if count <= _REPEATED:
            texts.append(_text(at, code, versions))
        at = at.tb_next
    _add_repeated(count, texts)
    return texts


def _add_repeated(count: int, texts: list[str]) -> None:
    if count > _REPEATED:
        more = count - _REPEATED
        texts.append(f"  [Previous line repeated {more} more time{'s' if more > 1 else ''}]\n")


def _text(at: TracebackType, code: CodeType, versions: dict[str, _Version]) -> str:
    name = code.co_filename
    if name in versions:
        version = versions[name]
    else:
        version = versions[name] = _version(name)
    key = (id(code), at.tb_lasti, at.tb_lineno)
    place = _places.get(key)
    if place is not None and place.version == version is not None:
        return place.text
    text = "".join(traceback.format_tb(at, 1))
    if version is not None and len(text) <= TEXT_MAX:
        if len(_places) >= PLACES_MAX:
            _places.clear()
        _places[key] = _Place(code, version, text)
    return text


def _version(name: str) -> _Version:
    """The state of a source, by what `linecache` goes by when it decides whether to read it again."""
    if name.startswith(OWN):
        # Part of every traceback. What runs is what was there first, whatever lies there by now.
        return _NOWHERE
    invented = name.startswith("<") and name.endswith(">")
    if not invented:
        try:
            stat = os.stat(name)  # noqa: PTH116 -- a path object costs more than the call
        except (OSError, ValueError):
            pass
        else:
            return stat.st_mtime_ns, stat.st_size
    # A module of an archive, or code that a program wrote: it is read once, or was put there by whoever wrote it.
    entry: Any = linecache.cache.get(name)
    if entry is not None:
        return entry if len(entry) > 1 and entry[1] is None else None
    return _NOWHERE if invented else None
