"""The first line of `chancy top`."""

from __future__ import annotations

import pytest
from rich.console import Console

from chancy_doctor.top.picture import Picture, Slow
from chancy_doctor.top.screen import screen
from chancy_doctor.top.view import View

SERVER = {"connections": 1, "connections_max": 100, "notify_share": 0.0, "frozen_age": 0}


@pytest.mark.parametrize(("missed", "said"), [(False, "● nothing is wrong"), (True, "● nothing was found (not all")])
def test_nothing_is_said_to_be_right_that_was_not_looked_at(missed, said):
    """Where there was no time for all checks, the screen does not say that nothing is wrong."""
    slow = Slow(at=0.0, failures=[], findings=[], missed=missed, out_s={}, waiting={})
    console = Console(width=200, no_color=True)
    with console.capture() as caught:
        console.print(screen("here", Picture(0.0, slow, [], [], SERVER), View(), every_s=0, height=100))
    assert said in caught.get().partition("\n")[0]
