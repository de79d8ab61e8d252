"""`Chancy`: its faces together."""

from __future__ import annotations

from typing import ClassVar

from chancy_core.app.pushes import Pushes
from chancy_core.app.queues import Queues
from chancy_core.values.queue import Executor


class Chancy(Pushes, Queues):
    """A job queue in one schema of one PostgreSQL database.

    ```python
    async with Chancy("postgresql://localhost/app") as chancy:
        reference = await chancy.push(Job.from_func(greet, kwargs={"name": "Alice"}))
    ```

    Use it with `async with`, or with plain `with` in code without asyncio: there the methods whose
    names begin with `sync_` work. One object serves many tasks; open it once a process.

    Args:
        dsn: where the database is. Without one, here, in `CHANCY_DSN` or in the configuration file:
            the embedded PostgreSQL, a private server for development.
        config: the configuration file; by default `chancy.toml` or `pyproject.toml` is looked for.
        plugins: plugins to add to those that are installed.
        settings: any other setting of `[chancy]`, by its name, such as `schema="billing"`.

    Raises:
        ConfigError: a setting that is unknown or out of range.
        PluginError: plugins that cannot be used; every problem of each.
    """

    Executor: ClassVar[type[Executor]] = Executor
