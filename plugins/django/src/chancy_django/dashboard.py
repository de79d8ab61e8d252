"""The dashboard in a site: below an address of its own, for its staff, with Django's own protection of forms.

It is an ASGI application, and is asked here by a view, on an event loop in a thread of its own, so that it is the
same under WSGI and ASGI, and one for the process. Pages follow what happens under ASGI alone: under WSGI an open stream
would hold a thread of the server.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from http.cookies import SimpleCookie
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import NoReverseMatch, reverse
from django.views.decorators.csrf import csrf_protect

from chancy_django.applications import first

# What may be done in the dashboard, by the permission of Django that allows it.
PERMISSIONS: Final = {
    "read": "view_job",
    "reveal": "reveal_finishedjob",
    "push": "push_job",
    "retry": "retry_finishedjob",
    "cancel": "cancel_job",
    "delete": "delete_finishedjob",
    "update": "change_job",
    "pause": "pause_queue",
    "configure": "change_queue",
    "schedule": "push_job",
}
TOKEN: Final = "csrfmiddlewaretoken"  # noqa: S105 -- the name of a field
FORM: Final = "application/x-www-form-urlencoded"
_FORMS: Final = (FORM, "multipart/form-data")
EVENTS: Final = b"text/event-stream"
ANSWERS_WITHIN_S: Final = 60.0
_FORM: Final = re.compile(r'<form\b[^>]*\bmethod="?post"?[^>]*>', re.IGNORECASE)
_ACCESS: Final = "chancy_django.access"
_lock: Final = threading.Lock()
_made: Final[dict[int, Any]] = {}
_loops: Final[list[asyncio.AbstractEventLoop]] = []


@csrf_protect
def dashboard(request: HttpRequest, path: str) -> Any:
    """Answer with the dashboard's page below `path`, if this is one of the staff who may look."""
    user = request.user
    if not user.is_authenticated:
        return redirect_to_login(request.get_full_path(), _login())
    if not (user.is_active and user.is_staff):
        raise PermissionDenied
    app, access = _app(), _access(user)
    asked = _Asked(app, _scope(request, path, access), _body(request))
    status, headers = asked.begin()
    if dict(headers).get(b"content-type", b"").startswith(EVENTS):
        return _stream(request, asked, headers)
    content = asked.whole()
    if dict(headers).get(b"content-type", b"").startswith(b"text/html"):
        content = with_token(content.decode(), get_token(request)).encode()
    return _dressed(HttpResponse(content, status=status), headers)


def with_token(html: str, token: str) -> str:
    """The same page, with Django's token in each form that changes something."""
    return _FORM.sub(lambda form: f'{form[0]}<input type="hidden" name="{TOKEN}" value="{token}">', html)


def _login() -> str | None:
    try:
        return str(reverse("admin:login"))
    except NoReverseMatch:
        return None


def _access(user: Any) -> Any:
    """What somebody may do there."""
    kind = import_module("chancy_dashboard").Access
    if user.is_superuser:
        return kind(user.get_username(), "*")
    allowed = [name for name, needed in PERMISSIONS.items() if user.has_perm(f"chancy_django.{needed}")]
    return kind(user.get_username(), allowed)


def _app() -> Any:
    """The dashboard of the backend's Chancy; one for the process."""
    chancy = first().chancy
    found = _made.get(id(chancy))
    if found is None:
        with _lock:
            try:
                module = import_module("chancy_dashboard")
            except ImportError as error:
                raise ImproperlyConfigured(
                    f'The dashboard is not installed ({error}): pip install "chancy-django[dashboard]".'
                ) from error
            found = _made[id(chancy)] = module.Dashboard(chancy, authorize=lambda asked: asked.scope[_ACCESS])
    return found


def _loop() -> asyncio.AbstractEventLoop:
    """The loop on which it is asked, in a thread of its own."""
    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="chancy-dashboard", daemon=True).start()
            _loops.append(loop)
        return _loops[0]


