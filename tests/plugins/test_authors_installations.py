"""What authors of plugins get wrong in how it is installed, given and set: told, with the cure."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from authors import Author

from chancy.errors import ConfigError


def test_an_entry_point_that_leads_to_the_module_is_told(author: Author) -> None:
    """Without `:Class`."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n', entry="audit = audit_plugin")
    error = author.error()
    assert "audit (acme-audit 1.0, entry point audit_plugin) is a module" in error
    assert 'audit = "package.module:Class"' in error


def test_the_class_instead_of_an_instance_is_told(author: Author) -> None:
    """With the file, and with what to write."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    error = author.error(discover=False, plugins=[author.written()])
    assert f"plugins=[Audit] gives the class ({author.file}): give an instance, Audit()" in error


def test_an_instance_or_a_class_without_a_list_is_told(author: Author) -> None:
    """`plugins=Audit()` instead of `plugins=[Audit()]`."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    for given in (author.written(), author.written()(), "audit"):
        assert "give a list of instances, as in plugins=[Audit()]" in author.error(discover=False, plugins=given)


def test_what_is_no_plugin_at_all_is_told(author: Author) -> None:
    """With its repr."""
    assert "plugins=['audit']: give instances of classes derived from chancy.Plugin" in author.error(plugins=["audit"])


def test_a_table_while_nothing_is_discovered_is_told(author: Author) -> None:
    """It is not the plugin that is missing, and so nothing about pip."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    error = author.error("[plugins.audit]\n", discover=False)
    assert "chancy.toml: [plugins.audit] is not used, because discover is off" in error
    assert "pip install" not in error


def test_a_table_for_a_plugin_that_is_given_in_code_is_told(author: Author) -> None:
    """Its settings would be ignored."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n    keep_days: int = 30\n')
    given = author.written()(keep_days=7)
    error = author.error("[plugins.audit]\nkeep_days = 1\n", plugins=[given])
    assert "[plugins.audit] is not used, because the plugin 'audit' was given in code" in error


@pytest.mark.parametrize("value", ['"no"', "0", "[]"])
def test_enabled_is_true_or_false(author: Author, value: str) -> None:
    """`enabled = "no"` turned it on."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    assert "plugins.audit.enabled is" in author.error(f"[plugins.audit]\nenabled = {value}\n")


def test_a_plugin_that_cannot_be_made_is_named(author: Author) -> None:
    """Its own check raises what is no ValueError."""
    author.writes(
        'class Audit(Plugin):\n    name = "audit"\n    def __post_init__(self):\n        {}["key"]\n',
    )
    error = author.error()
    assert "audit (acme-audit 1.0" in error
    assert "cannot be made from its settings: KeyError: 'key'" in error


SETTINGS = """
from enum import StrEnum

class Mode(StrEnum):
    FAST = "fast"

class Audit(Plugin):
    name = "audit"
    keep_days: int = 30
    queues: tuple[str, ...] = ()
    mode: Mode = Mode.FAST
    api_token: str = ""
    anything: Any = None

    def __post_init__(self):
        self.days_s = self.keep_days * 86400
"""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"keep_days": "7"}, "keep_days is '7': give a whole number."),
        ({"keep_days": True}, "keep_days is True: give a whole number."),
        ({"queues": "mail"}, "queues is 'mail': give a list."),
        ({"queues": ["mail", 3]}, "queues is ['mail', 3], and [1] in it: give a text."),
        ({"mode": "slow"}, "mode is 'slow': invalid enum value 'slow'."),
        ({"tick_timeout_s": "5"}, "tick_timeout_s is '5': give seconds from 0.01 to 86,400."),
        ({"tick_timeout_s": None}, "tick_timeout_s is None: give seconds"),
    ],
)
def test_a_wrong_setting_in_code_is_told(author: Author, given: dict[str, Any], told: str) -> None:
    """Where it is given: before the plugin's own check stumbles over it, and long before a hook does."""
    author.writes(SETTINGS)
    with pytest.raises(ConfigError) as caught:
        author.written()(**given)
    assert str(caught.value) == f"The plugin 'audit' (Audit in {author.file}): {told}" or told.endswith("seconds")
    assert told in str(caught.value)


def test_a_secret_is_not_shown(author: Author) -> None:
    """Errors end in logs."""
    author.writes(SETTINGS)
    with pytest.raises(ConfigError, match="api_token is") as caught:
        author.written()(api_token=b"hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_setting_in_code_is_what_the_file_would_have_made_of_it(author: Author) -> None:
    """A list for a tuple, a text for an enumeration; and what code alone can give stays the very object."""
    author.writes(SETTINGS)
    mark = object()
    made = author.written()(queues=["mail"], mode="fast", interval=5, anything=mark)
    assert made.queues == ("mail",)
    assert made.mode is importlib.import_module("audit_plugin").Mode.FAST
    assert made.anything is mark
    assert made.days_s == 30 * 86400


@pytest.mark.parametrize("value", [1e-9, -1, 0, float("nan"), float("inf"), True, "5"])
@pytest.mark.parametrize("name", ["interval", "tick_timeout_s"])
def test_times_have_a_range(author: Author, name: str, value: Any) -> None:
    """An interval of 1e-9 ticked 2,500 times a second."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    with pytest.raises(ConfigError) as caught:
        author.written()(**{name: value})
    assert f"The plugin 'audit' (Audit in {author.file}): {name} is {value!r}: give seconds from 0.01 to" in str(
        caught.value
    )


@pytest.mark.parametrize("value", ["0", "float('nan')", "'2'", "-1"])
def test_how_long_the_database_may_be_silent_has_a_range(author: Author, value: str) -> None:
    """It is an attribute of the class."""
    author.writes(f'class Audit(Plugin):\n    name = "audit"\n    answer_within_s = {value}\n')
    assert "answer_within_s is" in author.error()


def test_a_time_in_the_file_is_told_with_the_file(author: Author) -> None:
    """As any other setting."""
    author.writes('class Audit(Plugin):\n    name = "audit"\n')
    error = author.error("[plugins.audit]\ninterval = -1\n")
    assert error.endswith(
        "chancy.toml: plugins.audit: interval is -1.0: give seconds from 0.01 to 31,536,000, or None for no ticks."
    )
