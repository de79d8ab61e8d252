"""The plugin: what goes round each job of a worker that has Django."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final

from chancy.plugin import Plugin, hookimpl

NAME: Final = "django"
SETTINGS: Final = "DJANGO_SETTINGS_MODULE"


class DjangoPlugin(Plugin):
    """Closes Django's old connections round each job, in the thread, loop or process that runs it.

    In a child process it sets Django up, before anything of a job is imported. Where there is no Django, in a worker
    whose environment has no `DJANGO_SETTINGS_MODULE`, it does nothing.
    """

    name: ClassVar[str] = NAME

    def __post_init__(self) -> None:
        self._has_django = set_up()

    def __reduce__(self) -> tuple[Any, ...]:
        """As the copy in a child process is made, which then has Django."""
        return _made, ({name: getattr(self, name) for name in self.__struct_fields__},)

    @hookimpl
    def around_job(self) -> AbstractContextManager[None] | None:
        """Forget the queries of the job before, and close connections that are too old, or broken."""
        if not self._has_django:
            return None
        from chancy_django.connecting import Round  # noqa: PLC0415 -- not before Django is set up

        return Round()


def _made(settings: dict[str, Any]) -> DjangoPlugin:
    return DjangoPlugin(**settings)


def set_up() -> bool:
    """Set Django up, unless it is, and let workers run its tasks; whether there is any Django in this process."""
    from django.apps import apps  # noqa: PLC0415 -- as late as possible: workers without Django load the plugin too
    from django.conf import settings  # noqa: PLC0415

    if not settings.configured and not os.environ.get(SETTINGS):
        return False
    if not apps.ready and not getattr(apps, "loading", False):
        import django  # noqa: PLC0415

        django.setup()
    return True
