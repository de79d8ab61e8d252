"""Names and passwords in a file."""

from __future__ import annotations

import asyncio
import os

import httpx
import pytest
from click.testing import CliRunner

from chancy.errors import ConfigError
from chancy_dashboard.commands import dashboard as command
from chancy_dashboard.door import passwords
from chancy_dashboard.door.passwords import PasswordFile, hash_password, verify_password

GOOD = "correct horse"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file with ada, who may do everything, and sam, who may pause one queue."""
    # What a hash costs is of no interest here.
    monkeypatch.setattr(passwords, "N", 2)
    path = tmp_path / "operators"
    path.write_text(f"# operators\nada:{hash_password(GOOD)}:*\n\nsam:{hash_password(GOOD)}:pause@mail\n")
    return path


@pytest.fixture
def ask(serve, file):
    """Asks as somebody: `await ask("/", "ada", "correct horse")`."""
    browser = serve(authorize=PasswordFile(file), client=("203.0.113.9", 1))

    async def call(path, name=None, password="", **more):
        auth = None if name is None else httpx.BasicAuth(name, password)
        return await browser.get(path, auth=auth, **more)

    return call


async def test_a_password_lets_in_who_knows_it(ask):
    """With what the file says that he may; others are asked for it, and see nothing."""
    asked = await ask("/audit")
    assert asked.status_code == 401
    assert asked.headers["www-authenticate"].startswith("Basic")
    assert asked.headers["content-security-policy"]
    assert (await ask("/audit", "ada", "wrong horse")).status_code == 401
    assert (await ask("/audit", "nobody", GOOD)).status_code == 401
    assert "ada, everything" in (await ask("/audit", "ada", GOOD)).text
    assert "sam, pause in mail; read" in (await ask("/audit", "sam", GOOD)).text


@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Bearer x", "Basic YWRh", "Basic " + "A" * 10_000])
async def test_whatever_is_sent_instead_of_a_password_is_no_error(ask, value):
    """It is asked for again."""
    assert (await ask("/audit", headers={"authorization": value})).status_code == 401


async def test_whoever_guesses_has_to_wait(ask, monkeypatch):
    """After five wrong ones, also at the same time; and from that address even the right one does not help."""
    guesses = await asyncio.gather(*(ask("/audit", "ada", f"guess {n}") for n in range(12)))
    assert sorted(guess.status_code for guess in guesses) == [401] * 5 + [429] * 7
    waits = await ask("/audit", "ada", GOOD)
    assert waits.status_code == 429
    assert waits.headers["retry-after"] == "60"
    monkeypatch.setattr("chancy_dashboard.door.tries.WITHIN_S", 0.0)
    assert (await ask("/audit", "ada", GOOD)).status_code == 200


async def test_a_name_that_is_not_there_costs_as_much_as_one_that_is(ask, monkeypatch):
    """So that nobody learns names: a hash is computed either way."""
    computed = []
    monkeypatch.setattr(passwords, "verify_password", lambda *given: computed.append(given) or False)
    await ask("/audit", "ada", "wrong")
    await ask("/audit", "nobody", "wrong")
    assert len(computed) == 2


async def test_a_file_that_changes_is_read_again(ask, file):
    """Who is taken out of it is out at once, though he was in a moment ago."""
    assert (await ask("/audit", "ada", GOOD)).status_code == 200
    file.write_text(f"lin:{hash_password(GOOD)}:read\n")
    os.utime(file, ns=(1, 1))
    assert (await ask("/audit", "ada", GOOD)).status_code == 401
    assert (await ask("/audit", "lin", GOOD)).status_code == 200


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "nobody in it"),
        ("ada:secret:*", "line 1: write NAME:HASH"),
        ("\nada:scrypt$99999999$8$1$AAAA$AAAA:*", "line 2"),
        ("ada", "line 1"),
    ],
)
def test_a_file_that_is_none_is_refused_at_the_start(tmp_path, text, told):
    """With the line, and what writes one."""
    path = tmp_path / "operators"
    path.write_text(text)
    with pytest.raises(ConfigError, match=told):
        PasswordFile(path)


def test_a_file_that_everybody_may_write_is_refused(file):
    """Otherwise anybody on the machine lets himself in."""
    file.chmod(0o666)
    with pytest.raises(ConfigError, match="chmod o-w"):
        PasswordFile(file)


def test_a_password_is_kept_as_a_slow_hash_with_salt():
    """Two of the same differ, and neither has it in it."""
    one, other = hash_password(GOOD), hash_password(GOOD)
    assert one != other
    assert one.startswith("scrypt$16384$8$1$")
    assert verify_password(GOOD, one)
    assert not verify_password(GOOD + " ", one)


def test_the_command_makes_a_file_and_refuses_to_serve_others_without_one(tmp_path):
    """What it says is what to type."""
    path = tmp_path / "operators"
    run = CliRunner().invoke
    refused = run(command, ["--host", "0.0.0.0"])
    assert refused.exit_code == 2
    assert "--password-file" in refused.output
    arguments = ["--add-user", "ada", "--may", "read,retry@mail", "--password-file", str(path)]
    assert run(command, arguments, input="short\nshort\n").exit_code == 1
    made = run(command, arguments, input=f"{GOOD}\n{GOOD}\n")
    assert "ada may do read; retry in mail" in made.output
    assert path.stat().st_mode & 0o777 == 0o600
    again = run(command, arguments, input=f"{GOOD}\n{GOOD}\n")
    assert (again.exit_code, "'ada' already" in again.output) == (1, True)
    assert passwords.access_of(PasswordFile(path)._entries["ada"]).may("retry", "mail")
