"""The settings, and what is said of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chancy.errors import ConfigError
from chancy.testing import configured
from chancy_doctor import Doctor
from chancy_doctor.thresholds import Thresholds

README = (Path(__file__).parents[1] / "README.md").read_text()
INHERITED = {"tick_timeout_s"}
NAMES = [name for name in Doctor.__struct_fields__ if name not in INHERITED]


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_documented_with_its_default(name):
    """The README has a row for each."""
    (row,) = re.findall(rf"^\| `{name}` \| .*$", README, re.MULTILINE)
    default = getattr(Doctor(), name)
    assert f"| {default:,} |" in row or f"| {default:,g} |" in row


def test_every_threshold_is_a_setting():
    """Checks go by nothing that nobody can set."""
    assert set(Thresholds._fields) <= set(NAMES)
    assert Doctor(wait_s=5).thresholds.wait_s == 5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "soon"])
def test_a_setting_out_of_range_is_refused_by_its_name(name, value):
    """A threshold of nothing would make a finding of everything."""
    with pytest.raises(ConfigError, match=name):
        configured(Doctor, {name: value})
