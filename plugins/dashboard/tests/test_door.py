"""Who comes in, and what he may do."""

from __future__ import annotations

import pytest
from starlette.responses import RedirectResponse

from chancy import Queue
from chancy.errors import ConfigError
from chancy_dashboard import Access

ELSEWHERE = ("203.0.113.9", 4711)


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        (("127.0.0.1", 1), {}, 200),
        (("::1", 1), {"host": "[::1]:8765"}, 200),
        (ELSEWHERE, {}, 403),
        # A proxy on this machine passes on what others send, and a page of another site may point its own name here.
        (("127.0.0.1", 1), {"x-forwarded-for": "203.0.113.9"}, 403),
        (("127.0.0.1", 1), {"host": "evil.example.org"}, 403),
        (("127.0.0.1", 1), {"host": "localhost.example.org"}, 403),
    ],
)
async def test_without_authorize_only_this_machine_comes_in(serve, client, headers, status):
    """Directly, and by a name that only it has."""
    browser = serve(authorize=None, client=client)
    for path in ("/", "/queues", "/api/workers", "/live/queues"):
        if status != 200 or not path.startswith("/live"):
            assert (await browser.get(path, headers=headers)).status_code == status


async def test_a_name_that_is_not_its_own_is_refused_before_anything_is_asked(serve):
    """`hosts` holds for whoever comes, and whatever he may."""
    browser = serve(hosts=["jobs.example.org", "*.internal"])
    for host, status in (
        ("jobs.example.org", 200),
        ("a.internal:8765", 200),
        ("evil.org", 421),
        ("internal.evil.org", 421),
    ):
        assert (await browser.get("/queues", headers={"host": host})).status_code == status


async def test_authorize_refuses_or_answers_itself(serve):
    """None is a refusal; a response is sent as it is; another answer is the application's mistake."""
    assert (await serve(authorize=lambda request: None).get("/")).status_code == 403
    sent = await serve(authorize=lambda request: RedirectResponse("/login")).get("/")
    assert (sent.status_code, sent.headers["location"]) == (307, "/login")
    with pytest.raises(ConfigError, match="authorize returned True"):
        await serve(authorize=lambda request: True).get("/")


async def test_a_reader_sees_no_button_and_does_nothing(serve, chancy):
    """What a page hides is refused as well, and stands in the audit."""
    await chancy.declare(Queue("mail"))
    reader = serve(authorize=lambda request: Access("sam", "read"))
    page = await reader.get("/queues/mail")
    assert page.status_code == 200
    assert "do/pause" not in page.text
    refused = await reader.post("/do/pause/queues/mail", data={"reason": "x"})
    assert refused.status_code == 403
    assert "You may not pause in the queue mail" in refused.text
    assert (await chancy.get_queue("mail")).state == "active"
    ((entry),) = (await serve().get("/api/audit")).json()["entries"]
    assert (entry["who"], entry["action"], entry["state"]) == ("sam", "pause", "refused")


async def test_a_permission_is_for_the_queues_that_it_names(serve, chancy):
    """Also where a form names the queue."""
    for name in ("mail", "web-1", "bills"):
        await chancy.declare(Queue(name))
    lin = serve(authorize=lambda request: Access("lin", {"read": "*", "pause": ["mail", "web-*"]}))
    assert (await lin.post("/do/pause/queues/mail")).status_code == 303
    assert (await lin.post("/do/pause/queues", data={"queue": "web-1"})).status_code == 303
    assert (await lin.post("/do/pause/queues/bills")).status_code == 403
    # The page's own queue counts, whatever the form says.
    assert (await lin.post("/do/pause/queues/bills", data={"queue": "mail"})).status_code == 403
    paused = {queue.name for queue in await chancy.get_all_queues() if queue.state == "paused"}
    assert paused == {"mail", "web-1"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://localhost"}, 303),
        ({"origin": "http://localhost:81"}, 403),
        ({"origin": "https://evil.example.org"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://localhost"}, 403),
    ],
)
async def test_another_site_changes_nothing(serve, chancy, headers, status):
    """A browser says where a request comes from; one that says nothing is refused."""
    await chancy.declare(Queue("mail"))
    browser = serve()
    del browser.headers["sec-fetch-site"]
    sent = await browser.post("/do/pause/queues/mail", headers=headers)
    assert sent.status_code == status
    assert ((await chancy.get_queue("mail")).state == "paused") is (status == 303)


async def test_read_only_is_for_everybody(serve, chancy):
    """Whatever authorize says; and the page says so."""
    await chancy.declare(Queue("mail"))
    browser = serve(read_only=True)
    refused = await browser.post("/do/pause/queues/mail")
    assert refused.status_code == 403
    assert "started read-only" in refused.text
    page = (await browser.get("/queues/mail")).text
    assert "only looks" in page
    assert "do/pause" not in page


async def test_a_database_that_takes_no_changes_makes_it_read_only(serve, chancy, dsn, query):
    """As a replica does."""
    from chancy import Chancy  # noqa: PLC0415

    await chancy.declare(Queue("mail"))
    options = f"{dsn} options='-c default_transaction_read_only=on'" if "://" not in dsn else dsn
    if options == dsn:
        options = dsn + ("&" if "?" in dsn else "?") + "options=-c%20default_transaction_read_only%3Don"
    browser = serve(Chancy(options, schema=chancy.settings.schema, auto_migrate=False))
    assert (await browser.get("/queues/mail")).status_code == 200
    refused = await browser.post("/do/pause/queues/mail")
    assert refused.status_code == 403
    assert "takes no changes" in refused.text


@pytest.mark.parametrize(
    ("given", "permission", "queue", "may"),
    [
        ("*", "cancel", None, True),
        ("read", "cancel", "mail", False),
        (["read", "cancel"], "cancel", None, True),
        ({"cancel": ["mail"]}, "cancel", "mail", True),
        ({"cancel": ["mail"]}, "cancel", "mails", False),
        # For all queues is more than for some.
        ({"cancel": ["mail"]}, "cancel", None, False),
        ({"*": ["m*"]}, "retry", "mail", True),
        ({"*": "*", "delete": []}, "delete", "mail", False),
    ],
)
def test_access_says_what_it_was_given(given, permission, queue, may):
    """A permission of its own goes before `*`."""
    assert Access("ada", given).may(permission, queue) is may


def test_access_refuses_what_is_no_permission():
    """With the nearest name where it is one that is misspelled in its form."""
    with pytest.raises(ConfigError, match="Permission"):
        Access("ada", ["re try"])
    with pytest.raises(ConfigError, match="names of queues"):
        Access("ada", {"retry": [None]})
