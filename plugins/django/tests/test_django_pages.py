"""The admin and the dashboard show jobs to those who may look, and do what those may do."""

from __future__ import annotations

import re

import pytest

PASSWORD = "pw"


@pytest.fixture
def somebody(tasks, orders):
    """Makes a browser of somebody with these permissions."""
    from django.contrib.auth.models import Permission, User
    from django.test import Client

    made = []
    tasks(discover=True).sync_migrate()

    def make(*permissions, **fields):
        user = User.objects.create_user(f"user{len(made)}", password=PASSWORD, **{"is_staff": True, **fields})
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        made.append(user)
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        return client

    yield make
    for user in made:
        user.delete()


def send(client, path, found, **fields):
    """Send a form of a page that was found, with its token."""
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', found.content.decode())[1]
    return client.post(path, {"csrfmiddlewaretoken": token, **fields}, headers={"origin": "http://testserver"})


def test_the_admin_shows_jobs_without_counting_them_and_cancels_for_those_who_may(somebody):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from chancy_django import models
    from shop.tasks import pay

    path = "/admin/chancy_django/job/"
    results = pay.get_backend().enqueue_all((pay, (n,), {}) for n in range(120))
    row = models.Job(pk=results[7].id)
    # By Django's own manager, in whichever schema.
    row.refresh_from_db()
    assert row.queue == "default"
    looks, cancels = somebody("view_job"), somebody("view_job", "cancel_job")
    assert somebody().get(path).status_code == 403
    with CaptureQueriesContext(connection) as captured:
        found = looks.get(path)
    assert found.status_code == 200
    assert "120 jobs" in found.content.decode()
    assert "shop.tasks.pay" in found.content.decode()
    assert not [query["sql"] for query in captured if "COUNT(" in query["sql"].upper()]
    assert "Cancel the selected jobs" not in found.content.decode()
    assert looks.get(f"{path}?q={results[7].id}").content.decode().count("field-func") == 1
    assert looks.get(f"{path}{results[7].id}/change/").status_code == 200
    for refused in (f"{path}add/", f"{path}{results[7].id}/delete/"):
        assert looks.get(refused).status_code == 403
    fields = {"action": "cancel", "_selected_action": [results[7].id], "index": "0"}
    send(looks, path, looks.get(path), **fields)
    assert pay.get_result(results[7].id).status == "READY"
    assert send(cancels, path, cancels.get(path), **fields).status_code == 302
    results[7].refresh()
    assert "Cancelled by user1 in the admin" in results[7].errors[0].traceback


def test_the_other_lists_of_the_admin_can_be_looked_at_and_act(somebody, drain):
    from shop.tasks import anything

    result = anything.enqueue("text")
    drain([result.id])
    admin = somebody(is_superuser=True)
    for name in ("finishedjob", "queue", "worker"):
        assert admin.get(f"/admin/chancy_django/{name}/").status_code == 200
    assert '"text"' in admin.get(f"/admin/chancy_django/finishedjob/{result.id}/change/").content.decode().replace(
        "&quot;", '"'
    )
    path = "/admin/chancy_django/finishedjob/"
    send(admin, path, admin.get(path), action="retry", _selected_action=[result.id], index="0")
    chancy = anything.get_backend().chancy
    assert chancy.sync_count_jobs()["default"]["pending"] == 1
    path = "/admin/chancy_django/queue/"
    for action, state in (("pause", "paused"), ("resume", "active")):
        send(admin, path, admin.get(path), action=action, _selected_action=["mail"], index="0")
        assert chancy.sync_get_queue("mail").state == state