def _scope(request: HttpRequest, path: str, access: Any) -> dict[str, Any]:
    """The request as ASGI has it. Whoever asks has been looked at, and his cookies are Django's."""
    root = request.path[: len(request.path) - len(path)].rstrip("/")
    given = {name.lower(): value for name, value in request.headers.items() if name.lower() != "content-length"}
    # As Django takes it, which may believe a proxy.
    given["host"] = request.get_host()
    if request.content_type in _FORMS:
        given["content-type"] = FORM
    headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in given.items()]
    host, _, port = request.get_host().partition(":")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.path.encode(),
        "root_path": root,
        "query_string": request.META.get("QUERY_STRING", "").encode("latin-1", "replace"),
        "headers": headers,
        "client": (request.META.get("REMOTE_ADDR", ""), 0),
        "server": (host, int(port) if port.isdigit() else 80),
        _ACCESS: access,
    }


def _body(request: HttpRequest) -> bytes:
    """What was sent, without Django's token, which is no field of the dashboard's; a form always as `FORM`."""
    if request.content_type not in _FORMS:
        body: bytes = request.body
        return body
    # Django has read it already, to find the token.
    fields = [(name, value) for name, values in request.POST.lists() for value in values if name != TOKEN]
    return urlencode(fields).encode()


def _dressed(response: Any, headers: list[tuple[bytes, bytes]]) -> Any:
    for name, value in headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        if key == "set-cookie":
            cookies: SimpleCookie = SimpleCookie(text)
            response.cookies.update(cookies)
        elif key != "content-length":
            response.headers[key] = text
    return response


def _stream(request: HttpRequest, asked: _Asked, headers: list[tuple[bytes, bytes]]) -> Any:
    if not hasattr(request, "scope"):
        # By this a browser is told not to ask again.
        asked.end()
        return HttpResponse(status=204)
    token = get_token(request)

    async def events() -> AsyncIterator[bytes]:
        try:
            while (part := await asyncio.wrap_future(asked.next())) is not None:
                yield with_token(part.decode(), token).encode()
        finally:
            asked.end()

    return _dressed(StreamingHttpResponse(events()), headers)


class _Asked:
    """One request to the dashboard, from another thread than the dashboard's."""

    def __init__(self, app: Any, scope: dict[str, Any], body: bytes) -> None:
        self._loop: Final = _loop()
        self._parts: asyncio.Queue[Any] = asyncio.Queue()
        self._body: Final = body
        self._running = asyncio.run_coroutine_threadsafe(self._run(app, scope), self._loop)

    async def _run(self, app: Any, scope: dict[str, Any]) -> None:
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                # Until it is ended: nothing else comes.
                await asyncio.Event().wait()
            sent = True
            return {"type": "http.request", "body": self._body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self._parts.put_nowait((message["status"], list(message["headers"])))
                return
            if message.get("body"):
                self._parts.put_nowait(message["body"])
            if not message.get("more_body"):
                self._parts.put_nowait(None)

        try:
            await app(scope, receive, send)
        except BaseException as error:
            self._parts.put_nowait(error)
            raise

    def next(self) -> Any:
        """What comes next: the beginning, a part, or None at the end; as a future of this thread's."""
        return asyncio.run_coroutine_threadsafe(self._next(), self._loop)

    async def _next(self) -> Any:
        found = await self._parts.get()
        if isinstance(found, BaseException):
            raise found
        return found

    def begin(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """The status and the headers."""
        try:
            found: tuple[int, list[tuple[bytes, bytes]]] = self.next().result(ANSWERS_WITHIN_S)
        except BaseException:
            self.end()
            raise
        return found

    def whole(self) -> bytes:
        """The whole answer."""
        parts = []
        try:
            while (part := self.next().result(ANSWERS_WITHIN_S)) is not None:
                parts.append(part)
        finally:
            self.end()
        return b"".join(parts)

    def end(self) -> None:
        """Nobody listens any more."""
        with suppress(RuntimeError):
            self._running.cancel()
