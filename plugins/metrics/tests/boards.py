"""What the boards and the alert rules say, for the tests that hold it to the plugin."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from chancy_metrics.commands import read

METRIC = re.compile(r"\bchancy_[a-z_]+\b")
# What Grafana fills in.
FILLED = {"$__rate_interval": "5m", "$queue": ".*"}


def panels(name: str) -> list[dict[str, Any]]:
    """The panels of a board that show something."""
    return [panel for panel in json.loads(read(name))["panels"] if panel["type"] != "row"]


def targets(name: str, field: str) -> Iterator[tuple[str, str]]:
    """What each panel asks for, with the panel's title."""
    for panel in panels(name):
        for target in panel["targets"]:
            yield panel["title"], target[field]


def filled(expression: str) -> str:
    """As Prometheus gets it."""
    for name, value in FILLED.items():
        expression = expression.replace(name, value)
    return expression
