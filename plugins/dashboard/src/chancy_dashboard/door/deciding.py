"""Who comes in, and what he may do: decided for each request, before anything is looked up."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from chancy.errors import ChancyError, ConfigError
from chancy.plugin import WebColumn
from chancy_dashboard.door.access import Access
from chancy_dashboard.door.guard import is_local
from chancy_dashboard.door.redacting import Redaction
from chancy_dashboard.door.visit import Visiting
from chancy_dashboard.reading.connections import Reader

Answer = Access | Response | None
Authorize = Callable[[Request], Answer | Awaitable[Answer]]
NUL: Final = "\x00"
#: Who comes from this machine itself where nobody else decides.
LOCAL: Final = Access("local", "*")


class Refused(NamedTuple):
    """Why somebody may not.

    Attributes:
        status: of HTTP.
        what: a sentence.
        needed: the permission, and where.
    """

    status: int
    what: str
    needed: str = ""


class Door:
    """Decides about each request.

    Args:
        reader: knows whether the database takes changes.
        redaction: what visitors are not shown.
        authorize: what the application says; None: whoever comes from this machine may do everything, others nothing.
        read_only: whether nobody may change anything.
        columns: what plugins bring for tables of jobs.
    """

    def __init__(
        self,
        reader: Reader,
        redaction: Redaction,
        authorize: Authorize | None,
        *,
        read_only: bool,
        columns: Mapping[str, WebColumn],
    ) -> None:
        self._reader: Final = reader
        self._redaction: Final = redaction
        self._authorize: Final = authorize
        self.read_only: Final = read_only
        self._columns: Final = columns

    async def visit(
        self, request: Request, *, acts: bool = False, form: list[tuple[str, str]] | None = None
    ) -> Visiting | Response | Refused:
        """Who it is. A response or a refusal: he does not come in."""
        access = await self._access(request)
        if not isinstance(access, Access):
            return access
        if not acts and not access.may("read"):
            return Refused(403, "You may not look at this dashboard", "read")
        if await self.takes_no_changes():
            access = access.only_read()
        try:
            chancy = await (self._reader.act() if acts else self._reader.look())
        except (ChancyError, OSError) as error:
            # The private server has to be asked where it is; whoever named a database is told of it by the page.
            return Refused(503, "There is nothing to look at yet", str(error))
        source = request.client.host if request.client else ""
        return Visiting(
            chancy,
            access,
            self._redaction,
            self._reader,
            columns=self._columns,
            path={name: str(value) for name, value in request.path_params.items() if name != "version"},
            # PostgreSQL stores no NUL character: nothing that is looked for has one.
            query=[
                (name.replace(NUL, ""), value.replace(NUL, "")) for name, value in request.query_params.multi_items()
            ],
            form=form or (),
            source=source,
        )

    async def takes_no_changes(self) -> bool:
        """Whether nobody may change anything now."""
        if self.read_only:
            return True
        server = await self._reader.server()
        return server is not None and server.replica

    async def _access(self, request: Request) -> Access | Response | Refused:
        if self._authorize is None:
            if is_local(request):
                return LOCAL
            return Refused(
                403,
                "This dashboard answers only its own machine",
                "`authorize` of the application that mounts it, or `chancy dashboard --password-file`",
            )
        answer: Any = self._authorize(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is None:
            return Refused(403, "You may not see this dashboard", "an answer of `authorize`")
        if not isinstance(answer, Access | Response):
            raise ConfigError(f"authorize returned {answer!r:.80}: return an Access, a response, or None.")
        return answer
