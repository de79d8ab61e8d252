"""What a queue's limits leave, and what a worker is told of it."""

import pytest

from chancy import Budget
from chancy_limits.allowance import Allowance


@pytest.mark.parametrize(
    ("room", "budget"),
    [
        # Nothing has started yet: all may, and a window later again.
        (Allowance(50, None, 1.0, None), Budget(20, 1.0)),
        (Allowance(3, 0.4, 1.0, None), Budget(3, 0.4)),
        (Allowance(0, 0.4, 1.0, None), Budget(0, 0.4)),
        # Too soon to ask: what leaves the window a little later is taken together.
        (Allowance(0, 0.001, 1.0, None), Budget(0, 0.02)),
        (Allowance(0, 0.001, 3600.0, None), Budget(0, 0.1)),
        (Allowance(0, -0.5, 1.0, None), Budget(0, 0.02)),
        # The limit was lowered.
        (Allowance(-7, 0.4, 1.0, None), Budget(0, 0.4)),
        # When a running job will end, nobody knows.
        (Allowance(None, None, 1.0, 4), Budget(4, None)),
        (Allowance(None, None, 1.0, -2), Budget(0, None)),
        (Allowance(9, 0.4, 1.0, 4), Budget(4, None)),
        (Allowance(3, 0.4, 1.0, 4), Budget(3, 0.4)),
        (Allowance(0, 0.4, 1.0, 0), Budget(0, None)),
        # The limits were taken away just now.
        (Allowance(None, None, 1.0, None), Budget(20, None)),
    ],
)
def test_room_becomes_a_budget(room: Allowance, budget: Budget) -> None:
    """The tighter limit decides, and when to ask again is known of a rate only."""
    assert room.budget(20) == budget
