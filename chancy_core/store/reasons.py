"""Why a connection could not be made, and what to do about it, as far as the server's own words tell.

libpq gives no SQLSTATE for that, only the text, which the server may have written in another language: then the general
advice is given.
"""

from __future__ import annotations

import difflib
import re
from enum import Enum
from typing import Final

from psycopg.pq import Conninfo

_GENERAL: Final = (
    "Check that the server runs and that the DSN (Chancy(dsn=…), CHANCY_DSN, or dsn in chancy.toml) is right."
)

_FULL: Final = (
    "The server runs, but it has no connection left: close some, raise max_connections (or the limit of the role or of "
    "the database), lower pool_max_size, or put a pooler before it."
)
_NOT_YET: Final = "The server is there, but does not take connections at the moment: try again shortly."
_WHO: Final = (
    "The server runs, but does not let this user in: check the user and the password in the DSN (or PGUSER, "
    "PGPASSWORD, .pgpass)."
)
_FROM_WHERE: Final = (
    "The server runs, but its pg_hba.conf has no rule that lets this user in from here: let an administrator add one."
)
_NO_DATABASE: Final = "The server runs, but has no such database: create it (createdb), or correct its name in the DSN."
_WRONG_KIND: Final = (
    "None of the hosts in the DSN is what its target_session_attrs asks for: while a standby is being promoted there "
    "is no primary for a moment."
)
_DESCRIPTORS: Final = "This process has too many files and sockets open: close some, or raise its limit (ulimit -n)."


class Reason(Enum):
    """Why a connection could not be made."""

    FULL = "full"
    NOT_YET = "not yet"
    WHO = "who"
    FROM_WHERE = "from where"
    NO_DATABASE = "no database"
    WRONG_KIND = "wrong kind"
    TLS = "tls"
    DESCRIPTORS = "descriptors"
    UNKNOWN = "unknown"


_REASONS: Final = tuple(
    (re.compile(pattern), reason, what)
    for pattern, reason, what in (
        (
            r"too many clients|connection slots are reserved|too many connections|no more connections allowed",
            Reason.FULL,
            _FULL,
        ),
        (r"starting up|shutting down|in recovery mode|not (yet )?accepting connections", Reason.NOT_YET, _NOT_YET),
        (
            r"authentication failed|no password supplied|role \".*\" does not exist|not permitted to log in",
            Reason.WHO,
            _WHO,
        ),
        (r"no pg_hba\.conf entry|pg_hba\.conf rejects", Reason.FROM_WHERE, _FROM_WHERE),
        (r"database \".*\" does not exist", Reason.NO_DATABASE, _NO_DATABASE),
        (r"session is (not )?read-only|server is (not )?in hot standby", Reason.WRONG_KIND, _WRONG_KIND),
        (r"SSL|certificate", Reason.TLS, "Check sslmode and the certificates that the DSN names."),
        (r"Too many open files", Reason.DESCRIPTORS, _DESCRIPTORS),
    )
)


def reason_of(text: str) -> Reason:
    """Why a connection failed with this message of libpq."""
    return next((reason for pattern, reason, _ in _REASONS if pattern.search(text)), Reason.UNKNOWN)


def advice(text: str) -> str:
    """What to do about a connection that failed with this message of libpq."""
    return next((what for pattern, _, what in _REASONS if pattern.search(text)), _GENERAL)


_SCHEME: Final = re.compile(r"([A-Za-z][\w.-]*)(\+[\w.-]+)?:")
_OPTION: Final = re.compile(r"invalid (?:connection option|URI query parameter)(?:: | )\"(\w+)\"")
_LIKE_THIS: Final = (
    "Give one such as postgresql://user:password@host:5432/database, by Chancy(dsn=…), CHANCY_DSN, or dsn in "
    "chancy.toml."
)


def wrong_in(dsn: str, said: str) -> str:
    """What is wrong with a DSN that is no connection string, as the end of a sentence.

    Args:
        dsn: the string. It may have a password in it, also where none belongs, so little of it is repeated.
        said: what libpq says of it, which repeats parts of it.
    """
    scheme = _SCHEME.match(dsn)
    option = _OPTION.search(said)
    if scheme is not None and scheme[1].lower() in ("postgres", "postgresql") and scheme[2]:
        return f": it begins as an URL of SQLAlchemy. Leave out {scheme[2]}, the name of a driver."
    if scheme is not None and "://" in dsn and scheme[1].lower() not in ("postgres", "postgresql"):
        return f": it begins with {scheme[1]}, and Chancy needs PostgreSQL. {_LIKE_THIS}"
    if option is not None:
        known = [found.keyword.decode() for found in Conninfo.get_defaults()]
        meant = difflib.get_close_matches(option[1], known, n=1, cutoff=0.75)
        hint = f" Did you mean {meant[0]!r}?" if meant else ""
        return f": it has an option that libpq does not know.{hint} {_LIKE_THIS}"
    return f". {_LIKE_THIS}"
