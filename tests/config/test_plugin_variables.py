"""Settings of plugins by variables: `CHANCY_PLUGINS__METRICS__PORT` is what `[plugins.metrics] port` is."""

from __future__ import annotations

import pytest
from configuring import settings, write
from support import captured_events

from chancy import Chancy
from chancy.errors import ChancyError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9000", 9000),
        ("0.5", 0.5),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('{ a = "b" }', {"a": "b"}),
        ("0.0.0.0", "0.0.0.0"),
        ('"9000"', "9000"),
        ("a text", "a text"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_a_value_is_typed_as_in_the_file(folder, text, value):
    """What is no value there is a text without quotes."""
    found = settings(folder, {"CHANCY_PLUGINS__METRICS__SOME_KEY": text})
    assert found.plugins == {"metrics": {"some_key": value}}
    assert found.sources["plugins.metrics.some_key"] == "CHANCY_PLUGINS__METRICS__SOME_KEY"


def test_a_variable_wins_over_the_file_key_by_key(folder):
    """What the variables do not name stays as the file has it."""
    write(folder, "[plugins.metrics]\nport = 1\nhost = 'h'")
    found = settings(folder, {"CHANCY_PLUGINS__METRICS__PORT": "2", "CHANCY_PLUGINS__SIZE_LIMIT__MAX_BYTES": "3"})
    assert found.plugins == {"metrics": {"port": 2, "host": "h"}, "size_limit": {"max_bytes": 3}}


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("CHANCY_PLUGINS__METRCS__PORT", "CHANCY_PLUGINS__METRCS__PORT: [plugins.metrcs] is for a plugin that is not"),
        ("CHANCY_PLUGINS__METRICS__PROT", "'port'"),
    ],
)
def test_an_unknown_plugin_or_setting_is_told(monkeypatch, variable, told):
    """With the name of the variable, or the setting that was meant."""
    pytest.importorskip("chancy_metrics")
    monkeypatch.setenv(variable, "9000")
    with pytest.raises(ChancyError) as refused:
        Chancy("dbname=nowhere", discover=True)
    assert variable in str(refused.value)
    assert told in str(refused.value)


def test_a_wrong_value_is_told(monkeypatch):
    """By the plugin, as one from a file."""
    pytest.importorskip("chancy_metrics")
    monkeypatch.setenv("CHANCY_PLUGINS__METRICS__PORT", "many")
    with pytest.raises(ChancyError, match=r"(?s)CHANCY_PLUGINS__METRICS__PORT.*port"):
        Chancy("dbname=nowhere", discover=True)


@pytest.mark.parametrize(
    "variable",
    [
        "CHANCY_PLUGINS_METRICS_PORT",
        "CHANCY_PLUGIN__METRICS__PORT",
        "CHANCY_PLUGINS__METRICS",
        "CHANCY_PLUGINS__METRICS__",
        "CHANCY_PLUGINS__metrics__port",
    ],
)
def test_a_variable_that_is_spelled_otherwise_is_told(folder, variable):
    """A warning, because others may use the prefix; never with the value."""
    with captured_events() as logs:
        found = settings(folder, {variable: "secret-value"})
    assert found.plugins == {}
    [entry] = logs
    assert (entry["event"], entry["variable"]) == ("variable_ignored", variable)
    assert "CHANCY_PLUGINS__METRICS__PORT" in entry["hint"]
    assert "secret-value" not in str(logs)
