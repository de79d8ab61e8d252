"""What is said of a function in the script that was started: where, and only if it matters."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

from chancy import Job, Worker, job


def script() -> None: ...


@pytest.fixture
def in_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `script` be in a script that has not imported `Worker`, although others have: this file, as plugins do."""
    monkeypatch.setattr(script, "__module__", "__main__")


@pytest.mark.parametrize(
    "make", [lambda: job(script), lambda: job()(script), lambda: Job.from_func(script)], ids=["@job", "@job()", "Job"]
)
def test_a_warning_blamed_a_line_of_chancy_or_was_left_out_beside_plugins(in_a_script, make):
    """The warning shows the line that the decorator stands in, however it is written, and whoever imports `Worker`."""
    with pytest.warns(UserWarning, match="script is defined in __main__") as told:
        make()
    assert [Path(one.filename) for one in told] == [Path(__file__)]


def test_a_script_that_runs_its_jobs_itself_was_warned(in_a_script, monkeypatch):
    """Its functions are found by its own worker."""
    monkeypatch.setattr(sys.modules["__main__"], "Worker", Worker, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        job(script)
