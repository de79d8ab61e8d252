"""The table in the configuration file, and what is said about a wrong one."""

from __future__ import annotations

import pytest

from chancy.errors import ConfigError
from chancy.testing import configured
from chancy_pruner import Pruner

HOUR, DAY = 3600, 86_400


def from_toml(table) -> Pruner:
    return configured(Pruner, table)


def test_nothing_has_to_be_said():
    """The defaults, with widths chosen from them; what is not named keeps its default."""
    found = {one.state: (one.longest_s, one.width_s) for one in from_toml({}).retentions}
    assert found == {"succeeded": (DAY, 3 * HOUR), "failed": (14 * DAY, DAY), "cancelled": (DAY, 3 * HOUR)}
    (succeeded, failed, _) = from_toml({"keep": {"succeeded": "2h"}}).retentions
    assert (succeeded.longest_s, succeeded.width_s) == (2 * HOUR, 900)
    assert failed.longest_s == 14 * DAY


def test_forever_never_ends():
    """Neither by dropping nor by sweeping, though a shorter rule still does."""
    succeeded, failed, cancelled = from_toml(
        {
            "keep": {"succeeded": "forever", "failed": "forever"},
            "rules": [{"func": "a.*", "keep": {"failed": "1h", "cancelled": "forever"}}],
        }
    ).retentions
    assert (succeeded.longest_s, succeeded.shortest_s) == (None, None)
    assert (failed.longest_s, failed.shortest_s) == (None, HOUR)
    assert (cancelled.longest_s, cancelled.finer.shortest_s) == (None, DAY)


def test_what_is_kept_longest_waits_for_its_partition():
    """Only the rest is swept in partitions."""
    succeeded = from_toml({"rules": [{"queue": "x", "keep": {"succeeded": "1h"}}]}).retentions[0]
    assert [(rule.label, rule.keep_s) for rule in succeeded.finer.rules] == [
        ("queue x", HOUR), ("everything else", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"kepp": {}}, "plugins.pruner.kepp is unknown. Did you mean 'keep'?"),
        ({"keep": "1d"}, "plugins.pruner.keep is '1d': give a table."),
        ({"keep": {"succeded": "1d"}}, "keep.succeded is no outcome. Did you mean 'succeeded'?"),
        ({"keep": {"pending": "1d"}}, "keep.pending is no outcome."),
        ({"keep": {"failed": "1 fortnight"}}, "keep.failed is '1 fortnight': give a whole number and a unit"),
        ({"keep": {"failed": 14}}, "keep.failed is 14: give a whole number and a unit"),
        ({"keep": {"failed": "1s"}}, "keep.failed is '1s': give at least \"10s\"."),
        ({"width": {"failed": "forever"}}, "width.failed is 'forever': a partition must end some time."),
        ({"width": {"failed": "1m"}}, 'Give at least "6048s"'),
        ({"width": {"failed": "1s"}}, "width.failed is '1s': give at least \"10s\"."),
        ({"rules": [3]}, "rules[0] is 3: give a table"),
        ({"rules": [{"keep": {"failed": "1d"}}]}, "rules[0] names neither queue nor func"),
        ({"rules": [{"queue": "x"}]}, "rules[0].keep is missing"),
        ({"rules": [{"queue": "x", "keep": "1d"}]}, "rules[0].keep is '1d': give a table"),
        ({"rules": [{"queue": "x", "keep": {"failed": "x"}}]}, "rules[0].keep.failed is 'x': give a whole"),
        ({"rules": [{"ques": "x", "keep": {"failed": "1d"}}]}, "rules[0].ques is unknown. Did you mean 'queue'?"),
        ({"rules": [{"queue": "", "keep": {"failed": "1d"}}]}, "rules[0].queue is '': give a pattern"),
        ({"rules": [{"func": ["a", 1], "keep": {"failed": "1d"}}]}, "rules[0].func is ['a', 1]: give a pattern"),
        ({"rules": [{"func": [], "keep": {"failed": "1d"}}]}, "rules[0].func is []: give a pattern"),
        ({"rules": [{"func": 5, "keep": {"failed": "1d"}}]}, "rules[0].func is 5: give a pattern"),
        ({"rules": [{"func": "a", "name": 5, "keep": {"failed": "1d"}}]}, "rules[0].name is 5: give a text"),
        ({"interval": 0}, "interval is 0.0: give seconds from 0.01"),
        ({"interval": 3600}, "interval is 3600.0: give seconds from 0.01 to 60"),
        ({"lock_s": 0}, "lock_s is 0.0: give seconds from 0.001 to 60."),
        ({"batch_rows": 0}, "batch_rows is 0: give a whole number"),
        ({"pause_s": -1}, "pause_s is -1.0: give seconds from 0 to 10."),
    ],
)
def test_mistakes_are_told(table, told):
    """With the key's path, the value, and what to do."""
    with pytest.raises(ConfigError) as raised:
        from_toml(table)
    assert str(raised.value).startswith("chancy.toml: plugins.pruner")
    assert told in str(raised.value)
