"""Tags of queues that are given as a set."""

from __future__ import annotations

from configuring import settings


def test_a_set_of_tags_said_something_else_in_every_process(folder):
    """They are listed in one order, because what the settings say is compared with what another process applied."""
    found = settings(folder, queues={"a": {"tags": set("qwertyuiop")}, "b": {"tags": ("c", "a")}})
    assert found.queues == {"a": {"tags": sorted("qwertyuiop")}, "b": {"tags": ["c", "a"]}}
