"""What there is as JSON, for programs that read it: OpenAPI, made of the pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chancy.plugin import WebPage
from chancy_dashboard.answering.site import Site
from chancy_dashboard.answering.views import Endpoint
from chancy_dashboard.door.deciding import Door, Refused
from chancy_dashboard.door.visit import Visiting

_PART: Final = re.compile(r"\{(\w+)(:path)?\}")
_ANSWERS: Final = {
    "200": {"description": "What the page shows.", "content": {"application/json": {"schema": {}}}},
    "403": {"description": "Whoever asks may not."},
    "404": {"description": "There is no such thing."},
    "503": {"description": "The database is away, or took too long; it is there again by itself."},
}
_DONE: Final = {
    "303": {"description": "It was done; the page to look at."},
    "403": {"description": "Whoever asks may not, or does not say that he comes from here."},
    "409": {"description": "It was not done; the page says why."},
}


def described(site: Site, refused: Callable[[Request, Response | Refused], Response], door: Door) -> Endpoint:
    """What answers with the description of everything that is here."""

    async def endpoint(request: Request) -> Response:
        visit = await door.visit(request)
        if not isinstance(visit, Visiting):
            return refused(request, visit)
        return JSONResponse(document(site, str(request.scope.get("root_path", ""))))

    return endpoint


def document(site: Site, root: str) -> dict[str, Any]:
    """The description.

    Args:
        site: the pages.
        root: where the dashboard is mounted.
    """
    paths: dict[str, Any] = {}
    for page in site.pages.values():
        at = "/" + _PART.sub(r"{\1}", page.path)
        paths[f"/api{at}".rstrip("/")] = {"get": _operation(page, page.title, page.permission, _ANSWERS)}
        for action in page.actions:
            done = _operation(page, f"{page.title}: {action.name}", action.permission, _DONE)
            paths[f"/do/{action.name}{at}".rstrip("/")] = {"post": {**done, "parameters": [*done["parameters"], _SITE]}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Chancy", "version": "1"},
        "servers": [{"url": root or "/"}],
        "paths": dict(sorted(paths.items())),
    }


_SITE: Final = {"name": "Sec-Fetch-Site", "in": "header", "required": True, "schema": {"const": "same-origin"}}


def _operation(page: WebPage, summary: str, permission: str, answers: dict[str, Any]) -> dict[str, Any]:
    parts = [name for name, _ in _PART.findall(page.path)]
    return {
        "summary": summary,
        "description": f"Takes the permission {permission}.",
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in parts],
        "responses": answers,
    }
