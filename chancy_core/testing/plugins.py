"""For tests of a plugin's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from chancy_core.plugins import Plugin
from chancy_core.plugins.load import configure

P = TypeVar("P", bound=Plugin)


def configured(cls: type[P], table: Mapping[str, Any], source: str = "chancy.toml") -> P:
    """The plugin, as the kernel makes it from its table `[plugins.NAME]`, and checked as it is when it is loaded.

    Args:
        cls: the plugin's class.
        table: what the file says.
        source: what the file is called in errors.

    Raises:
        ConfigError: a setting that is unknown, or wrong.
        PluginError: the class is no plugin that can be used; every problem.
    """
    return configure(cls, table, source)
