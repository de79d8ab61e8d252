"""Operating system users: whose server it is, and as whom it runs."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from chancy_core.embedded.refusal import unavailable

if sys.platform != "win32":
    import pwd

# PostgreSQL refuses to run as root; the first of these that exists runs root's server.
_UNPRIVILEGED = ("postgres", "_postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A user of the operating system.

    Attributes:
        name: The name in the password database.
        uid: The user id.
        gid: The id of the main group.
    """

    name: str
    uid: int
    gid: int

    @property
    def is_root(self) -> bool:
        """Whether permissions do not apply to it."""
        return self.uid == 0


def of_uid(uid: int) -> Account:
    """The account with that id.

    Raises:
        EmbeddedUnavailable: It has no entry in the password database, and initdb needs one.
    """
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise unavailable(
            f"user id {uid} has no entry in the password database (/etc/passwd), without which "
            "initdb fails. In a container: add one, or run as a user that has one."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def current() -> Account:
    """The account this process runs as."""
    return of_uid(os.geteuid())


def for_server(owner: Account, data: Path) -> Account:
    """As whom the server of `owner` runs: itself; for root, the data's owner or a harmless user.

    Raises:
        EmbeddedUnavailable: The owner is root, and there is no other user to run the server.
    """
    if not owner.is_root:
        return owner
    if data.exists() and data.stat().st_uid != 0:
        return of_uid(data.stat().st_uid)
    for name in _UNPRIVILEGED:
        try:
            return of_uid(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue
    raise unavailable(
        f"PostgreSQL refuses to run as root, and there is no user {' or '.join(_UNPRIVILEGED)} to run it instead."
    )


def first_closed(folders: Iterable[Path], account: Account) -> Path | None:
    """The first of these folders that this account may not enter, or None. Missing ones pass.

    Knows of one group only, which is right for the server of another user: it gets no others.
    """
    return next((each for each in folders if each.exists() and not _may_enter(each, account)), None)


def _may_enter(folder: Path, account: Account) -> bool:
    found = folder.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)
