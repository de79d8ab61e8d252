"""What a queue's limits leave, and what a worker is told of it."""

import pytest

from chancy import Budget
from chancy_limits.room import Room


@pytest.mark.parametrize(
    ("room", "budget"),
    [
        # Nothing has started yet: all may, and a window later again.
        (Room(50, None, 1.0, None), Budget(20, 1.0)),
        (Room(3, 0.4, 1.0, None), Budget(3, 0.4)),
        (Room(0, 0.4, 1.0, None), Budget(0, 0.4)),
        # Too soon to ask: what leaves the window a little later is taken together.
        (Room(0, 0.001, 1.0, None), Budget(0, 0.02)),
        (Room(0, 0.001, 3600.0, None), Budget(0, 0.1)),
        (Room(0, -0.5, 1.0, None), Budget(0, 0.02)),
        # The limit was lowered.
        (Room(-7, 0.4, 1.0, None), Budget(0, 0.4)),
        # When a running job will end, nobody knows.
        (Room(None, None, 1.0, 4), Budget(4, None)),
        (Room(None, None, 1.0, -2), Budget(0, None)),
        (Room(9, 0.4, 1.0, 4), Budget(4, None)),
        (Room(3, 0.4, 1.0, 4), Budget(3, 0.4)),
        (Room(0, 0.4, 1.0, 0), Budget(0, None)),
        # The limits were taken away just now.
        (Room(None, None, 1.0, None), Budget(20, None)),
    ],
)
def test_room_becomes_a_budget(room: Room, budget: Budget) -> None:
    """The tighter limit decides, and when to ask again is known of a rate only."""
    assert room.budget(20) == budget
