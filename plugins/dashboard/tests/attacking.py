"""What an attacker has: requests of any kind, and jobs of any content."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from chancy_dashboard import Dashboard

HERE = "http://127.0.0.1"
OURS = {"Sec-Fetch-Site": "same-origin"}
# What a job may be made of that somebody else wants to be run, read or broken.
SCRIPT = "<script>window.pwned=1</script>"
HOSTILE = {
    "script": SCRIPT,
    "attribute": "\"><img src=x onerror=window.pwned=1>' onmouseover='window.pwned=1",
    "template": "{{ 7 * 191 }}{% raw %}${7*191}",
    "address": "javascript:window.pwned=1//",
    "end": "</textarea></title></pre></script><script>window.pwned=1</script>",
    "control": "a\x01\x07\x1b[31m\x7f\x9b\r\n\x0b\x0c b",
    "right to left": "gpj.\u202egnp\u202c \u2066\u2069 \u200f",
    "invisible": "a\u200b\u200d\ufeff\u2028\u2029b",
    "stream": "x\n\nevent: page\ndata: <script>window.pwned=1</script>\n\n",
}
# Elements and attributes by which content can be more than text.
ACTIVE = {"iframe", "object", "embed", "base", "link", "meta", "style", "script"}
ADDRESSES = {"href", "src", "action", "formaction", "xlink:href", "data", "poster", "srcdoc"}


class Route(NamedTuple):
    """An address that changes something."""

    path: str
    page: str
    action: str
    permission: str


def filled(path: str, values: dict[str, str]) -> str:
    """A page's path with values instead of the braces: that of `operations/id` is meant for `operations/{id}` only."""

    def value(found: re.Match[str]) -> str:
        own = f"{path.split('/', maxsplit=1)[0]}/{found[1]}"
        return quote(values.get(own, values.get(found[1], "unknown")), safe="")

    return re.sub(r"\{([a-z_]+)(?::path)?\}", value, path)


def writes(dashboard: Dashboard, values: dict[str, str]) -> Iterator[Route]:
    """Every address that changes something."""
    for page in dashboard.site.pages.values():
        for action in page.actions:
            path = f"/do/{action.name}/{filled(page.path, values)}".rstrip("/")
            yield Route(path, page.path, action.name, action.permission)


def looks(dashboard: Dashboard, values: dict[str, str], *, kinds: tuple[str, ...] = ("", "api")) -> Iterator[str]:
    """Every address that shows something."""
    for page in dashboard.site.pages.values():
        for kind in kinds:
            if kind == "api" or page.template is not None:
                yield "/" + "/".join(part for part in (kind, filled(page.path, values)) if part)


def client(dashboard: Dashboard, *, address: str = "127.0.0.1", base: str = HERE) -> httpx.AsyncClient:
    """Somebody who asks; exceptions that nobody caught are what they are to him: a 500."""
    transport = httpx.ASGITransport(dashboard, client=(address, 4711), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=base, timeout=60)


def digest(query: Callable[..., list[Any]]) -> dict[str, str]:
    """What is stored: a digest of each table but that of the audit, in which refusals are."""
    tables = query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        query("SELECT '{s}'")[0][0].strip('"'),
    )
    return {
        table: query(f"SELECT md5(string_agg(one::text, chr(10) ORDER BY one::text)) FROM {{s}}.{table} AS one")[0][0]
        for (table,) in tables
        if "audit" not in table
    }


class Page(HTMLParser):
    """Reads a page as a browser does, and notes what is more than text and did not come from a template.

    Args:
        html: the page.
        assets: how the addresses of our own files begin.
    """

    def __init__(self, html: str, assets: str = "/assets/") -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.texts: list[str] = []
        self._assets = assets
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        ours = given.get("src", given.get("href", "")).startswith(self._assets)
        if tag in ACTIVE and tag != "meta" and not ours:
            self.found.append(f"<{tag} {given}>")
        self.found += [f"<{tag} {name}={value}>" for name, value in given.items() if name.startswith("on")]
        self.found += [f"<{tag} {name}={value}>" for name, value in given.items() if name in {"style", "srcset"}]
        for name in ADDRESSES & given.keys():
            address = given[name].strip()
            if address and not address.startswith(("/", "#", "?")):
                self.found.append(f"<{tag} {name}={address}>")
            if address.startswith("//"):
                self.found.append(f"<{tag} {name}={address}>")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        """What a person reads."""
        return "".join(self.texts)
