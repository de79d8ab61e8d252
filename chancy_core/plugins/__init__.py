"""Discover, configure, check, order, and safely call plugins."""

from chancy_core.plugins.around import Around
from chancy_core.plugins.base import Plugin
from chancy_core.plugins.budget import Budget, Grant
from chancy_core.plugins.calling import HookAbandoned
from chancy_core.plugins.enforced import check_configured, check_limits
from chancy_core.plugins.host import PluginHost
from chancy_core.plugins.load import Loaded, load_plugins
from chancy_core.plugins.tick import Tick
from chancy_core.plugins.weather import HookPutOff

__all__ = [
    "Around",
    "Budget",
    "Grant",
    "HookAbandoned",
    "HookPutOff",
    "Loaded",
    "Plugin",
    "PluginHost",
    "Tick",
    "check_configured",
    "check_limits",
    "load_plugins",
]
