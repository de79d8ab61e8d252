"""Discover plugins, configure them, check them, and put them in order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from chancy_core.config.offers import offers
from chancy_core.errors import ChancyError, ConfigError, PluginError, nearest
from chancy_core.plugins.base import Plugin
from chancy_core.plugins.check import problems
from chancy_core.plugins.known import advice
from chancy_core.plugins.mistakes import name_problem
from chancy_core.plugins.settings import WrongSetting, file_of, table_problem

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

GROUP: Final = "chancy"
P = TypeVar("P", bound=Plugin)


class Loaded(NamedTuple):
    """A plugin and where it came from.

    Attributes:
        name: the plugin's name.
        plugin: the plugin.
        origin: its distribution and version, or who added it.
    """

    name: str
    plugin: Plugin
    origin: str


def load_plugins(
    tables: Mapping[str, Mapping[str, Any]],
    added: Sequence[Plugin],
    order: Sequence[str],
    *,
    discover: bool,
    source: str,
) -> list[Loaded]:
    """The plugins in force, in the order in which their hooks are called.

    That is: those named in `order`, as it names them; then the others by name.

    Args:
        tables: the tables `[plugins.NAME]`.
        added: instances given by hand; they take precedence over an installed plugin of the same name.
        order: names that come first.
        discover: whether to look for installed plugins.
        source: where the tables were written, for errors.

    Raises:
        PluginError: plugins that cannot be used; every problem of each.
        ConfigError: a table for a plugin that is not there, or with a wrong setting.
    """
    wrong: list[str] = []
    if isinstance(added, Plugin | type | str | Mapping) or not isinstance(added, Iterable):
        raise PluginError(f"plugins={added!r:.200}: give a list of instances, as in plugins=[Audit()].")
    found = [_added(plugin) for plugin in added]
    taken = {loaded.name for loaded in found}
    points = _entry_points(wrong) if discover else {}
    _check_tables(tables, points, taken, source, discover=discover)
    for name, point in points.items():
        table = dict(tables.get(name, {}))
        if _enabled(table, f"{source}: plugins.{name}") and name not in taken:
            loaded = _installed(name, point, table, source, wrong)
            if loaded is not None:
                found.append(loaded)
    for loaded in found:
        wrong.extend(f"{_called(loaded)}: {problem}" for problem in problems(loaded.plugin))
    _check_twice([loaded.name for loaded in found], wrong)
    for name in order:
        if name not in {loaded.name for loaded in found} | set(points):
            raise ConfigError(f"{source}: plugin_order names {name!r}, which is no plugin.{advice(name, points)}")
    if wrong:
        raise PluginError("Plugins that cannot be used:\n" + "\n".join(f"  {line}" for line in wrong))
    ranks = {name: rank for rank, name in enumerate(order)}
    return sorted(found, key=lambda loaded: (ranks.get(loaded.name, len(ranks)), loaded.name))


def _entry_points(wrong: list[str]) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in offers(GROUP):
        other = found.get(point.name)
        if other is not None and (_origin(other), other.value) != (_origin(point), point.value):
            wrong.append(f"{point.name}: both {_origin(other)} and {_origin(point)} bring it: uninstall one.")
        found[point.name] = point
    return dict(sorted(found.items()))


def _origin(point: EntryPoint) -> str:
    dist = getattr(point, "dist", None)
    return f"{dist.name} {dist.version}" if dist is not None else point.value


def _check_tables(
    tables: Mapping[str, Any], points: Collection[str], taken: Collection[str], source: str, *, discover: bool
) -> None:
    for name in tables:
        if name in taken:
            raise ConfigError(
                f"{source}: [plugins.{name}] is not used, because the plugin {name!r} was given in code, by "
                "plugins=[…], with settings of its own: remove one of the two."
            )
        if name in points:
            continue
        if not discover:
            raise ConfigError(
                f"{source}: [plugins.{name}] is not used, because discover is off, so that no installed plugin is "
                "looked for: remove the table, or discover=False; or give the plugin in code, by plugins=[…]."
            )
        raise ConfigError(
            f"{source}: [plugins.{name}] is for a plugin that is not installed.{advice(name, [*points, *taken])}"
        )


def _enabled(table: dict[str, Any], where: str) -> bool:
    enabled = table.pop("enabled", True)
    if not isinstance(enabled, bool):
        raise ConfigError(f"{where}.enabled is {enabled!r:.60}: give true or false.")
    return enabled


def _called(loaded: Loaded) -> str:
    cls = type(loaded.plugin)
    return f"{loaded.name} ({loaded.origin}, {cls.__qualname__} in {file_of(cls.__module__)})"


def _installed(name: str, point: EntryPoint, table: dict[str, Any], source: str, wrong: list[str]) -> Loaded | None:
    where = f"{name} ({_origin(point)}, entry point {point.value})"
    try:
        cls = point.load()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        wrong.append(f"{where} does not import: {type(error).__name__}: {error}")
        return None
    if not (isinstance(cls, type) and issubclass(cls, Plugin)):
        kind = "a module" if isinstance(cls, ModuleType) else f"{cls!r:.80}"
        wrong.append(
            f"{where} is {kind}, and no class derived from chancy.Plugin: let the entry point name one, as in "
            f'{name} = "package.module:Class".'
        )
        return None
    where = f"{where}, in {file_of(cls.__module__)}"
    bad_name = name_problem(cls)
    if bad_name is not None:
        wrong.append(f"{where}: {bad_name}")
        return None
    if cls.name != name:
        wrong.append(
            f"{where}, calls itself {cls.name!r}, and its entry point {name!r}: both names must be the same. Change "
            "the one in the class, or the one in [project.entry-points.chancy], and install it again."
        )
        return None
    try:
        return Loaded(name, _configured(cls, table, f"{source}: plugins.{name}"), _origin(point))
    except ChancyError:
        raise
    except Exception as error:  # noqa: BLE001 -- somebody else's code
        wrong.append(f"{where}, cannot be made from its settings: {type(error).__name__}: {error}")
        return None


def configure(cls: type[P], table: Mapping[str, Any], source: str) -> P:
    """One plugin, made from its table and checked, whatever is installed.

    Raises:
        ConfigError: a setting that is unknown, or wrong.
        PluginError: a plugin that cannot be used; every problem.
    """
    bad_name = name_problem(cls)
    if bad_name is not None:
        raise PluginError(f"{cls.__qualname__} in {file_of(cls.__module__)}: {bad_name}")
    plugin = _configured(cls, dict(table), f"{source}: plugins.{cls.name}")
    loaded = Loaded(cls.name, plugin, source)
    wrong = [f"{_called(loaded)}: {problem}" for problem in problems(plugin)]
    if wrong:
        raise PluginError("\n".join(wrong))
    return plugin


def _configured(cls: type[P], table: dict[str, Any], where: str) -> P:
    fields = {field.encode_name for field in msgspec.structs.fields(cls)}
    for key in table:
        if key not in fields:
            raise ConfigError(f"{where}.{key} is unknown.{nearest(key, fields)}")
    try:
        return msgspec.convert(table, cls, strict=True)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, WrongSetting):
            # A setting of the file, or a default of the plugin: whose it is, the place says.
            raise ConfigError(f"{where}: {error.__cause__.told}") from None
        raise ConfigError(table_problem(str(error), table, where)) from None


def _added(plugin: object) -> Loaded:
    if isinstance(plugin, type) and issubclass(plugin, Plugin):
        raise PluginError(
            f"plugins=[{plugin.__qualname__}] gives the class ({file_of(plugin.__module__)}): give an instance, "
            f"{plugin.__qualname__}(), with its settings as arguments."
        )
    if not isinstance(plugin, Plugin):
        raise PluginError(f"plugins=[{plugin!r:.200}]: give instances of classes derived from chancy.Plugin.")
    bad_name = name_problem(type(plugin))
    if bad_name is not None:
        raise PluginError(f"plugins=[{type(plugin).__qualname__}(…)] ({file_of(type(plugin).__module__)}): {bad_name}")
    return Loaded(plugin.name, plugin, "added by hand")


def _check_twice(names: list[str], wrong: list[str]) -> None:
    wrong.extend(f"{name}: there are two of that name." for name in sorted({n for n in names if names.count(n) > 1}))
