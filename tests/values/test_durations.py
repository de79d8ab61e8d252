"""Durations."""

from __future__ import annotations

import pytest

from chancy.errors import ConfigError
from chancy.plugin import duration_s, duration_text


@pytest.mark.parametrize(
    ("text", "length_s"),
    [("90s", 90), ("15m", 900), ("36h", 129_600), ("14d", 1_209_600), ("2w", 1_209_600), ("forever", None)],
)
def test_durations_are_read(text, length_s):
    """A number and a unit."""
    assert duration_s("keep.failed", text, least_s=10) == length_s


@pytest.mark.parametrize("text", ["", "14", "d", "-1d", "1.5h", "1d12h", "1 day", "1D", "٣d", 14, None, True, "1d\n"])
def test_what_is_no_duration_is_refused_in_words(text):
    """With the key, the value and the way out."""
    with pytest.raises(ConfigError, match=r"keep\.failed is .*: give a whole number and a unit"):
        duration_s("keep.failed", text, least_s=10)


def test_durations_have_bounds():
    """Neither shorter than makes sense nor longer than a calendar."""
    with pytest.raises(ConfigError, match='at least "10s"'):
        duration_s("k", "9s", least_s=10)
    with pytest.raises(ConfigError, match="more than a hundred years"):
        duration_s("k", "999999999999w", least_s=10)


def test_durations_are_shown_in_the_largest_whole_unit():
    """As people would write them."""
    assert [duration_text(s) for s in (90, 900, 129_600, 1_209_600, 86_400, None)] == [
        "90s", "15m", "36h", "14d", "1d", "forever",
    ]  # fmt: skip
