"""The Chancy of each backend: one for the process, whichever thread asks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from chancy import Chancy
from chancy_django.compat import DEFAULT_TASK_BACKEND_ALIAS, task_backends
from chancy_django.options import Options

if TYPE_CHECKING:
    from chancy_django.backend import ChancyBackend

_made: Final[dict[tuple[str, str], Chancy]] = {}
_making: Final = threading.Lock()


def get_chancy(alias: str = DEFAULT_TASK_BACKEND_ALIAS) -> Chancy:
    """The Chancy behind a backend of `TASKS`, for what the contract of Django's tasks has no word for.

    ```python
    get_chancy().sync_cancel_job(result.id)
    ```

    Args:
        alias: the backend's name in `TASKS`.

    Raises:
        ImproperlyConfigured: there is no such backend, or it is none of Chancy.
    """
    return backend_of(alias).chancy


def backend_of(alias: str = DEFAULT_TASK_BACKEND_ALIAS) -> ChancyBackend:
    """The backend of that name. Raises as `get_chancy`."""
    from chancy_django.backend import ChancyBackend, not_ours  # noqa: PLC0415 -- it needs this module

    found = task_backends[alias]
    if not isinstance(found, ChancyBackend):
        raise not_ours(alias, found)
    return found


def settings_of(options: Options) -> dict[str, Any]:
    """What is given to `Chancy`: the database as Django is connected to it, which in a test is another one."""
    # A copy: of a dict that Django's test runner changes.
    return {**options.settings, "dsn": dict(connections[options.database].settings_dict)}


def chancy_of(options: Options) -> Chancy:
    """The Chancy for a backend with these options; backends with the same ones share it."""
    settings = settings_of(options)
    key = (
        repr({name: settings["dsn"].get(name) for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}),
        repr(options),
    )
    found = _open(key)
    if found is None:
        with _making:
            found = _open(key)
            if found is None:
                found = _made[key] = Chancy(**settings)
    return found


def _open(key: tuple[str, str]) -> Chancy | None:
    """The one that was made; None if there is none, or somebody closed it: a test did, for the sake of its database."""
    found = _made.get(key)
    return None if found is None or found.opening.is_closed else found


def passing(options: Options, **more: Any) -> Chancy:
    """Make a Chancy for one errand, the length of a `with` block: it leaves no connection behind.

    Those of the process would keep Django's test runner from dropping its database.
    """
    return Chancy(**{**settings_of(options), **more})


def ours() -> list[ChancyBackend]:
    """All backends of `TASKS` that are Chancy's."""
    from chancy_django.backend import ChancyBackend  # noqa: PLC0415 -- it needs this module

    return [backend for backend in task_backends.all() if isinstance(backend, ChancyBackend)]


def first() -> ChancyBackend:
    """The backend whose jobs are shown: `default`, if that is Chancy's, or else the first that is.

    Raises:
        ImproperlyConfigured: none is.
    """
    found = ours()
    if not found:
        return backend_of()
    return next((backend for backend in found if backend.alias == DEFAULT_TASK_BACKEND_ALIAS), found[0])
