"""The directory of one embedded server: where it is, what is in it, that it is nobody else's."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from chancy_core.embedded import accounts
from chancy_core.embedded.accounts import Account
from chancy_core.embedded.refusal import unavailable

# Root's home is mostly closed to the user that runs root's server; this place is not.
_ROOT_STATE = "/Library/Application Support/chancy" if sys.platform == "darwin" else "/var/lib/chancy"
# A socket's address holds 104 bytes on macOS and 108 on Linux, the end mark included.
_LONGEST_SOCKET_BYTES = 100
PORT = 5432


@dataclass(frozen=True)
class Home:
    """The files of one embedded server.

    Attributes:
        path: The directory, absolute and without symbolic links.
        owner: Whose it is; the user that may connect.
        account: As whom the server runs: the owner, unless that is root.
    """

    path: Path
    owner: Account
    account: Account

    @property
    def is_delegated(self) -> bool:
        """Whether the server runs as somebody else than its owner, who then has to let it in."""
        return self.account != self.owner

    @property
    def start_lock(self) -> Path:
        """Held alone by who starts or stops the server. Made first: it marks the directory."""
        return self.path / "start.lock"

    @property
    def users_lock(self) -> Path:
        """Held together by all who use the server."""
        return self.path / "users.lock"

    @property
    def watcher_lock(self) -> Path:
        """Held by the watcher as long as it lives; holds its process id."""
        return self.path / "watcher.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper, if somebody wants the server to go on; holds its process id."""
        return self.path / "keeper.lock"

    @property
    def server_lock(self) -> Path:
        """Held by each process of the server, so it is free exactly when none is left."""
        return self.path / "server.lock"

    @property
    def log(self) -> Path:
        """What the server has to say."""
        return self.path / "server.log"

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.path / "data"

    @property
    def sockets(self) -> Path:
        """The private directory of the server's socket; in /tmp if the path would be too long."""
        beside = self.path / "sockets"
        address = os.fsencode(beside / f".s.PGSQL.{PORT}")
        # A comma ends a host name in a DSN, a quote one in the server's list of directories.
        if len(address) <= _LONGEST_SOCKET_BYTES and not set(b',"') & set(address):
            return beside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path(f"/tmp/chancy-{self.account.uid}-{digest}")  # noqa: S108 -- made and checked in give_private

    def give_private(self, folder: Path) -> None:
        """Make a folder that belongs to the server's account and is closed to everyone else.

        Raises:
            EmbeddedUnavailable: Something else is there. In /tmp that may be an attack.
        """
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        # Root's own one comes from a kill before the next line.
        ours = found.st_uid in (self.account.uid, self.owner.uid)
        if not stat.S_ISDIR(found.st_mode) or not ours or found.st_mode & 0o077:
            raise unavailable(f"{folder} is not a private folder of user {self.account.name}. Remove it.")
        if self.is_delegated:
            os.chown(folder, self.account.uid, self.account.gid, follow_symlinks=False)


def default(major: int) -> Path:
    """Where the server of this user lives when nobody says otherwise.

    `CHANCY_EMBEDDED_DIR`, else a folder per major version in the user's state directory. Root's
    is mostly closed to the user that runs root's server; then the folder is in /var/lib/chancy.
    """
    named = os.environ.get("CHANCY_EMBEDDED_DIR")
    if named:
        return Path(named)
    # Not at the top: platformdirs comes with the extra, and its absence deserves our message.
    import platformdirs  # noqa: PLC0415

    owner = accounts.current()
    directory = Path(platformdirs.user_state_dir("chancy", appauthor=False)) / f"postgres-{major}"
    account = accounts.for_server(owner, directory / "data")
    if owner.is_root and accounts.first_closed(directory.parents, account):
        return Path(_ROOT_STATE) / directory.name
    return directory


def prepare(directory: Path) -> Home:
    """Make the directory if it is missing, make sure that it is ours, and close it to others.

    Raises:
        EmbeddedUnavailable: It is a file, somebody else's, or full of other things.
        OSError: It cannot be made or read.
    """
    owner = accounts.current()
    path = directory.expanduser().resolve()
    home = Home(path, owner, accounts.for_server(owner, path / "data"))
    _make(path, private=True)
    _check(home)
    _close_to_others(home)
    return home


def _make(path: Path, *, private: bool) -> None:
    if path.exists():
        return
    _make(path.parent, private=False)
    # Root's server does not run as root, and has to get through to its directory.
    open_to_all = not private and os.geteuid() == 0
    try:
        path.mkdir(mode=0o755 if open_to_all else 0o700)
    except FileExistsError:
        return
    if open_to_all:
        path.chmod(0o755)  # whatever the umask is


def _check(home: Home) -> None:
    found = home.path.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise unavailable(f"{home.path} is not a directory. Set CHANCY_EMBEDDED_DIR to one.")
    if found.st_uid != home.owner.uid:
        raise unavailable(
            f"{home.path} belongs to user id {found.st_uid}, not to {home.owner.name}. "
            "Set CHANCY_EMBEDDED_DIR to a directory of your own."
        )
    names = {each.name for each in home.path.iterdir()}
    if names and home.start_lock.name not in names:
        raise unavailable(
            f"{home.path} is not empty and was not made by Chancy. Set CHANCY_EMBEDDED_DIR to a new directory."
        )
    closed = accounts.first_closed(home.path.parents, home.account)
    if home.is_delegated and closed is not None:
        raise unavailable(
            f"root's server runs as user {home.account.name}, who may not enter {closed}. "
            "Set CHANCY_EMBEDDED_DIR to a directory elsewhere."
        )


def _close_to_others(home: Home) -> None:
    found = home.path.stat()
    # Another user's server has to get through to its data, and to nothing else.
    through = stat.S_IXGRP if home.is_delegated else 0
    if home.is_delegated and found.st_gid != home.account.gid:
        os.chown(home.path, -1, home.account.gid)
    wanted = stat.S_IMODE(found.st_mode) & stat.S_IRWXU | through
    if stat.S_IMODE(found.st_mode) != wanted:
        home.path.chmod(wanted)
