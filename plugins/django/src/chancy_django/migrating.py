"""`manage.py migrate` also makes and upgrades the schema of Chancy."""

from __future__ import annotations

from typing import Any

from chancy_django.applications import ours, passing


def migrate(*, using: str, verbosity: int = 1, stdout: Any = None, **_: Any) -> None:
    """Bring the schemas in a database up to date, with the tables of all plugins; after Django's own migrations.

    It is no migration of Django's, because what there is to do depends on which plugins are installed, today and
    after the next `pip install`; and it does nothing where nothing is missing.
    """
    done = set()
    for backend in ours():
        options = backend.settings
        if options.database != using or backend.driver_problem is not None or repr(options) in done:
            continue
        done.add(repr(options))
        with passing(options) as chancy:
            # Opening it may have made a schema that was missing.
            applied = [*chancy.migrated, *chancy.sync_migrate()]
        if verbosity >= 1 and stdout is not None:
            for migration in applied:
                stdout.write(
                    f"  Applied {migration.owner} {migration.version} to the schema {chancy.settings.schema}\n"
                )
