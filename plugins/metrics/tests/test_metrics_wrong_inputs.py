"""Wrong settings of the plugin, as people write them: each is refused in words to act on."""

from __future__ import annotations

import pytest

from chancy.errors import ConfigError
from chancy_metrics import Metrics  # noqa: F401 -- what rows are written with

WRONG = [
    ("Metrics(port='9000')", "port is '9000': give a whole number, or leave it out"),
    ("Metrics(port=-1)", "port is -1: give a whole number from 0 to 65,535"),
    ("Metrics(port=70000)", "port is 70000: give a whole number from 0 to 65,535"),
    ("Metrics(host=5)", "host is 5: give a text"),
    ("Metrics(host='')", "host is empty: give an address"),
    ("Metrics(buckets_s=[])", "buckets_s is []: give seconds above 0"),
    ("Metrics(buckets_s=[2, 1])", "buckets_s is [2.0, 1.0] … each larger than the one before it"),
    ("Metrics(count_limit=0)", "count_limit is 0: give a whole number from 100"),
    ("Metrics(max_queues=-1)", "max_queues is -1: give a whole number from 1"),
    ("Metrics(prot=5)", "Metrics(prot=…) is unknown. Did you mean 'port'?"),
    ("Metrics(9000)", "Metrics(9000): settings are given by name"),
]


@pytest.mark.parametrize(("written", "says"), WRONG, ids=[written for written, _ in WRONG])
def test_a_wrong_setting_is_refused(written: str, says: str) -> None:
    """With its name, its value, and what to give; the parts stand between ` … `."""
    with pytest.raises(ConfigError) as caught:
        eval(written)
    for part in says.split(" … "):
        assert part in str(caught.value)
