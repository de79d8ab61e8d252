"""What a plugin is."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Plugin(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, dict=True, weakref=True, eq=False):
    """The base of every plugin: a class with a name, its settings as typed fields, and hooks.

    ```python
    class Audit(Plugin):
        name = "audit"
        keep_days: int = 30  # a setting: [plugins.audit] keep_days = 7

        @hookimpl
        def on_push(self, jobs): ...
    ```

    The kernel builds it from its table in the configuration file; `__post_init__` may check the values together and
    raise ValueError.

    Attributes:
        name: also the name of its entry point, of its table, and the owner of its migrations.
        enforces: the limits of queues that its `claim_budget` enforces: "rate_limit", "global_concurrency".
        leader_only: whether `on_tick` is for the leader only.
        answer_within_s: how long the database may be silent while a tick waits for it, in seconds; then the connection
            is given up, and the tick is put off. None: nearly as long as a tick may take.
        interval: seconds between ticks; None: `on_tick` is not called.
        tick_timeout_s: how long one tick may take, in seconds.
    """

    name: ClassVar[str]
    enforces: ClassVar[frozenset[str]] = frozenset()
    leader_only: ClassVar[bool] = False
    answer_within_s: ClassVar[float | None] = None

    interval: float | None = None
    tick_timeout_s: float = 60.0

    def trouble(self) -> str | None:
        """What keeps the plugin from its work now, for people to see in its status; None: nothing. From memory."""
        return None
