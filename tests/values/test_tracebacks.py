"""Tracebacks whose frames are remembered read as those of `traceback`, to the letter."""

import gc
import importlib
import linecache
import os
import sys
import traceback
import weakref
from collections.abc import Callable

import pytest

from chancy_core.values import tracebacks
from chancy_core.values.raised import Raised
from chancy_core.values.tracebacks import PLACES_MAX, formatted


def expected(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


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


@pytest.mark.parametrize("kind", KINDS)
def test_a_traceback_reads_as_pythons_own(kind):
    """The first time, and when its frames are remembered."""
    error = caught(kind)
    wanted = expected(error)
    assert [formatted(error) for _ in range(3)] == [wanted] * 3
    # And of a run of its own, in whose frames other things stand.
    again = caught(kind)
    assert formatted(again) == expected(again)


def test_one_that_was_never_raised_has_no_frames():
    error = ValueError("never raised")
    assert formatted(error) == expected(error)


def test_a_limit_of_frames_holds(monkeypatch):
    error = caught(mutual)
    for limit in (0, 2, -1):
        monkeypatch.setattr(sys, "tracebacklimit", limit, raising=False)
        assert formatted(error) == expected(error)


def test_what_is_remembered_is_not_made_again(monkeypatch):
    """The source is parsed once for each place, however often jobs fail there."""
    errors = [caught(cause), caught(cause), caught(group), caught(group)]
    wanted = [formatted(error) for error in errors]

    def never(*_: object, **__: object) -> list[str]:
        raise AssertionError("a frame was made anew")

    monkeypatch.setattr(traceback, "format_tb", never)
    assert [formatted(error) for error in errors] == wanted


def failing_module(folder, name, line):
    path = folder / f"{name}.py"
    path.write_text(f"def fail():\n    {line}\n", encoding="utf-8")
    return path


def test_a_source_that_changes_is_read_again(tmp_path, monkeypatch):
    """As `traceback` reads it; also where it has as many bytes as before, and where the module is loaded again."""
    path = failing_module(tmp_path, "changes_while_it_runs", "raise ValueError(1)  # once")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("changes_while_it_runs")
    first = formatted(caught(module.fail))
    assert first.count("once") == 1

    failing_module(tmp_path, "changes_while_it_runs", "raise ValueError(1)  # then")
    os.utime(path, (1, 1))
    error = caught(module.fail)
    assert formatted(error) == expected(error) == first.replace("once", "then")

    importlib.reload(module)
    failing_module(tmp_path, "changes_while_it_runs", "raise ValueError(1)  # longer")
    error = caught(module.fail)
    assert formatted(error) == expected(error) == first.replace("once", "longer")

    path.unlink()
    error = caught(module.fail)
    assert formatted(error) == expected(error)


def test_equal_code_of_two_files_is_told_apart(tmp_path, monkeypatch):
    """Code is equal that reads the same; whose line it is shows only the comment behind it."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("equal_code_one", "equal_code_two"):
        failing_module(tmp_path, name, f"raise ValueError(1)  # {name}")
    modules = [importlib.import_module(name) for name in ("equal_code_one", "equal_code_two")]
    assert modules[0].fail.__code__ == modules[1].fail.__code__
    for module in modules * 2:
        error = caught(module.fail)
        assert formatted(error) == expected(error)
        assert formatted(error).count(f"# {module.__name__}") == 1


def test_a_source_that_a_program_wrote_may_be_another_next_time():
    """What attrs, doctest and notebooks do: lines that are nowhere are put where tracebacks look for them."""
    scope: dict[str, Callable[[], object]] = {}
    name = "<written for a test>"
    exec(compile("def fail():\n    raise ValueError('it')\n", name, "exec"), scope)
    error = caught(scope["fail"])
    assert formatted(error) == expected(error)
    for word in ("first", "second"):
        lines = ["def fail():\n", f"    raise ValueError('it')  # {word}\n"]
        linecache.cache[name] = (len("".join(lines)), None, lines, name)
        assert formatted(error) == expected(error)
        assert word in formatted(error)


def test_what_is_remembered_is_bounded():
    """Also for a program that makes functions for ever."""
    for number in range(PLACES_MAX + 50):
        scope: dict[str, Callable[[], object]] = {}
        exec(f"def fail():\n    raise ValueError({number})", scope)
        formatted(caught(scope["fail"]))
        assert len(tracebacks._places) <= PLACES_MAX


def test_a_long_line_is_not_remembered(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    failing_module(tmp_path, "one_long_line", "raise ValueError(" + "'a' " * 2_000 + ")")
    error = caught(importlib.import_module("one_long_line").fail)
    assert formatted(error) == expected(error)
    assert all(len(place.text) <= tracebacks.TEXT_MAX for place in tracebacks._places.values())


class _Held:
    """What a frame holds."""


def test_nothing_of_a_run_is_held():
    """Only code is: what a failed job had in its variables goes when its exception does."""
    held = []

    def fails() -> None:
        mine = _Held()
        held.append(weakref.ref(mine))
        raise ValueError(1)

    error = caught(fails)
    formatted(error)
    del error
    gc.collect()
    assert held[0]() is None


def test_a_report_has_pythons_traceback():
    error = caught(cause)
    assert Raised.of(error).traceback == expected(error)
