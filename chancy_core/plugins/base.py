"""What a plugin is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

import msgspec

from chancy_core.errors import ConfigError, PluginError, nearest
from chancy_core.plugins.settings import check_settings, file_of


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class PluginType(msgspec.StructMeta):
    """The class of plugins' classes: tells of mistakes in a class statement, and checks settings when it is called.

    Whatever calls the class, code or the kernel with a table, checks the settings before the plugin's own
    `__post_init__` looks at them.
    """

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> PluginType:
        """Make the class of a plugin. Raises PluginError, with the file and what to write instead."""
        # Otherwise a class that is made by a call would be said to live here.
        namespace.setdefault("__module__", sys._getframe(1).f_globals.get("__name__", ""))  # noqa: SLF001
        where = f"The plugin class {name} in {file_of(namespace['__module__'])}"
        if "__init__" in namespace:
            raise PluginError(
                f"{where} has an __init__ of its own, which would never be called: make each of its arguments a "
                "setting, such as `keep_days: int = 30`, and do the rest in `__post_init__(self)`."
            )
        own = namespace.get("__post_init__")
        if own is not None:
            namespace["__post_init__"] = _settings_first(own)
        try:
            return super().__new__(mcls, name, bases, namespace, **options)
        except TypeError as error:
            # A setting whose default others could change, mostly.
            raise PluginError(f"{where} cannot be made: {error}") from None

    if not TYPE_CHECKING:  # where it would take the settings for anything

        def __call__(cls, *args: Any, **settings: Any) -> Any:
            """Make a plugin. Raises ConfigError for a setting that it does not have, or without its name."""
            if args:
                first = next(iter(getattr(cls, "__struct_fields__", ())), "interval")
                raise ConfigError(
                    f"{cls.__name__}({args[0]!r:.60}): settings are given by name, as in {cls.__name__}({first}=…)."
                )
            try:
                return super().__call__(**settings)
            except TypeError:
                fields = getattr(cls, "__struct_fields__", ())
                for name in settings:
                    if name not in fields:
                        raise ConfigError(f"{cls.__name__}({name}=…) is unknown.{nearest(name, fields)}") from None
                raise


def _settings_first(own: Callable[[Any], None]) -> Callable[[Any], None]:
    @wraps(own)
    def post_init(self: Any) -> None:
        # Not once more where a subclass calls `super().__post_init__()`: by then it may have put other things there.
        if type(self).__post_init__ is post_init:
            check_settings(self)
        own(self)

    return post_init


class Plugin(
    msgspec.Struct, metaclass=PluginType, kw_only=True, forbid_unknown_fields=True, dict=True, weakref=True, eq=False
):
    """The base of every plugin: a class with a name, its settings as typed fields, and hooks.

    ```python
    class Audit(Plugin):
        name = "audit"
        keep_days: int = 30  # a setting: [plugins.audit] keep_days = 7

        @hookimpl
        def on_push(self, jobs): ...
    ```

    The kernel builds it from its table in the configuration file; `__post_init__` may check the values together and
    raise ValueError. Their types are checked before that, also when the class is called in code.

    Attributes:
        name: also the name of its entry point, of its table, and the owner of its migrations.
        enforces: the limits of queues that its `claim_budget` enforces: "rate_limit", "global_concurrency".
        leader_only: whether `on_tick` is for the leader only.
        answer_within_s: how long the database may be silent while a tick waits for it, in seconds, from 0.01 to a day;
            then the connection is given up, and the tick is put off. None: nearly as long as a tick may take.
        ticks_in_tests: whether `on_tick` is called when a test runs its jobs (`Jobs.drain` of `chancy.testing`), by the
            clock of the test: for a plugin whose ticks move on what jobs have begun, and begin nothing by themselves.
        interval: seconds between ticks, from 0.01 to a year; None: `on_tick` is not called.
        tick_timeout_s: how long one tick may take, in seconds, from 0.01 to a day.
    """

    name: ClassVar[str]
    enforces: ClassVar[frozenset[str]] = frozenset()
    leader_only: ClassVar[bool] = False
    answer_within_s: ClassVar[float | None] = None
    ticks_in_tests: ClassVar[bool] = False

    interval: float | None = None
    tick_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        """Check the settings together, in a plugin that needs it."""

    def trouble(self) -> str | None:
        """What keeps the plugin from its work now, for people to see in its status; None: nothing. From memory."""
        return None
