"""Nobody changes anything who may not: no reader, no other site, no other name, by any address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from attacking import OURS, Route, client, digest, filled, looks, writes

from chancy import Chancy, Job, Queue
from chancy_dashboard import Access, Dashboard

FORM = {"reason": "x", "name": "default", "q": "state:live", "confirm": "1", "func": "os.system", "kwargs": "{}"}
# Where a request says that it comes from; none of these is a page of the dashboard.
FOREIGN = {
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "a sibling": {"Sec-Fetch-Site": "same-site"},
    "an unknown word": {"Sec-Fetch-Site": "Same-Origin "},
    "an empty word": {"Sec-Fetch-Site": ""},
    "another origin": {"Origin": "https://evil.example"},
    "an origin that begins alike": {"Origin": "http://127.0.0.1.evil.example"},
    "an origin that ends alike": {"Origin": "http://evil.example/127.0.0.1"},
    "an origin with a user": {"Origin": "http://127.0.0.1@evil.example"},
    "another port": {"Origin": "http://127.0.0.1:8001"},
    "no origin": {"Origin": "null"},
    "a broken origin": {"Origin": "http://[127.0.0.1"},
    "nothing": {},
    "another site by two headers": {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
    "only a referrer": {"Referer": "http://127.0.0.1/jobs"},
}
VISITORS: dict[str, tuple[Access | None, dict[str, Any]]] = {
    "reader": (Access("sam", "read"), {}),
    "nobody": (Access("sam", ()), {}),
    "other queues": (Access("sam", {"read": "*", "*": ["other"]}), {}),
    "read-only": (Access("root", "*"), {"read_only": True}),
    "refused": (None, {}),
}
NAMES = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example:80",
    "127.0.0.1@evil.example",
    "",
]
ADDRESSES = ["10.0.0.7", "127.0.0.1.evil.example", "::ffff:10.0.0.7", "0.0.0.0", "fe80::1"]
PROXIED = ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Host", "Via"]


@pytest.fixture
async def values(chancy: Chancy) -> dict[str, str]:
    """What fills in the braces: a queue that is there, a job that waits."""
    await chancy.declare(Queue("mail"))
    job = await chancy.push("mail", Job(func="app.send", kwargs={"n": 1}))
    return {"name": "mail", "id": str(job.identifier), "queue": "mail"}


@pytest.fixture
async def dashboards(chancy: Chancy) -> AsyncIterator[Callable[..., Dashboard]]:
    """Makes dashboards, and closes them."""
    made: list[Dashboard] = []

    def new(**arguments: Any) -> Dashboard:
        made.append(Dashboard(chancy, **arguments))
        return made[-1]

    yield new
    for dashboard in made:
        await dashboard.close()


async def test_a_reader_causes_no_write_by_any_address(dashboards, values, query):
    """Each is refused, whatever is sent along, and nothing in the database is another one than before."""
    before = digest(query)
    for who, (access, arguments) in VISITORS.items():
        dashboard = dashboards(authorize=lambda _, access=access: access, **arguments)
        async with client(dashboard) as sender:
            for route in writes(dashboard, values):
                if who == "other queues" and not _is_of_a_queue(route):
                    continue
                answer = await sender.post(route.path, data=FORM, headers=OURS)
                assert answer.status_code == 403, (who, route, answer.status_code)
    assert digest(query) == before


def _is_of_a_queue(route: Route) -> bool:
    """Whether a route is about the queue of its own address, in which he may not do anything."""
    return route.page.startswith(("queues/{", "jobs/{"))


async def test_another_site_causes_no_write_by_any_address(dashboards, values, query):
    """Also in the browser of somebody who may do everything, on the dashboard's own machine."""
    dashboard = dashboards()
    before = digest(query)
    async with client(dashboard) as sender:
        for path in ["/display", *(route.path for route in writes(dashboard, values))]:
            for what, headers in FOREIGN.items():
                answer = await sender.post(path, data=FORM, headers=headers)
                assert answer.status_code == 403, (what, path, answer.status_code)
                assert "set-cookie" not in answer.headers
    assert digest(query) == before


async def test_no_other_method_changes_anything(dashboards, values, query):
    """What changes something is only a POST: an image, a link or a prefetch does nothing."""
    dashboard = dashboards()
    before = digest(query)
    async with client(dashboard) as sender:
        for route in writes(dashboard, values):
            for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
                answer = await sender.request(method, route.path, params=FORM, headers=OURS)
                assert answer.status_code in (404, 405), (method, route, answer.status_code)
        for path in looks(dashboard, values):
            answer = await sender.post(path, data=FORM, headers=OURS)
            assert answer.status_code in (404, 405), (path, answer.status_code)
    assert digest(query) == before


async def test_another_name_of_this_machine_is_answered_nothing(dashboards, values):
    """A site that points a name of its own at 127.0.0.1 reads and changes nothing, although it is the same origin."""
    dashboard = dashboards()
    async with client(dashboard) as sender:
        for name in NAMES:
            for path in looks(dashboard, values, kinds=("", "api", "live")):
                answer = await sender.get(path, headers={"Host": name, **OURS})
                assert answer.status_code in (403, 421), (name, path, answer.status_code)
                assert "app.send" not in answer.text
            for route in writes(dashboard, values):
                answer = await sender.post(route.path, data=FORM, headers={"Host": name, **OURS})
                assert answer.status_code in (403, 421), (name, route, answer.status_code)


async def test_who_comes_from_elsewhere_sees_nothing(dashboards, values):
    """Where nobody else decides, only this machine is answered; who comes through a proxy is not of this machine."""
    dashboard = dashboards()
    for address, headers in [
        *((one, {}) for one in ADDRESSES),
        *(("127.0.0.1", {one: "127.0.0.1"}) for one in PROXIED),
    ]:
        async with client(dashboard, address=address) as sender:
            for path in looks(dashboard, values, kinds=("", "api", "live")):
                answer = await sender.get(path, headers=headers)
                assert answer.status_code == 403, (address, headers, path, answer.status_code)


async def test_every_write_of_every_page_is_covered(dashboards, values):
    """These tests find by themselves what changes something: there is something to find."""
    dashboard = dashboards()
    assert {route.page for route in writes(dashboard, values)}, "no page has an action"
    unknown = [page.path for page in dashboard.site.pages.values() if "unknown" in filled(page.path, values)]
    assert not unknown, f"give a value for what is in the braces of {unknown}"
