"""Somebody looks at a page, or does something there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chancy import Chancy
from chancy.plugin import WebColumn
from chancy_dashboard.door.access import Access
from chancy_dashboard.door.redacting import Redaction
from chancy_dashboard.reading.connections import Reader

NOBODY: Final = Access("", ())


class Visiting:
    """A visit, as plugins know it (`chancy.plugin.Visit`), and what the dashboard's own pages know beside that.

    Attributes:
        chancy: the application; read-only, except in actions.
        path: what filled in the braces of the page's path.
        query: what stands in the address after `?`.
        form: what was sent.
        user: who it is.
        access: what he may do.
        source: from where he comes, for the audit.
        patient: whether he would rather wait than be told of what is not known yet, as a program would.
        reader: the dashboard's connections.
        columns: what plugins bring for tables of jobs, by what stands in the address, `PLUGIN:NAME`.
    """

    def __init__(
        self,
        chancy: Chancy,
        access: Access,
        redaction: Redaction,
        reader: Reader,
        *,
        columns: Mapping[str, WebColumn],
        path: Mapping[str, str],
        query: Sequence[tuple[str, str]] = (),
        form: Sequence[tuple[str, str]] = (),
        source: str = "",
        patient: bool = False,
    ) -> None:
        self.chancy: Final = chancy
        self.access: Final = access
        self.source: Final = source
        self.patient: Final = patient
        self.reader: Final = reader
        self.columns: Final = columns
        self.path: Final = dict(path)
        self.query: Final = dict(query)
        self.form: Final = dict(form)
        self._query: Final = tuple(query)
        self._form: Final = tuple(form)
        self._redaction: Final = redaction

    @property
    def user(self) -> str:
        """Who it is, for people to read."""
        return self.access.user

    def all(self, name: str) -> list[str]:
        """Every value of one name in the form, or in the address where nothing was sent."""
        return [value for key, value in (self._form or self._query) if key == name]

    @property
    def sent(self) -> list[tuple[str, str]]:
        """The fields that were sent, each with every value."""
        return list(self._form)

    def may(self, permission: str, queue: str | None = None) -> bool:
        """Whether he may do something: in this queue, or, without a queue, in all."""
        return self.access.may(permission, queue)

    def may_somewhere(self, permission: str) -> bool:
        """Whether there is any queue in which he may do it."""
        return self.access.may_somewhere(permission)

    def redacted(self, value: Any) -> Any:
        """A value without what its keys say is secret."""
        return self._redaction(value)

    def anonymous(self, *, patient: bool = False) -> Visiting:
        """The same without who it is, for what is looked up once for everybody."""
        return Visiting(
            self.chancy,
            NOBODY,
            self._redaction,
            self.reader,
            columns=self.columns,
            path=self.path,
            query=self._query,
            patient=patient,
        )

    @property
    def key(self) -> tuple[Any, ...]:
        """What distinguishes it from other visits to the same page, whoever comes."""
        return (*sorted(self.path.items()), *sorted(self._query))
