"""Every kind of exception that a traceback may have to tell of, and how to catch one."""

from __future__ import annotations

import importlib
from collections.abc import Callable


def caught(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("it raised nothing")


class _Odd(Exception):  # noqa: N818
    """One whose text raises."""

    def __str__(self) -> str:
        raise ValueError("no text")


class _Silent(Exception):  # noqa: N818
    __module__ = None  # type: ignore[assignment]


class _Wordy(str):
    """A text that shows itself as another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "wordy"

    def __format__(self, spec: str) -> str:
        return "formatted"


class _SpeaksSo(Exception):  # noqa: N818
    def __str__(self) -> str:
        return _Wordy("it")


def simple() -> None:
    raise ValueError("it is wrong")


def several_lines() -> None:
    raise ValueError("it is wrong\n\nin more than one line ü \x00")


def no_message() -> None:
    raise ValueError


def odd() -> None:
    raise _Odd


def silent() -> None:
    raise _Silent("without a module")


def speaks() -> None:
    raise _SpeaksSo


def carets() -> None:
    numbers = {"a": {"b": None}}
    numbers["a"]["b"]["c"].append(1)


def carets_over_lines() -> None:
    int(
        "1",
    ) + len(
        None  # type: ignore[arg-type]
    )


def cause() -> None:
    try:
        simple()
    except ValueError as error:
        raise KeyError("because") from error


def context() -> None:
    try:
        simple()
    except ValueError:
        simple_in = {}
        simple_in["missing"]


def cut() -> None:
    try:
        simple()
    except ValueError:
        raise KeyError("alone") from None


def cause_without_traceback() -> None:
    raise KeyError("because") from ValueError("never raised")


def circle() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def notes() -> None:
    error = ValueError("noted")
    error.add_note("one\ntwo")
    error.add_note("three")
    raise error


def wrong_notes() -> None:
    error = ValueError("noted")
    error.__notes__ = 7  # type: ignore[assignment]
    raise error


def group() -> None:
    def one() -> None:
        cause()

    raise ExceptionGroup("several", [caught(one), caught(context), ExceptionGroup("in it", [caught(notes)])])  # type: ignore[list-item]


def wide_group() -> None:
    raise ExceptionGroup("many", [caught(simple) for _ in range(30)])  # type: ignore[misc]


def group_as_cause() -> None:
    try:
        group()
    except ExceptionGroup as error:
        raise ValueError("of a group") from error


def syntax() -> None:
    compile("a = = 1", "written.py", "exec")


def syntax_by_eval() -> None:
    eval("1 +")


def wrong_name() -> None:
    sample = 1
    sampel.append(sample)  # type: ignore[name-defined]  # noqa: F821


def wrong_attribute() -> None:
    [].apend(1)  # type: ignore[attr-defined]


def wrong_import() -> None:
    exec("from os import pathh", {})


def no_module() -> None:
    importlib.import_module("nowhere_at_all")


def endless() -> None:
    endless()


def mutual(left: int = 40) -> None:
    (simple if not left else mutual_too)(*([] if not left else [left - 1]))


def mutual_too(left: int) -> None:
    mutual(left)


def just_repeated(left: int = 3) -> None:
    if not left:
        raise ValueError("at the end")
    just_repeated(left - 1)


def once_more_than_shown() -> None:
    just_repeated(4)


def two_on_a_line() -> None:
    (lambda: (lambda: (lambda: (lambda: 1 / 0)())())())()  # noqa: PLC3002, PLW0108


def generated() -> None:
    exec(compile("def f():\n    raise ValueError('it')\nf()", "<string>", "exec"), {})


def by_c() -> None:
    sorted([1, 2], key=lambda one: one / 0)


def leaves() -> None:
    raise SystemExit(3)


KINDS = [
    simple,
    several_lines,
    no_message,
    odd,
    silent,
    speaks,
    carets,
    carets_over_lines,
    cause,
    context,
    cut,
    cause_without_traceback,
    circle,
    notes,
    wrong_notes,
    group,
    wide_group,
    group_as_cause,
    syntax,
    syntax_by_eval,
    wrong_name,
    wrong_attribute,
    wrong_import,
    no_module,
    endless,
    mutual,
    just_repeated,
    once_more_than_shown,
    two_on_a_line,
    generated,
    by_c,
    leaves,
]
