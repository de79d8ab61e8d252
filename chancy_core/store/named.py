"""The statements of a package, run by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg.rows import RowFactory, dict_row, tuple_row
from psycopg.sql import Composable

from chancy_core.store.statements import read_statements, statement


class Statements:
    """The statements of a package, one in each file `NAME.sql`: run by name, on a connection that the caller holds.

    ```python
    SQL = Statements("acme_audit.sql")
    rows = await SQL.rows(connection, schema, "find_entries", since=moment)
    ```

    In a file, `{schema}` stands for the quoted schema, and `%(since)s` for the argument `since`. An argument that is a
    piece of SQL (`psycopg.sql.Identifier`, `Literal`) is filled in where the file has its name in braces: what must be
    part of the text, such as the name of a table, is given so.

    Args:
        package: the importable name of the folder with the files.
    """

    def __init__(self, package: str) -> None:
        self.package: Final = package

    def read_all(self, schema: str) -> None:
        """Read every file now, so that a process keeps the statements that belong to its code.

        Whoever upgrades an installation in place changes the files under the processes that run.
        """
        read_statements(schema, self.package)

    async def rows(
        self, connection: psycopg.AsyncConnection[Any], schema: str, name: str, /, **params: Any
    ) -> list[tuple[Any, ...]]:
        """Run the statement `name`.

        Returns:
            Its rows as tuples, whatever kind of rows the connection makes; none if the statement returns nothing.

        Raises:
            PluginError: the package has no such file; names the nearest one.
            psycopg.Error: the server refused it, or is away.
        """
        return await self._run(connection, schema, name, tuple_row, params)

    async def dicts(
        self, connection: psycopg.AsyncConnection[Any], schema: str, name: str, /, **params: Any
    ) -> list[dict[str, Any]]:
        """As `rows`, with a dict for each row."""
        return await self._run(connection, schema, name, dict_row, params)

    async def _run(
        self,
        connection: psycopg.AsyncConnection[Any],
        schema: str,
        name: str,
        row_factory: RowFactory[Any],
        params: Mapping[str, Any],
    ) -> list[Any]:
        text = statement(name, schema, self.package)
        bound = {}
        for key, value in params.items():
            if isinstance(value, Composable):
                text = text.replace(b"{%s}" % key.encode(), value.as_bytes(connection))
            else:
                bound[key] = value
        async with psycopg.AsyncCursor(connection, row_factory=row_factory) as cursor:
            await cursor.execute(text, bound or None)
            return await cursor.fetchall() if cursor.description else []
