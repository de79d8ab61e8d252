"""Wrong settings of the plugin, as people write them: each is refused in words to act on."""

from __future__ import annotations

import pytest

from chancy.errors import ConfigError
from chancy_limits import Limits  # noqa: F401 -- what rows are written with

WRONG = [
    ("Limits(rate=5)", "Limits(rate=…) is unknown. Known: 'interval'"),
    ("Limits(interval='1')", "interval is '1': give seconds from 0.01"),
    ("Limits(5)", "Limits(5): settings are given by name"),
]


@pytest.mark.parametrize(("written", "says"), WRONG, ids=[written for written, _ in WRONG])
def test_a_wrong_setting_is_refused(written: str, says: str) -> None:
    """With its name, its value, and what to give; the parts stand between ` … `."""
    with pytest.raises(ConfigError) as caught:
        eval(written)
    for part in says.split(" … "):
        assert part in str(caught.value)
