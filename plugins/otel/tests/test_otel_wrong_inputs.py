"""Wrong settings of the plugin, as people write them: each is refused in words to act on."""

from __future__ import annotations

import pytest

from chancy.errors import ConfigError
from chancy_otel import Otel  # noqa: F401 -- what rows are written with

WRONG = [
    ("Otel(propagation=True)", "Otel(propagation=…) is unknown. Did you mean 'propagate'?"),
    ("Otel(propagate='yes')", "propagate is 'yes': give true or false"),
    ("Otel(relation='child')", "relation is 'child'"),
    ("Otel(True)", "Otel(True): settings are given by name"),
]


@pytest.mark.parametrize(("written", "says"), WRONG, ids=[written for written, _ in WRONG])
def test_a_wrong_setting_is_refused(written: str, says: str) -> None:
    """With its name, its value, and what to give; the parts stand between ` … `."""
    with pytest.raises(ConfigError) as caught:
        eval(written)
    for part in says.split(" … "):
        assert part in str(caught.value)
