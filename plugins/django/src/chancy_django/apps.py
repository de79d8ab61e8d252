"""The application, for `INSTALLED_APPS`."""

from __future__ import annotations

from django.apps import AppConfig


class ChancyConfig(AppConfig):
    """Chancy in a site: its schema comes with `migrate`, its checks with `check`, its pages with the admin."""

    name = "chancy_django"
    label = "chancy_django"
    verbose_name = "Chancy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register what Django calls."""
        from django.core.checks import Tags, register  # noqa: PLC0415 -- not before all applications are loaded
        from django.db.models.signals import post_migrate  # noqa: PLC0415

        from chancy_django.checks import check_deployment  # noqa: PLC0415
        from chancy_django.migrating import migrate  # noqa: PLC0415

        post_migrate.connect(migrate, sender=self, dispatch_uid="chancy_django")
        register(check_deployment, Tags.database, deploy=True)
