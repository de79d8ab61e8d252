"""What is shown of the settings: every one with its source, and no secret."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from configuring import FULL, refusal, settings, write
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from psycopg import Error
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chancy_core.config import describe, load_settings, redacted
from chancy_core.values.queue import Executor


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://ann:pw@db:5433/app", "postgresql://ann:***@db:5433/app"),
        ("postgres://ann:p@w@db/app", "postgres://ann:***@db/app"),
        ("postgresql://ann@db/app", "postgresql://ann@db/app"),
        ("postgresql://", "postgresql://"),
        ("postgresql:///app?host=/run/pg", "postgresql:///app?host=/run/pg"),
        ("postgresql://a:1@[::1]:5432,b:2/app", "postgresql://a:***@[::1]:5432,b:2/app"),
        ("postgresql://db/app?password=pw&user=a", "postgresql://db/app?password=***&user=a"),
        ("postgresql://db/app?pass%77ord=pw", "postgresql://db/app?pass%77ord=***"),
        ("postgresql://db/app?pasword=pw", "postgresql://db/app?pasword=***"),
        ("postgresql://ann:p/w@db/app", "***"),
        ("postgresql://ann:12/w@db/app", "***"),
        ("postgresql://ann:1?x=w@db/app", "postgresql://ann:***@db/app"),
        ("host=db user=ann password=pw", "host=db user=ann password=***"),
        ("host = db password = 'p w' port=1", "host=db password=*** port=1"),
        (r"password='it\'s' host=db", "password=*** host=db"),
        (r"password=p\ w host=db", "password=*** host=db"),
        ("password= host=pw", "password=***"),
        ("password=a\u00a0user=b", "password=***"),
        ("password='a'user=b", "***"),
        ("password=p w", "***"),
        ("sslpassword=pw host=db", "sslpassword=*** host=db"),
        ("dbname=postgresql://a:pw@db/x", "dbname=***"),
        ("pasword=pw", "pasword=***"),
        ("mysql://ann:pw@db/app", "***"),
        (" postgresql://ann:pw@db/app", "***"),
        ("postgresql+psycopg://ann:pw@db/app", "***"),
        ("hunter2", "***"),
        ("", "***"),
    ],
)
def test_redacted(dsn, shown):
    """A connection string is shown in its own form without what nobody should read."""
    assert redacted(dsn) == shown


SECRETS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).map(
    lambda text: f"§{text}§"
)


@given(SECRETS)
def test_no_part_of_a_password_is_shown_in_any_form(secret):
    """However it is written or mis-written, nothing of a password comes out."""
    for dsn in (
        make_conninfo(host="db", user="ann", password=secret, dbname="app"),
        f"host=db password='{secret}' user=ann",
        f"postgresql://ann:{quote(secret, safe='')}@db:5432/app",
        f"postgresql://ann:{secret}@db:5432/app",
        f"postgresql://db/app?user=ann&password={quote(secret, safe='')}",
    ):
        shown = redacted(dsn)
        assert "§" not in shown
        assert quote("§") not in shown


# What psycopg says of a string that is no connection string.
UNREADABLE = (Error, UnicodeDecodeError)


PIECES = st.lists(
    st.sampled_from([*"aw1:/@?=&'\\ ,[]%", "password=", "user=", "host=", "postgresql://", "%70"]),
    max_size=20,
).map("".join)


@given(PIECES, st.sampled_from(["", "password=", "postgresql://", "postgresql://u:"]))
@settings_of_hypothesis(max_examples=1000)
def test_libpq_finds_no_password_in_what_is_shown(text, prefix):
    """Whatever string is given, the only password libpq can read from what is shown is `***`."""
    shown = redacted(prefix + text)
    try:
        password = conninfo_to_dict(shown).get("password")
    except UNREADABLE:
        password = None
    assert password in (None, "***")
    with suppress(*UNREADABLE):
        if conninfo_to_dict(prefix + text).get("password"):
            assert "***" in shown


@given(
    st.fixed_dictionaries(
        {"host": st.sampled_from(["db", "/run/pg", "::1"]), "port": st.integers(1, 65535)},
        optional={"dbname": st.sampled_from(["app", "it's", "two words"]), "user": st.just("ann")},
    )
)
def test_redaction_keeps_what_is_no_secret(parts):
    """Where the database is stays readable, and means the same as before."""
    dsn = make_conninfo("", **parts)
    assert conninfo_to_dict(redacted(dsn)) == conninfo_to_dict(dsn)


@pytest.mark.parametrize(
    "text",
    [
        'dsn = "postgresql://ann:hunter2@db/app"',
        '[chancy]\ndsn = ["postgresql://ann:hunter2@db/app"]',
        '[chancy]\ndns = "postgresql://ann:hunter2@db/app"',
        '[chancy]\nfunctions = "postgresql://ann:hunter2@db/app"',
        '[chancy]\nfunctions = ["password=hunter2"]',
        '[chancy]\npooler = "password=hunter2"',
        'chancy = "postgresql://ann:hunter2@db/app"',
        '[chancy]\ndsn = "postgresql://ann:hunter2@db/app',
        '[plugins]\npassword = "hunter2"',
    ],
)
def test_an_error_repeats_no_password(folder, text):
    """A connection string in the wrong place is complained of without being repeated."""
    write(folder, text)
    assert "hunter2" not in refusal(folder)


def test_the_repr_of_settings_holds_no_secrets(folder):
    """Settings may end up in a log or a traceback."""
    write(folder, FULL)
    shown = repr(settings(folder))
    assert "postgresql://ann:***@db.example:5433/app" in shown
    assert not re.search("hunter2|t0p|s3cret", shown)


def test_describe_lists_every_setting_with_its_source(folder):
    """Path, value as TOML, and who set it, for what was set and what was not."""
    write(folder, FULL)
    rows = describe(settings(folder, {"CHANCY_WORKER_GRACE_S": "5"}, pooler=True))
    shown = {path: (value, source) for path, value, source in rows}
    assert len(shown) == len(rows)
    assert shown["dsn"] == ('"postgresql://ann:***@db.example:5433/app"', "chancy.toml")
    assert shown["functions"] == ('["app.jobs.*"]', "chancy.toml")
    assert shown["pooler"] == ("true", "argument")
    assert shown["auto_migrate"] == ("", "default")
    assert shown["worker.lease_s"] == ("20.0", "chancy.toml")
    assert shown["worker.grace_s"] == ("5.0", "CHANCY_WORKER_GRACE_S")
    assert shown["queues.default.executor"] == (f'"{Executor.Threaded.value}"', "chancy.toml")
    assert shown['queues."mails.out"'] == ("{}", "chancy.toml")
    assert shown["plugins.cron.schedules"] == (
        '[{ name = "nightly", cron = "0 3 * * *" }]',
        "chancy.toml",
    )
    assert shown["plugins.report.api_token"] == ('"***"', "chancy.toml")
    assert shown["plugins.report.nested"] == ('{ password = "***", level = 3 }', "chancy.toml")
    assert shown["plugins.empty"] == ("{}", "chancy.toml")


@pytest.mark.parametrize(
    "table",
    [
        '[plugins.p]\nAPI_KEY = "hunter2"',
        '[plugins.p]\ndsn = "postgresql://db/hunter2"',
        '[plugins.p]\nurl = "https://ann:hunter2@example.org"',
        '[plugins.p]\nurls = ["amqp://ann:hunter2@example.org"]',
        '[plugins.p]\nbase = "host=db password=hunter2"',
        '[[plugins.p.deep]]\nsecrets = { a = "hunter2" }',
        '[queues.q.executor_options]\ntoken = "hunter2"',
    ],
)
def test_describe_hides_secrets_at_any_depth(folder, table):
    """A value under a name that says secret, or that holds a login, is not printed."""
    write(folder, table)
    rows = describe(settings(folder))
    assert "hunter2" not in str(rows)
    assert '***"' in str(rows)


TOML_VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.text(st.characters(exclude_categories=["Cs"])).filter(lambda t: "@" not in t and "=" not in t),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc .\"'\n", min_size=1).map(lambda t: f"a{t}"), inner),
)


@given(TOML_VALUES)
def test_described_values_are_toml(value):
    """What `chancy config` prints can be put into a file and means the same there."""
    found = load_settings(environ={}, directory=Path("/"), plugins={"p": {"x": value}})
    [shown] = [text for path, text, _ in describe(found) if path == "plugins.p.x"]
    assert tomllib.loads(f"x = {shown}")["x"] == value
