"""In other applications, below a path, and behind a proxy."""

from __future__ import annotations

import re

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from chancy import Queue
from chancy.errors import ConfigError
from chancy_dashboard import Access, Dashboard
from chancy_dashboard.door.guard import is_loopback
from chancy_dashboard.showing.rendering import ASSETS, asset

LINK = re.compile(r'(?:href|src|action|data-live|data-root)="(/[^"]*)"')


def ada(request):
    return Access("ada", "*")


@pytest.fixture
async def mounted(chancy):
    """A browser of an application that has the dashboard below /ops/jobs."""
    dashboard = Dashboard(chancy, authorize=ada)
    app = Starlette(routes=[Mount("/ops", routes=[Mount("/jobs", dashboard)])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        client.headers["sec-fetch-site"] = "same-origin"
        yield client
    await dashboard.close()


async def test_every_address_is_below_where_it_is_mounted(mounted, chancy):
    """Links, forms, files, streams and redirects."""
    await chancy.declare(Queue("mail"))
    for path in ("", "queues", "queues/mail", "audit"):
        page = await mounted.get(f"/ops/jobs/{path}")
        assert page.status_code == 200
        found = LINK.findall(page.text)
        assert len(found) > 10
        assert all(link.startswith("/ops/jobs/") for link in found)
    assert (await mounted.get(next(link for link in found if link.endswith(".css")))).status_code == 200
    sent = await mounted.post("/ops/jobs/do/pause/queues/mail")
    assert sent.headers["location"] == "/ops/jobs/queues/mail"
    assert "Path=/ops/jobs" in sent.headers["set-cookie"]
    themed = await mounted.post("/ops/jobs/display", data={"theme": "dark", "back": "queues/mail"})
    assert themed.headers["location"] == "/ops/jobs/queues/mail"
    assert '<html lang="en" class="dark">' in (await mounted.get("/ops/jobs/queues")).text


@pytest.mark.parametrize("back", ["//evil.org", "https://evil.org/", "/\\evil.org", "\r\nX: y", "..//evil.org"])
async def test_a_redirect_leads_nowhere_else(browser, back):
    """Whatever a form says where it came from."""
    sent = await browser.post("/display", data={"theme": "dark", "back": back})
    assert sent.status_code == 303
    assert re.fullmatch(r"/(?![/\\])[^\r\n]*", sent.headers["location"])


@pytest.mark.parametrize(
    ("client", "headers", "seen"),
    [
        ("10.0.0.5", {"x-forwarded-for": "1.1.1.1, 203.0.113.9"}, "203.0.113.9"),
        # What the sender made up himself stands before what the proxy wrote.
        ("10.0.0.5", {"x-forwarded-for": "10.0.0.9, 203.0.113.9, 10.0.0.7"}, "203.0.113.9"),
        ("203.0.113.9", {"x-forwarded-for": "127.0.0.1", "x-forwarded-prefix": "/evil"}, "203.0.113.9"),
    ],
)
async def test_a_proxy_is_believed_only_if_it_is_trusted(serve, client, headers, seen):
    """Who asked is whom it names; what others claim is not believed."""
    asked = []

    def authorize(request):
        asked.append((request.client.host, request.url.scheme))
        return Access("ada", "*")

    browser = serve(authorize=authorize, client=(client, 1), trusted_proxies=["10.0.0.0/8"])
    page = await browser.get("/audit", headers={"x-forwarded-proto": "https", **headers})
    assert asked[-1] == (seen, "https" if client.startswith("10.") else "http")
    assert "/evil" not in page.text


async def test_a_trusted_proxy_says_where_it_has_the_dashboard(serve):
    """Its prefix stands before every address."""
    browser = serve(client=("10.0.0.5", 1), trusted_proxies="10.0.0.5")
    page = await browser.get("/audit", headers={"x-forwarded-prefix": "/ops/"})
    assert all(link.startswith("/ops/") for link in LINK.findall(page.text))


async def test_a_path_may_have_the_prefix_in_it_or_not(serve):
    """Servers and frameworks differ in whether `path` begins with `root_path`."""
    page = await serve(base="/jobs").get("/audit")
    assert page.url.path == "/jobs/audit"
    assert page.status_code == 200
    assert all(link.startswith("/jobs/") for link in LINK.findall(page.text))


def test_a_proxy_that_is_no_address_is_refused(chancy):
    """When the dashboard is made."""
    with pytest.raises(ConfigError, match="trusted_proxies"):
        Dashboard(chancy, trusted_proxies=["my-proxy"])


@pytest.mark.parametrize(
    ("address", "is_ours"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("localhost", True)]
    + [(one, False) for one in ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.org", "", "203.0.113.9")],
)
def test_an_address_of_this_machine_alone_is_known(address, is_ours):
    """`chancy dashboard` refuses to listen at any other without a password file."""
    assert is_loopback(address) is is_ours


async def test_every_answer_has_its_headers(browser):
    """Also errors, files, refusals and JSON."""
    for path in ("/", "/nothing", "/api/queues", "/assets/x/y", "/queues/none"):
        headers = (await browser.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'self'; ")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


async def test_pages_need_little_and_only_from_here(browser):
    """All files together are small, and none names another host."""
    assert sum(len(asset(name)) for name in ASSETS) < 150_000
    for name in ASSETS:
        assert not re.search(rb"https?://(?!www\.w3\.org/)", asset(name))
    page = (await browser.get("/")).text
    files = re.findall(r'(?:href|src)="([^"]*/assets/[^"]*)"', page)
    assert len(files) == 3
    for file in files:
        found = await browser.get(file)
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]
    # No script and no style in the page itself, which would not run.
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page)
