"""The plugin, as a Chancy has it."""

from __future__ import annotations

from chancy import Chancy
from chancy.errors import PluginError
from chancy.plugin import Plugin


def check(chancy: Chancy) -> Plugin:
    """The plugin of this Chancy. Raises PluginError if it has none, SchemaError if the schema does not fit."""
    if not isinstance(chancy, Chancy):
        raise PluginError(f"chancy is {chancy!r:.80}: give the Chancy that has the plugin cron.")
    plugin = next((loaded.plugin for loaded in chancy.plugins.loaded if loaded.name == "cron"), None)
    if plugin is None:
        raise PluginError(
            "This Chancy does not have the plugin cron: install chancy-cron and leave it enabled, or give "
            "Chancy(plugins=[Cron()])."
        )
    chancy.check_schema()
    return plugin
