"""A `Chancy` for commands that look: it loads no plugins, whose import would take longer than the look itself."""

from __future__ import annotations

from collections.abc import Sequence

from chancy_core.app import Chancy
from chancy_core.plugins import Loaded, Plugin


class Looking(Chancy):
    """As `Chancy`, without plugins, whatever is installed and whatever the settings say of them.

    Nor does it mind what plugins have or lack in the schema: whoever looks wants to see it as it is.
    """

    def _load_plugins(self, added: Sequence[Plugin]) -> list[Loaded]:  # noqa: ARG002 -- nobody gives any
        return []
