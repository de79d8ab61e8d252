"""Whatever is written goes through here."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

import psycopg
from psycopg.errors import QueryCanceled
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from chancy.errors import ChancyError
from chancy.plugin import Done, WebAction, WebPage, log, text_of
from chancy_dashboard.answering import audit
from chancy_dashboard.answering.flash import cookie_path, say
from chancy_dashboard.answering.site import Site
from chancy_dashboard.answering.views import Endpoint, Views, url_of
from chancy_dashboard.door.deciding import Door, Refused
from chancy_dashboard.door.guard import cross_site
from chancy_dashboard.door.visit import Visiting
from chancy_dashboard.reading.connections import Reader

# The largest arguments of a job are a megabyte, and a form writes each byte as three.
FORM_MAX_BYTES: Final = 4_000_000
FIELDS_MAX: Final = 5_000
A_YEAR_S: Final = 31_536_000


class TooLargeError(Exception):
    """A form that nobody fills in."""


class Acting:
    """The addresses that change something.

    Args:
        site: the pages, whose actions they are.
        reader: the connections.
        door: who may what.
        views: shows the page again if it failed.
    """

    def __init__(self, site: Site, reader: Reader, door: Door, views: Views) -> None:
        self._site: Final = site
        self._reader: Final = reader
        self._door: Final = door
        self._views: Final = views

    def of(self, page: WebPage, action: WebAction) -> Endpoint:
        """What does one action of a page."""

        async def endpoint(request: Request) -> Response:
            foreign = cross_site(request)
            if foreign is not None:
                return self._views.refusal(request, Refused(403, f"Nothing was changed: {foreign}"))
            try:
                form = await _form(request)
            except TooLargeError as error:
                return self._views.refusal(request, Refused(413, f"Nothing was changed: {error}"))
            visit = await self._door.visit(request, acts=True, form=form)
            if not isinstance(visit, Visiting):
                return self._views.refusal(request, visit)
            refused = await self._may(page, action, visit)
            if refused is not None:
                return self._views.refusal(request, refused, visit)
            return await self._act(request, page, action, visit)

        return endpoint

    async def _may(self, page: WebPage, action: WebAction, visit: Visiting) -> Refused | None:
        queue = action.queue(visit)
        if visit.may(action.permission, queue):
            return None
        place = "" if queue is None else f" in the queue {queue}"
        if await self._door.takes_no_changes():
            why = (
                "it was started read-only"
                if self._door.read_only
                else "its database takes no changes, as a replica does"
            )
            return Refused(403, f"Nothing can be changed by this dashboard: {why}")
        await audit.refused(visit, page, action, place)
        return Refused(403, f"You may not {action.name}{place}", f"{action.permission}{place}")

    async def _act(self, request: Request, page: WebPage, action: WebAction, visit: Visiting) -> Response:
        entry = None
        try:
            entry = await audit.begin(visit, page, action)
            done = await action.run(visit)
            await audit.end(visit, entry, done)
        except Exception as error:  # noqa: BLE001 -- the action of any plugin; it is told, and the audit does not wait
            return await self._failed(request, page, action, visit, entry, error)
        self._views.snapshots.forget()
        self._reader.watch.renew()
        response = RedirectResponse(_next(request, page, visit, done), 303)
        say(response, request, done.said)
        return response

    async def _failed(
        self,
        request: Request,
        page: WebPage,
        action: WebAction,
        visit: Visiting,
        entry: int | None,
        error: Exception,
    ) -> Response:
        told = str(error) if isinstance(error, ChancyError | ValueError) else text_of(error)
        if isinstance(error, QueryCanceled | TimeoutError):
            told = "The database took too long; whether it was done is in the audit."
        if isinstance(error, ChancyError | ValueError | TimeoutError | psycopg.Error | OSError):
            log.warning("dashboard_action_failed", action=action.name, page=page.path, user=visit.user, error=told)
        else:
            log.error("dashboard_action_broke", action=action.name, page=page.path, error=told, exc_info=error)
        if entry is not None:
            await audit.failed(visit, entry, told)
        self._views.snapshots.forget()
        looking = await self._door.visit(request, form=visit.sent)
        if not isinstance(looking, Visiting) or page.template is None:
            return self._views.refusal(request, Refused(409, f"{action.name} failed: {told}"), visit)
        found = await self._views.look(page, looking)
        return await self._views.page(request, page, looking, found, wrong=told)

    async def display(self, request: Request) -> Response:
        """How pages look in this browser: the only thing that is kept, in its cookies."""
        foreign = cross_site(request)
        if foreign is not None:
            return self._views.refusal(request, Refused(403, f"Nothing was changed: {foreign}"))
        form = dict(await _form(request))
        response = RedirectResponse(_back(request, form.get("back", "")), 303)
        for name, words in (("theme", ("system", "light", "dark")), ("times", ("ago", "utc"))):
            if form.get(name) in words:
                response.set_cookie(name, form[name], max_age=A_YEAR_S, path=cookie_path(request), samesite="lax")
        return response


async def _form(request: Request) -> list[tuple[str, str]]:
    """The fields of a form. Raises TooLargeError."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_MAX_BYTES:
                raise TooLargeError(f"the form is larger than {FORM_MAX_BYTES:,} bytes")
    except ClientDisconnect:
        raise TooLargeError("the form did not arrive as a whole") from None
    try:
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise TooLargeError(f"the form has more than {FIELDS_MAX:,} fields") from None


def _next(request: Request, page: WebPage, visit: Visiting, done: Done) -> str:
    url = url_of(request)
    if done.path is not None:
        path, _, query = done.path.partition("?")
        return url(path) + (f"?{query}" if query else "")
    path = page.path
    for name, value in visit.path.items():
        path = path.replace(f"{{{name}:path}}", value).replace(f"{{{name}}}", value)
    return url(path)


def _back(request: Request, path: str) -> str:
    """The page from which somebody came: one of this dashboard's."""
    return url_of(request)(path.partition("?")[0].lstrip("/"))
