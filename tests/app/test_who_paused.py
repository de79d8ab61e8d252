"""Who finds a queue paused at night learns since when it is, by whom, and why."""

from __future__ import annotations

import getpass
from datetime import timedelta

import pytest
from click.testing import CliRunner

from chancy import Queue
from chancy_core.app import whoami
from chancy_core.cli.group import chancy as command
from chancy_core.errors import InvalidQueue

SHOWN = "SELECT state, paused_by, pause_reason, paused_at IS NOT NULL FROM {s}.queues_v1 WHERE name = 'mail'"


async def test_nobody_knew_who_had_paused_a_queue_and_why(chancy, query):
    """It is told as long as it is paused; whoever pauses it once more changes no beginning."""
    await chancy.declare(Queue("mail"))
    assert query(SHOWN) == [("active", None, None, False)]
    await chancy.pause_queue("mail", reason="the mail server is down")
    assert query(SHOWN) == [("paused", whoami.user_and_host(), "the mail server is down", True)]
    query("UPDATE {s}.queues SET paused_at = paused_at - interval '1 hour' WHERE name = 'mail'")
    await chancy.pause_queue("mail", resume_at=timedelta(hours=1))
    assert query(SHOWN) == [("paused", whoami.user_and_host(), "the mail server is down", True)]
    assert query("SELECT paused_at < now() - interval '59 minutes' FROM {s}.queues_v1 WHERE name = 'mail'") == [(True,)]
    await chancy.resume_queue("mail")
    assert query(SHOWN) == [("active", None, None, False)]
    await chancy.pause_queue("mail")
    assert query(SHOWN) == [("paused", whoami.user_and_host(), None, True)]
    assert query("SELECT paused_at > now() - interval '59 minutes' FROM {s}.queues_v1 WHERE name = 'mail'") == [(True,)]


async def test_a_pause_that_is_over_was_told_as_one(chancy, query):
    """The row still says it; the view does not."""
    await chancy.declare(Queue("mail"))
    await chancy.pause_queue("mail", resume_at=timedelta(hours=1), reason="lunch")
    query("UPDATE {s}.queues SET resume_at = now() - interval '1 minute' WHERE name = 'mail'")
    assert query(SHOWN) == [("active", None, None, False)]
    await chancy.pause_queue("mail")
    assert query(SHOWN)[0][2] is None


async def test_a_queue_that_is_declared_paused_tells_that(chancy, query):
    """Nobody paused it."""
    await chancy.declare(Queue("mail", state="paused"))
    assert query(SHOWN) == [("paused", "its declaration", None, True)]


def test_the_command_says_why(dsn, schema, new_chancy, query):
    """`--reason`."""
    with new_chancy() as chancy:
        chancy.sync_declare(Queue("mail"))
    done = CliRunner().invoke(
        command, ["--dsn", dsn, "--schema", schema, "queue", "pause", "mail", "--reason", "deploy of the 4th"]
    )
    assert done.exit_code == 0, done.output
    assert query(SHOWN)[0][2] == "deploy of the 4th"


@pytest.mark.parametrize("reason", [7, b"lunch", ["a"]])
async def test_a_reason_that_is_no_text_is_refused(chancy, query, reason):
    """With what to give; nothing is paused."""
    await chancy.declare(Queue("mail"))
    with pytest.raises(InvalidQueue, match=r"reason is .*: give a few words, or None"):
        await chancy.pause_queue("mail", reason=reason)
    assert query(SHOWN)[0][0] == "active"


@pytest.mark.parametrize("reason", ["a\x00b", "\ud800", "two\nlines", "x" * 9000, ""])
async def test_a_reason_of_odd_characters_is_stored_as_one_line(chancy, query, reason):
    """What no terminal can show, and what PostgreSQL cannot store, is no reason to leave a queue running."""
    await chancy.declare(Queue("mail"))
    await chancy.pause_queue("mail", reason=reason)
    ((state, _, stored, _),) = query(SHOWN)
    assert state == "paused"
    assert stored is None or (stored.isprintable() and len(stored) <= 500)


def test_a_user_without_a_name_can_pause_and_ask(monkeypatch):
    """As in a container whose user is a number: who that is can be said all the same."""

    def nameless():
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert "uid " in whoami.user_and_host()


async def test_an_application_says_who_pauses_for_it(chancy, query):
    """Its user, and not that of its process; what is no text is refused."""
    await chancy.declare(Queue("mail"))
    await chancy.pause_queue("mail", by="ada\n", reason="lunch")
    assert query(SHOWN) == [("paused", "ada", "lunch", True)]
    with pytest.raises(InvalidQueue, match="by is 7"):
        await chancy.pause_queue("mail", by=7)
