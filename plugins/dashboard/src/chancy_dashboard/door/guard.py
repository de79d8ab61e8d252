"""What every request and every answer has to fulfil, whoever sends it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import Message, Send

# No script and no style but our files, nothing from elsewhere, and no frame around it.
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "interest-cohort=(), browsing-topics=()",
}
# What proxies add: whoever comes through one does not come from here, although its address may say so.
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]", "::1")


def protected(send: Send) -> Send:
    """`send`, with the headers that every answer has."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            # What a page shows is nobody else's: neither a proxy nor the disk keeps it.
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return with_headers


def host_of(request: HTTPConnection) -> str:
    """The name by which it was asked for, without the port, in small letters."""
    name = request.headers.get("host", "").strip().lower()
    if name.startswith("["):
        return name.split("]")[0] + "]"
    return name.rsplit(":", 1)[0] if ":" in name else name


def is_allowed_host(request: HTTPConnection, hosts: Sequence[str] | None) -> bool:
    """Whether it was asked for by one of these names; a page of another site that points its own name here was not."""
    if hosts is None:
        return True
    name = host_of(request)
    return any(name == host or (host.startswith("*.") and name.endswith(host[1:])) for host in hosts)


def is_local(request: HTTPConnection) -> bool:
    """Whether it comes from this machine, directly, and by a name that only this machine has."""
    if any(name in request.headers for name in FORWARDED) or host_of(request) not in LOOPBACK_NAMES:
        return False
    return request.client is not None and is_loopback(request.client.host)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own and no other's; a name is not, except `localhost`."""
    if address == "localhost":
        return True
    try:
        found = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def cross_site(request: HTTPConnection) -> str | None:
    """Why a request that changes something does not come from a page of this dashboard; None: it does.

    Browsers say with each request where it comes from, and no page can make them lie: `Sec-Fetch-Site`, and where that
    is missing (an old browser, or plain HTTP), `Origin`.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return None if site in ("same-origin", "none") else f"it comes from another site (Sec-Fetch-Site: {site:.20})"
    origin = request.headers.get("origin")
    if origin is None:
        return "it does not say where it comes from: a script has to send the header Sec-Fetch-Site: same-origin"
    try:
        given = urlsplit(origin).netloc.lower()
    except ValueError:
        given = ""
    if given and given == request.headers.get("host", "").strip().lower():
        return None
    return f"it comes from another site (Origin: {origin:.100})"
