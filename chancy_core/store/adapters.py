"""How values are written and read by the statements of Chancy: as psycopg does by default.

An application may register adapters for all of its connections: ids as text, JSON as something of its own, numbers as
Decimal. None of them takes part here, on whichever connection a statement runs.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.postgres import register_default_adapters, register_default_types
from psycopg.rows import TupleRow, tuple_row
from psycopg.types import TypesRegistry
from psycopg.types.array import register_all_arrays


@cache
def adapters() -> AdaptersMap:
    """The adapters that psycopg brings. Made once; nobody else has them."""
    types = TypesRegistry()
    register_default_types(types)
    made = AdaptersMap(types=types)
    register_default_adapters(made)
    register_all_arrays(made)
    return made


class OurAsyncCursor(psycopg.AsyncCursor[TupleRow]):
    """A cursor that neither the connection it is on nor the application has a say in."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(connection, row_factory=tuple_row)

    @property
    def adapters(self) -> AdaptersMap:
        """As psycopg's; always those of `adapters`."""
        return adapters()


class OurCursor(psycopg.Cursor[TupleRow]):
    """As `OurAsyncCursor`."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(connection, row_factory=tuple_row)

    @property
    def adapters(self) -> AdaptersMap:
        """As psycopg's; always those of `adapters`."""
        return adapters()
