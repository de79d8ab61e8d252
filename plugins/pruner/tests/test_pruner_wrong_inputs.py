"""Wrong settings of the plugin, as people write them: each is refused in words to act on."""

from __future__ import annotations

from datetime import timedelta  # noqa: F401 -- what rows are written with

import pytest

from chancy import ChancyError
from chancy_pruner import Pruner  # noqa: F401

WRONG = [
    ("Pruner(keep='1d')", "keep is '1d': give a table"),
    ("Pruner(keep={'succeeded': '1x'})", "keep.succeeded is '1x' … a unit (s, m, h, d or w)"),
    ("Pruner(keep={'succeeded': 5})", "keep.succeeded is 5 … a whole number and a unit"),
    ("Pruner(keep={'succeeded': timedelta(days=1)})", 'keep.succeeded is datetime.timedelta … such as "36h"'),
    ("Pruner(keep={'succeeded': '-1d'})", "keep.succeeded is '-1d'"),
    ("Pruner(keep={'done': '1d'})", "keep.done is no outcome … succeeded, failed, cancelled"),
    ("Pruner(rules='x')", "rules is 'x': give a list"),
    ("Pruner(rules=[5])", "rules[0] is 5: give a table"),
    ("Pruner(rules=[{}])", "rules[0] names neither queue nor func"),
    ("Pruner(rules=[{'func': 5, 'keep': {'succeeded': '1d'}}])", "rules[0].func is 5: give a pattern"),
    ("Pruner(rules=[{'fnuc': 'x', 'keep': {'succeeded': '1d'}}])", "rules[0].fnuc is unknown. Did you mean 'func'?"),
    ("Pruner(width={'failed': 'x'})", "width.failed is 'x'"),
    ("Pruner(interval=0)", "interval is 0: give seconds from 0.01"),
    ("Pruner(batch_rows=0)", "batch_rows is 0: give a whole number from 1 to 100,000"),
    ("Pruner(lock_s='1s')", "lock_s is '1s': give a number"),
    ("Pruner(pause_s=-1)", "pause_s is -1: give seconds from 0 to 10"),
    ("Pruner(poll_interval=10)", "Pruner(poll_interval=…) is unknown. Did you mean 'interval'?"),
    ("Pruner(3600)", "Pruner(3600): settings are given by name"),
]


@pytest.mark.parametrize(("written", "says"), WRONG, ids=[written for written, _ in WRONG])
def test_a_wrong_setting_is_refused(written: str, says: str) -> None:
    """With its name, its value, and what to give; the parts stand between ` … `."""
    with pytest.raises(ChancyError) as caught:
        eval(written)
    for part in says.split(" … "):
        assert part in str(caught.value)
