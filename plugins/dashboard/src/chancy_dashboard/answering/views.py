"""Answer with a page, or with the same as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from chancy.plugin import WebPage, WebPanel
from chancy_dashboard.answering import audit
from chancy_dashboard.answering.faults import Fault, fault_of
from chancy_dashboard.answering.flash import COOKIE, cookie_path, said
from chancy_dashboard.answering.site import Site
from chancy_dashboard.door.deciding import Door, Refused
from chancy_dashboard.door.guard import cross_site
from chancy_dashboard.door.visit import Visiting
from chancy_dashboard.plugin import DashboardPlugin
from chancy_dashboard.reading.connections import Reader
from chancy_dashboard.reading.snapshots import Snapshot, Snapshots
from chancy_dashboard.showing.rendering import VERSION, new_environment, prepare

Endpoint = Callable[[Request], Awaitable[Response]]
# A panel is a guest on its page.
PANEL_WITHIN_S: Final = 3.0


class Found(NamedTuple):
    """What was looked up for a page, and what kept it from being looked up anew."""

    snapshot: Snapshot | None
    fault: Fault | None


class Views:
    """The pages' answers.

    Args:
        site: the pages.
        reader: the connections.
        door: who may look.
        settings: what is set.
    """

    def __init__(self, site: Site, reader: Reader, door: Door, settings: DashboardPlugin) -> None:
        self.site: Final = site
        self.snapshots: Final = Snapshots()
        self._reader: Final = reader
        self._door: Final = door
        self._settings: Final = settings
        self._templates: Final = new_environment()

    async def warm_up(self) -> None:
        """Do what would keep the first who looks waiting: connect, look for what is wrong, and read the templates."""
        names = [str(page.template) for page in self.site.pages.values() if page.template is not None]
        await asyncio.gather(
            self._reader.server(),
            self._reader.ready(),
            self._reader.troubles(),
            asyncio.to_thread(prepare, self._templates, names),
            # What keeps it from being done, each page tells.
            return_exceptions=True,
        )

    def as_page(self, page: WebPage) -> Endpoint:
        """What answers with a page."""

        async def endpoint(request: Request) -> Response:
            visit = await self._door.visit(request)
            if not isinstance(visit, Visiting):
                return self.refusal(request, visit)
            refused = await self._may_look(request, page, visit)
            if refused is not None:
                return self.refusal(request, refused, visit)
            found = await self.look(page, visit)
            return await self.page(request, page, visit, found)

        return endpoint

    def as_json(self, page: WebPage) -> Endpoint:
        """What answers with the page's data as JSON."""

        async def endpoint(request: Request) -> Response:
            visit = await self._door.visit(request)
            if isinstance(visit, Response):
                return visit
            refused = visit if isinstance(visit, Refused) else await self._may_look(request, page, visit)
            if refused is not None or isinstance(visit, Refused):
                told = refused or visit
                return _json({"error": told.what, "needed": told.needed}, told.status)  # type: ignore[union-attr]
            found = await self.look(page, visit, patient=True)
            if found.snapshot is None or found.fault is not None:
                fault = found.fault or Fault(500, "", "")
                return _json({"error": fault.title, "text": fault.text}, fault.status)
            return _json(_shown(page, found.snapshot.data, visit))

        return endpoint

    async def _may_look(self, request: Request, page: WebPage, visit: Visiting) -> Refused | None:
        if page.permission != "read" and not visit.may_somewhere(page.permission):
            return Refused(403, f"You may not look at {page.title}", page.permission)
        if page.audited:
            # What is recorded, nobody can be made to do by another site.
            foreign = cross_site(request) if request.headers.get("sec-fetch-site") else None
            if foreign is not None:
                return Refused(403, f"This was not asked for by you: {foreign}")
            await audit.looked(await self._reader.act(), visit, page)
        return None

    async def look(self, page: WebPage, visit: Visiting, *, follows: bool = False, patient: bool = False) -> Found:
        """What a page shows: looked up now, or a moment ago by somebody else; or the last that was known.

        Args:
            page: the page.
            visit: who looks.
            follows: whether he has it already, and follows what happens.
            patient: whether he would rather wait than be told of what is not known yet.
        """
        key = (page.path, patient, *visit.key)
        asked = visit.anonymous(patient=patient)
        try:
            return Found(await self.snapshots.get(key, lambda: self._load(page, asked), follows=follows), None)
        except Exception as error:  # noqa: BLE001 -- whatever a page does wrong is told, and logged
            fault = fault_of(error, page.title, self.site.whose.get(page.path, ""))
            return Found(self.snapshots.last(key) if fault.away else None, fault)

    async def _load(self, page: WebPage | WebPanel, visit: Visiting) -> Any:
        await self._reader.ready()
        return await page.load(visit)

    async def page(
        self, request: Request, page: WebPage, visit: Visiting, found: Found, *, wrong: str | None = None
    ) -> Response:
        """The whole page.

        Args:
            request: what is answered.
            page: the page.
            visit: who looks.
            found: what was looked up.
            wrong: why an action failed, to be told on it.
        """
        html, fault = await self.html(request, page, visit, found, wrong=wrong)
        response = HTMLResponse(html, fault.status if fault else 409 if wrong else 200)
        if said(request):
            response.delete_cookie(COOKIE, path=cookie_path(request))
        if fault is not None and fault.away:
            response.headers["Retry-After"] = "2"
        return response

    async def html(
        self, request: Request, page: WebPage, visit: Visiting, found: Found, **more: Any
    ) -> tuple[str, Fault | None]:
        """A page as it is shown, and why it could not be shown as it should.

        Args:
            request: what is answered.
            page: the page.
            visit: who looks.
            found: what was looked up.
            more: what the template has beside that.
        """
        fault = found.fault
        if fault is None or (fault.away and found.snapshot is not None):
            try:
                context = await self.context(request, page, visit, found)
                return self.render(str(page.template), {**context, **more}), fault
            except Exception as error:  # noqa: BLE001 -- a template or a `show` of somebody's
                fault = fault_of(error, page.title, self.site.whose.get(page.path, ""))
        context = await self.context(request, page, visit, Found(None, fault))
        return self.render("away.html" if fault.away else "gone.html", {**context, **more}), fault

    async def context(self, request: Request, page: WebPage, visit: Visiting, found: Found) -> dict[str, Any]:
        """What the template of a page has at hand."""
        data = None if found.snapshot is None else _shown(page, found.snapshot.data, visit)
        shared = await self.shared(request, visit)
        panels = await self._panels(page, visit, shared) if found.fault is None else []
        return {
            **shared,
            "page": page,
            "here": page.path.split("/", maxsplit=1)[0],
            "data": data,
            "snapshot": found.snapshot,
            "fault": found.fault,
            "panels": panels,
            "live": page.live,
            "bare": False,
            "wrong": None,
            "path_now": "/".join(part for part in _filled(page.path, visit.path)),
            "address_query": urlencode(list(request.query_params.multi_items())),
            "form": visit.form,
        }

    async def shared(self, request: Request, visit: Visiting | None) -> dict[str, Any]:
        """What every template has at hand."""
        server = await self._reader.server()
        schema = self._settings.name if visit is None else visit.chancy.settings.schema
        return {
            "visit": visit,
            "url": url_of(request),
            "version": VERSION,
            "nav": self.site.nav,
            "server": server,
            "schema": schema,
            "read_only": await self._door.takes_no_changes(),
            "troubles": self._reader.watch.last,
            "said": said(request),
            "theme": theme if (theme := request.cookies.get("theme")) in ("light", "dark") else "",
            "times": "utc" if request.cookies.get("times") == "utc" else "ago",
            "links": self._settings.links,
        }

    def render(self, name: str, context: dict[str, Any]) -> str:
        """Fill in a template."""
        return self._templates.get_template(name).render(context)

    async def _panels(self, page: WebPage, visit: Visiting, shared: dict[str, Any]) -> list[dict[str, Any]]:
        asked = [self._panel(plugin, panel, visit, shared) for plugin, panel in self.site.panels(page)]
        return [found for found in await asyncio.gather(*asked) if found is not None]

    async def _panel(
        self, plugin: str, panel: WebPanel, visit: Visiting, shared: dict[str, Any]
    ) -> dict[str, Any] | None:
        key = ("panel", plugin, panel.name, *visit.key)
        try:
            async with asyncio.timeout(PANEL_WITHIN_S):
                found = await self.snapshots.get(key, lambda: self._load(panel, visit.anonymous()))
            if found.data is None:
                return None
            data = panel.show(found.data, visit) if panel.show else found.data
            html = Markup(self.render(panel.template, {**shared, "data": data}))  # noqa: S704 -- a template's, escaped
        except Exception as error:  # noqa: BLE001 -- the page is shown without it
            fault = fault_of(error, panel.title, plugin)
            return {"name": panel.name, "title": panel.title, "html": None, "fault": fault}
        return {"name": panel.name, "title": panel.title, "html": html, "fault": None}

    def refusal(self, request: Request, refused: Refused | Response, visit: Visiting | None = None) -> Response:
        """The answer to whoever may not; what `authorize` answered, if it did."""
        if isinstance(refused, Response):
            return refused
        context = {
            "url": url_of(request),
            "version": VERSION,
            "refused": refused,
            "again": refused.status == 503 and request.method == "GET",  # noqa: PLR2004 -- it comes back by itself
            "bare": False,
            "access": None if visit is None else visit.access,
            "theme": theme if (theme := request.cookies.get("theme")) in ("light", "dark") else "",
            "source": request.client.host if request.client else "",
        }
        return HTMLResponse(self.render("refused.html", context), refused.status)

    async def not_found(self, request: Request, error: Exception) -> Response:
        """The answer where no page is."""
        del error
        path = request.url.path
        if path != "/" and path.endswith("/"):
            # By a relative address, whatever the proxy calls this place.
            return RedirectResponse(url_of(request)("/".join(_below(request).strip("/").split("/"))), 307)
        visit = await self._door.visit(request)
        if not isinstance(visit, Visiting):
            return self.refusal(request, visit)
        return self.refusal(request, Refused(404, "There is no such page"), visit)


def url_of(request: Request) -> Callable[..., str]:
    """Makes addresses of this dashboard, wherever it is mounted: `url("queues/mail", state="failed")`."""
    root = quote(str(request.scope.get("root_path", "")).rstrip("/"), safe="/")

    def url(path: str = "", /, **query: Any) -> str:
        given = [(name, value) for name, value in query.items() if value not in (None, "")]
        return f"{root}/{quote(path, safe='/')}" + (f"?{urlencode(given, doseq=True)}" if given else "")

    return url


def _below(request: Request) -> str:
    root = str(request.scope.get("root_path", ""))
    return request.url.path.removeprefix(root)


def _filled(path: str, values: dict[str, str]) -> list[str]:
    return [
        values.get(part[1:-1].split(":")[0], "") if part.startswith("{") else part for part in path.split("/") if part
    ]


def _shown(page: WebPage, data: Any, visit: Visiting) -> Any:
    return data if page.show is None else page.show(data, visit)


def _json(value: Any, status: int = 200) -> Response:
    body = msgspec.json.encode(value, enc_hook=_plain, order="sorted")
    return Response(body, status, media_type="application/json")


def _plain(value: Any) -> Any:
    return value.to_dict() if hasattr(value, "to_dict") else str(value)
