"""Names and passwords in a file, asked for by HTTP itself: no session, and nothing secret in a page."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
from collections import OrderedDict
from pathlib import Path
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from chancy.errors import ConfigError
from chancy.plugin import log
from chancy_dashboard.door.access import Access
from chancy_dashboard.door.tries import WITHIN_S, Tries

# What OWASP recommends of scrypt for passwords of people: 16 MiB and some 50 ms a try.
N: Final = 2**14
R: Final = 8
P: Final = 1
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
# The most that a hash in the file may cost; somebody could write a line that takes an hour.
COST_MAX: Final = 2**20
PASSWORD_MAX: Final = 1_000
PASSWORD_MIN: Final = 8
# One password is checked at a time, and so many wait for that.
WAITING_MAX: Final = 20
# What somebody gives as his name is told that far.
NAME_TOLD: Final = 100
KNOWN_MAX: Final = 1_000


class Entry(NamedTuple):
    """A line of the file."""

    name: str
    hashed: str
    may: str


class PasswordFile:
    """Lets those in who know a password of a file: an `authorize` for `Dashboard`.

    A line is `NAME:HASH:PERMISSIONS`; `chancy dashboard --add-user NAME --password-file FILE` writes one. Permissions
    are `*`, `read`, or several with commas between, each for all queues or, as in `retry@mail`, for those that a
    pattern names. The file is read again when it has changed.

    Args:
        path: the file.

    Raises:
        ConfigError: it cannot be read, has no line, or a line that is none.
    """

    def __init__(self, path: str | Path) -> None:
        self._path: Final = Path(path)
        self._read_at: tuple[int, int] | None = None
        self._entries: dict[str, Entry] = {}
        self._key: Final = secrets.token_bytes(32)
        # Who has proved a moment ago what he knows; nothing of it leads back to a password.
        self._known: OrderedDict[bytes, str] = OrderedDict()
        self._tries: Final = Tries()
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0
        self._dummy: Final = hash_password(secrets.token_hex(16))
        self._read()

    async def __call__(self, request: Request) -> Access | Response:
        """Who it is, or a response that asks for a name and a password."""
        self._read()
        given = _given(request)
        if given is None:
            return _ask("A name and a password are needed.")
        name, password = given
        proof = hmac.digest(self._key, f"{name}\0{password}".encode(), "sha256")
        entry = self._entries.get(name)
        if entry is not None and hmac.compare_digest(self._known.get(proof, ""), entry.hashed):
            return access_of(entry)
        address = request.client.host if request.client else ""
        matches = await self._matches(name, password, entry, address)
        if matches is None:
            return PlainTextResponse("Too many tries: wait a minute.", 429, {"Retry-After": str(int(WITHIN_S))})
        if not matches or entry is None:
            return _ask("That is not the name and the password.")
        self._known[proof] = entry.hashed
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return access_of(entry)

    async def _matches(self, name: str, password: str, entry: Entry | None, address: str) -> bool | None:
        """Whether a password is somebody's, which takes as long where there is nobody. None: too many tries."""
        if self._waiting >= WAITING_MAX:
            return None
        self._waiting += 1
        try:
            # One at a time, so that what the one before has learned of this address counts for the next.
            async with self._turn:
                if not self._tries.may(address, name):
                    return None
                hashed = self._dummy if entry is None else entry.hashed
                matches = await asyncio.to_thread(verify_password, password, hashed) and entry is not None
                if matches:
                    self._tries.right(address, name)
                else:
                    self._tries.wrong(address, name)
                    log.warning("dashboard_password_wrong", name=name[:NAME_TOLD], address=address)
                return matches
        finally:
            self._waiting -= 1

    def _read(self) -> None:
        try:
            found = self._path.stat()
            if self._read_at == (found.st_mtime_ns, found.st_size):
                return
            if found.st_mode & stat.S_IWOTH:
                raise ConfigError(f"{self._path}: everybody may write there. Type: chmod o-w {self._path}")
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            if self._entries:
                # Those who were let in before stay; a file that is being replaced is missing for a moment.
                return
            raise ConfigError(f"The password file {self._path} cannot be read: {error}") from None
        self._entries = entries_of(text, self._path)
        self._known.clear()
        self._read_at = (found.st_mtime_ns, found.st_size)


def entries_of(text: str, path: Path) -> dict[str, Entry]:
    """The lines of a password file. Raises ConfigError."""
    found: dict[str, Entry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = line.strip().split(":")
        if len(parts) != 3 or not parts[0] or not _parts_of(parts[1]):  # noqa: PLR2004 -- name, hash, permissions
            raise ConfigError(
                f"{path}, line {number}: write NAME:HASH:PERMISSIONS, as "
                f"`chancy dashboard --add-user NAME --password-file {path}` does."
            )
        entry = Entry(*parts)
        access_of(entry)
        if entry.name in found:
            raise ConfigError(f"{path}, line {number}: {entry.name!r} has a line already.")
        found[entry.name] = entry
    if not found:
        raise ConfigError(
            f"The password file {path} has nobody in it. Type: chancy dashboard --add-user NAME --password-file {path}"
        )
    return found


def access_of(entry: Entry) -> Access:
    """What somebody may do. Raises ConfigError."""
    given: dict[str, list[str]] = {}
    for part in entry.may.split(","):
        permission, _, queue = part.strip().partition("@")
        given.setdefault(permission, []).append(queue or "*")
    if "*" not in given:
        given.setdefault("read", ["*"])
    return Access(entry.name, given)


def hash_password(password: str) -> str:
    """What is kept of a password."""
    salt = os.urandom(SALT_BYTES)
    key = hashlib.scrypt(password.encode(), salt=salt, n=N, r=R, p=P, dklen=KEY_BYTES)
    kept = (base64.b64encode(part).decode() for part in (salt, key))
    return "$".join(["scrypt", str(N), str(R), str(P), *kept])


def verify_password(password: str, hashed: str) -> bool:
    """Whether this is the password."""
    parts = _parts_of(hashed)
    if parts is None:
        return False
    n, r, p, salt, key = parts
    found = hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=len(key), maxmem=256 * n * r * p + 2**20)
    return hmac.compare_digest(found, key)


def _parts_of(hashed: str) -> tuple[int, int, int, bytes, bytes] | None:
    try:
        kind, n, r, p, salt, key = hashed.split("$")
        found = int(n), int(r), int(p), base64.b64decode(salt, validate=True), base64.b64decode(key, validate=True)
    except (ValueError, binascii.Error):
        return None
    costs = found[0] * found[1] * found[2]
    return found if kind == "scrypt" and 0 < costs <= COST_MAX and len(found[4]) >= KEY_BYTES else None


def _given(request: Request) -> tuple[str, str] | None:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        return None
    return (name, password) if colon and len(password) <= PASSWORD_MAX else None


def _ask(told: str) -> Response:
    return PlainTextResponse(told, 401, {"WWW-Authenticate": 'Basic realm="chancy", charset="UTF-8"'})
