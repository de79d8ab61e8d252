"""`Dashboard`: the ASGI application.

How the parts fit together, for whoever adds a page:

* A page is a `WebPage` that a plugin returns from the hook `pages`, the dashboard's own among them (`pages/`). Of a
  page with the path `queues/{name:path}` there are four addresses below the one at which the dashboard is mounted:

  ====================================  ==================================================================
  `GET queues/mail`                     the page
  `GET live/queues/mail`                its content again and again while it changes, as server-sent events
  `GET api/queues/mail`                 what `load` found, as JSON
  `POST do/pause/queues/mail`           the page's action `pause`
  ====================================  ==================================================================

* `load` is asked at most once in two seconds for all who look at the same address (`reading.snapshots`), with a visit
  that says nothing of who looks. What differs between people is for `show` and for the template, which have the real
  visit.
* Templates extend `page.html`, import `parts.html`, and have `data`, `visit`, `url` and `page` (`showing.rendering`,
  `answering.views`).
* Whatever is written goes through `answering.writing`: it checks where the request comes from, whether the database
  takes changes and whether the visitor may, reads the form, calls the action, and writes the audit.
* Permissions are named in `door.access`. What a template hides, `answering.writing` refuses as well.
* A line may import the lines below it, which `make check` holds:

  ==================  =====================================================================
  `answering`         from a request to its answer: pages, JSON, streams, writes, the audit
  `pages`             the dashboard's own pages, one module each
  `acting`            what people do; `acting.operations`: to everything that a query finds
  `door`              who comes in, and what he may do and see
  `reading`           the connections, one look for all who look, and what pages share
  `showing`           numbers, times, JSON, queries and drawings for people
  ==================  =====================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from chancy import Chancy
from chancy.errors import ConfigError
from chancy.plugin import WebPage
from chancy_dashboard.acting.operations.operator import Operator
from chancy_dashboard.answering.live import Live
from chancy_dashboard.answering.openapi import described
from chancy_dashboard.answering.site import Site
from chancy_dashboard.answering.views import Views
from chancy_dashboard.answering.writing import Acting
from chancy_dashboard.door.deciding import Authorize, Door
from chancy_dashboard.door.guard import is_allowed_host, protected
from chancy_dashboard.door.proxies import Proxies
from chancy_dashboard.door.redacting import Redact, Redaction
from chancy_dashboard.plugin import DashboardPlugin
from chancy_dashboard.reading.connections import Reader
from chancy_dashboard.reading.troubles import Watch
from chancy_dashboard.showing.rendering import ASSETS, VERSION, asset

A_YEAR: Final = "public, max-age=31536000, immutable"


class Dashboard:
    """The dashboard of a Chancy, as an ASGI application.

    ```python
    app.mount("/jobs", Dashboard(chancy, authorize=lambda request: Access(request.user.name, "*")))
    ```

    Without `authorize` it answers only those who come from this machine itself, and lets them do everything.

    Args:
        chancy: the application. It need not be open; the dashboard has connections of its own, which are few, and
            read-only where it looks.
        authorize: called with each request; returns what its sender may do, or None to refuse him, or an awaitable of
            it; or a response, such as one that asks for a password.
        read_only: whether nobody may change anything, whatever `authorize` says. It is so by itself where the database
            takes no changes.
        dsn: where to look instead, such as a replica. What is changed is changed in the database of `chancy`.
        redact: called with arguments, results and meta whose secret keys are hidden already; what it returns is shown
            to those who may not reveal them.
        hosts: the names by which it may be asked for, `*.example.org` among them; None: any.
        trusted_proxies: the addresses of proxies whose `X-Forwarded-…` headers are believed.

    Raises:
        ConfigError: the plugin `dashboard` is turned off.
    """

    def __init__(
        self,
        chancy: Chancy,
        *,
        authorize: Authorize | None = None,
        read_only: bool = False,
        dsn: str | None = None,
        redact: Redact | None = None,
        hosts: Sequence[str] | None = None,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        settings = _settings_of(chancy)
        self.site: Final = Site(chancy)
        self.reader: Final = Reader(chancy, Watch(self.site.problems), dsn)
        self._operator: Final = None if read_only else Operator(self.reader.act)
        self._hosts: Final = hosts
        self._proxies: Final = Proxies(trusted_proxies)
        redaction = Redaction([*settings.redact], redact)
        self.door: Final = Door(self.reader, redaction, authorize, read_only=read_only, columns=self.site.columns)
        self.views: Final = Views(self.site, self.reader, self.door, settings)
        # What is wrong takes longer to be known than a page may take the first time.
        self.reader.watch.when_late = self.views.snapshots.forget
        self._warming: asyncio.Task[None] | None = None
        acting = Acting(self.site, self.reader, self.door, self.views)
        live = Live(self.door, self.views)
        routes: list[BaseRoute] = [
            Route("/assets/{version}/{name}", _asset),
            Route("/display", acting.display, methods=["POST"]),
            Route("/api/openapi.json", described(self.site, self.views.refusal, self.door)),
        ]
        for page in self.site.pages.values():
            routes += _routes(page, self.views, live, acting)
        self._app: Final = Starlette(routes=routes, exception_handlers={404: self.views.not_found})
        # Its way to leave out a slash names the host that was asked for, which a proxy may have changed.
        self._app.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"The dashboard answers HTTP, not {scope['type']}.")
        scope = self._proxies.seen_through(scope)
        request = Request(scope)
        if not is_allowed_host(request, self._hosts):
            told = f"This dashboard is not known by the name {request.headers.get('host', '')!r:.80}."
            await PlainTextResponse(told, 421)(scope, receive, protected(send))
            return
        self._begin()
        await self._app(scope, receive, protected(send))

    def _begin(self) -> None:
        """Go on with what was begun here or elsewhere, from now on."""
        if self._operator is not None:
            self._operator.begin()

    async def close(self) -> None:
        """Disconnect. Served by itself it does so at the end; an application that mounts it may do it at its own."""
        if self._warming is not None:
            self._warming.cancel()
            self._warming = None
        if self._operator is not None:
            await self._operator.close()
        await self.reader.close()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._begin()
                # Somebody is about to look.
                self._warming = asyncio.create_task(self.views.warm_up())
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _routes(page: WebPage, views: Views, live: Live, acting: Acting) -> list[BaseRoute]:
    at = f"/{page.path}"
    found: list[BaseRoute] = [Route(f"/api{at}".rstrip("/") or "/api", views.as_json(page))]
    if page.template is not None:
        found.append(Route(at, views.as_page(page)))
        if page.live:
            found.append(Route(f"/live{at}".rstrip("/"), live.of(page)))
    found += [
        Route(f"/do/{action.name}{at}".rstrip("/"), acting.of(page, action), methods=["POST"])
        for action in page.actions
    ]
    return found


def _settings_of(chancy: Chancy) -> DashboardPlugin:
    for one in chancy.plugins.loaded:
        if isinstance(one.plugin, DashboardPlugin):
            return one.plugin
    raise ConfigError("The plugin 'dashboard' is not loaded here: [plugins.dashboard] has enabled = false.")


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS or request.path_params["version"] != VERSION:
        return PlainTextResponse("Not found", 404)
    return Response(asset(name), headers={"Content-Type": ASSETS[name], "Cache-Control": A_YEAR})
