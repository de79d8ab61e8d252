"""What is said once, on the page after an action: in a cookie, so that any process may show it."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

COOKIE: Final = "chancy_said"
FOR_S: Final = 30
# A browser keeps four thousand bytes of a cookie.
MOST: Final = 1_500


def say(response: Response, request: Request, text: str) -> None:
    """Let the next page say it."""
    kept = base64.urlsafe_b64encode(json.dumps(text[:MOST]).encode()).decode()
    response.set_cookie(
        COOKIE, kept[:3_900], max_age=FOR_S, path=cookie_path(request), httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip


def said(request: Request) -> str | None:
    """What an action has said."""
    kept = request.cookies.get(COOKIE)
    if not kept:
        return None
    try:
        text = json.loads(base64.urlsafe_b64decode(kept))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return text if isinstance(text, str) else None


def cookie_path(request: Request) -> str:
    """Where the cookies of this dashboard belong."""
    return str(request.scope.get("root_path", "")).rstrip("/") or "/"
