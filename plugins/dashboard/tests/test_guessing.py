"""Somebody guesses passwords, with all the addresses and all the patience in the world."""

from __future__ import annotations

import hmac

import httpx
import pytest

from chancy_dashboard.door import passwords, tries
from chancy_dashboard.door.passwords import PasswordFile, hash_password
from chancy_dashboard.door.tries import TRIES, TRIES_OF_NAME, Tries

GOOD = "correct horse"


@pytest.fixture
def come_from(serve, tmp_path, monkeypatch):
    """Asks from an address: `await come_from("203.0.113.9")("ada", "correct horse")` is the status."""
    monkeypatch.setattr(passwords, "N", 2)
    path = tmp_path / "operators"
    path.write_text(f"ada:{hash_password(GOOD)}:*\nsam:{hash_password(GOOD)}:read\n")
    authorize = PasswordFile(path)

    def from_there(address):
        browser = serve(authorize=authorize, client=(address, 1))

        async def ask(name, password):
            return (await browser.get("/audit", auth=httpx.BasicAuth(name, password))).status_code

        return ask

    return from_there


async def test_who_has_very_many_addresses_guesses_a_name_no_more_often_than_that(come_from, monkeypatch):
    """A botnet had five tries for each of its addresses. The owner still comes in from where he was before."""
    monkeypatch.setattr(tries, "TRIES_OF_NAME", 7)
    assert await come_from("198.51.100.7")("ada", GOOD) == 200
    got = [await come_from(f"203.0.113.{n}")("ada", f"guess {n}") for n in range(10)]
    assert got == [401] * 7 + [429] * 3
    assert await come_from("203.0.113.200")("ada", "correct hors") == 429
    # Not what this process remembers of the right password: that it was right from there.
    assert await come_from("198.51.100.7")("ada", "a slip") == 401
    assert await come_from("203.0.113.200")("sam", GOOD) == 200


async def test_who_knows_one_password_does_not_guess_others_more_often(come_from):
    """His own, given between two guesses, made the address as good as new."""
    ask = come_from("203.0.113.9")
    for n in range(TRIES - 1):
        assert await ask("ada", f"guess {n}") == 401
    assert await ask("sam", GOOD) == 200
    assert await ask("ada", "one more") == 401
    assert await ask("ada", "and one more") == 429


async def test_a_network_of_ipv6_is_one_address(come_from):
    """Whoever has one has eighteen quintillion; and an address of IPv4 is the same, however it is written."""
    got = [await come_from(f"2001:db8:0:1::{n:x}")("ada", "guess") for n in range(1, TRIES + 2)]
    assert got == [401] * TRIES + [429]
    assert await come_from("2001:db8:0:2::1")("ada", "guess") == 401
    for n in range(TRIES):
        assert await come_from("::ffff:203.0.113.1" if n % 2 else "203.0.113.1")("ada", "guess") == 401
    assert await come_from("203.0.113.1")("ada", "guess") == 429


async def test_a_wrong_password_is_told_to_who_looks_after_the_machine(come_from, monkeypatch):
    """With whose it should have been, and from where; never what it was."""
    told = []
    monkeypatch.setattr(passwords.log, "warning", lambda event, **fields: told.append((event, fields)))
    await come_from("203.0.113.9")("ada" * 100, "guess")
    assert told == [("dashboard_password_wrong", {"name": ("ada" * 100)[:100], "address": "203.0.113.9"})]


async def test_hashes_are_compared_as_a_whole(come_from, monkeypatch):
    """How far a guess is right must not be seen in how long it takes: both comparisons are those made for it."""
    compared = []

    def watched(one, other):
        compared.append((len(one), len(other)))
        return hmac_compare(one, other)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr(passwords.hmac, "compare_digest", watched)
    assert await come_from("203.0.113.9")("ada", "guess") == 401
    assert (32, 32) in compared


def test_made_up_names_and_addresses_do_not_fill_the_memory(monkeypatch):
    """Each guess has its own of both, for ever."""
    monkeypatch.setattr(tries, "KEPT", 50)
    counted = Tries()
    for n in range(200):
        counted.wrong(f"203.0.{n}.1", f"name {n}")
        counted.right(f"198.51.{n}.1", f"name {n}")
    assert {len(counted._of_address), len(counted._of_name), len(counted._proved)} == {50}
    assert TRIES_OF_NAME > TRIES
