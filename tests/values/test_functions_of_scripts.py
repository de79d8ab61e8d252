"""What is said of a function in the script that was started: where, and only if it matters."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

from chancy import Job, job

# A worker imports it, and so do other tests.
WORKER = "chancy_core.worker"


def script() -> None: ...


@pytest.fixture
def in_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `script` be in a script that has not imported `Worker`."""
    monkeypatch.setattr(script, "__module__", "__main__")
    monkeypatch.delitem(sys.modules, WORKER, raising=False)


@pytest.mark.parametrize(
    "make", [lambda: job(script), lambda: job()(script), lambda: Job.from_func(script)], ids=["@job", "@job()", "Job"]
)
def test_a_decorator_without_parentheses_blamed_a_line_of_chancy(in_a_script, make):
    """The warning shows the line that the decorator stands in, however it is written."""
    with pytest.warns(UserWarning, match="script is defined in __main__") as told:
        make()
    assert [Path(one.filename) for one in told] == [Path(__file__)]


def test_a_script_that_runs_its_jobs_itself_was_warned(in_a_script, monkeypatch):
    """Its functions are found by its own worker."""
    monkeypatch.setitem(sys.modules, WORKER, sys)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        job(script)
