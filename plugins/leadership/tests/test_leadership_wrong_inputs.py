"""Wrong settings of the plugin, as people write them: each is refused in words to act on."""

from __future__ import annotations

import pytest

from chancy.errors import ConfigError
from chancy_leadership import Leadership  # noqa: F401 -- what rows are written with

WRONG = [
    ("Leadership(lease_s=0)", "lease_s is 0: give seconds from 0.5 to 3,600"),
    ("Leadership(lease_s='15')", "lease_s is '15': give a number"),
    ("Leadership(interval=20)", "interval is 20 … at most half of lease_s, which is 15"),
    ("Leadership(interval=0)", "interval is 0: give seconds from 0.01"),
    ("Leadership(poll_interval=5)", "Leadership(poll_interval=…) is unknown. Did you mean 'interval'?"),
    ("Leadership(60, 120)", "Leadership(60): settings are given by name"),
]


@pytest.mark.parametrize(("written", "says"), WRONG, ids=[written for written, _ in WRONG])
def test_a_wrong_setting_is_refused(written: str, says: str) -> None:
    """With its name, its value, and what to give; the parts stand between ` … `."""
    with pytest.raises(ConfigError) as caught:
        eval(written)
    for part in says.split(" … "):
        assert part in str(caught.value)