def test_the_page_of_a_job_shows_arguments_and_results_to_those_alone_who_may_reveal_them(somebody, drain):
    """Whoever might look at jobs read the passwords in them, which the dashboard hides."""
    from shop.tasks import anything

    done = anything.enqueue(password="hush")
    drain([done.id])
    waits = anything.enqueue(password="hush")
    looks = somebody("view_job", "view_finishedjob")
    reveals = somebody("view_job", "view_finishedjob", "reveal_finishedjob")
    for path in (f"job/{waits.id}", f"finishedjob/{done.id}"):
        hidden, shown = (who.get(f"/admin/chancy_django/{path}/change/").content.decode() for who in (looks, reveals))
        assert "shop.tasks.anything" in hidden
        assert "hush" not in hidden
        assert "hush" in shown


def test_an_action_for_all_of_a_thousand_is_not_one_for_all_there_are(somebody, monkeypatch):
    """To "select all 1000" cancelled whatever else there was."""
    from chancy_django import admin
    from shop.tasks import pay

    monkeypatch.setattr(admin, "COUNTED_MAX", 3)
    pay.get_backend().enqueue_all((pay, (n,), {}) for n in range(5))
    path, cancels = "/admin/chancy_django/job/", somebody("view_job", "cancel_job")
    chosen = {"action": "cancel", "select_across": "1", "index": "0", "_selected_action": ["x"]}
    assert send(cancels, path, cancels.get(path), **chosen).status_code == 302
    assert pay.get_backend().chancy.sync_count_jobs()["default"]["pending"] == 2


def test_the_dashboard_asks_for_staff_for_permissions_and_for_djangos_token(somebody):
    from django.test import Client

    from shop.tasks import pay

    pay.enqueue(1)
    path = "/ops/jobs/queues/mail"
    assert Client().get(path).headers["location"] == f"/admin/login/?next={path}"
    assert somebody("view_job", is_staff=False).get(path).status_code == 403
    assert somebody().get(path).status_code == 403
    looks, pauses = somebody("view_job"), somebody("view_job", "pause_queue")
    assert "Pause mail" not in looks.get(path).content.decode()
    found = pauses.get(path)
    assert "Pause mail" in found.content.decode()
    assert found.headers["content-type"].startswith("text/html")
    forms = re.findall(r"<form[^>]*method=.?post[^>]*>(.{0,60})", found.content.decode(), re.DOTALL)
    assert forms
    assert all(form.startswith('<input type="hidden" name="csrfmiddlewaretoken"') for form in forms)

    does, chancy = "/ops/jobs/do/pause/queues/mail", pay.get_backend().chancy
    fields = {"for": re.search(r'<select id="pa".*?<option value="([^"]*)"', found.content.decode(), re.DOTALL)[1]}
    assert pauses.post(does, fields, headers={"origin": "http://testserver"}).status_code == 403
    assert send(looks, does, looks.get(path), **fields).status_code == 403
    assert chancy.sync_get_queue("mail").state == "active"
    sent = send(pauses, does, found, **fields)
    assert (sent.status_code, sent.headers.get("location")) == (303, path)
    assert chancy.sync_get_queue("mail").state == "paused"


def test_pages_follow_what_happens_under_asgi_and_hold_no_thread_under_wsgi(somebody):
    assert somebody("view_job").get("/ops/jobs/live/queues").status_code == 204


async def test_a_stream_of_the_dashboard_has_the_token_in_its_forms(somebody):
    from asgiref.sync import sync_to_async
    from django.test import AsyncClient

    from chancy_django import get_chancy

    user = await sync_to_async(lambda: (somebody(is_superuser=True), user_of(0))[1])()
    chancy = get_chancy()
    await sync_to_async(chancy.sync_pause_queue)("mail")
    client = AsyncClient()
    await client.aforce_login(user)
    found = await client.get("/ops/jobs/live/queues/mail")
    assert found.status_code == 200
    text = ""
    async for part in found.streaming_content:
        text += part.decode()
        if "event: page" in text:
            break
    await found.streaming_content.aclose()
    assert 'name="csrfmiddlewaretoken"' in text


def user_of(number):
    """Somebody who was made."""
    from django.contrib.auth.models import User

    return User.objects.get(username=f"user{number}")
