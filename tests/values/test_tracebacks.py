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
from raising import KINDS, caught, cause, group, mutual

from chancy_core.values import tracebacks
from chancy_core.values.raised import Raised
from chancy_core.values.tracebacks import PLACES_MAX, formatted


def expected(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


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
