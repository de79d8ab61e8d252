"""What keeps an application from its database or its schema, as a finding: the cause, and what to type."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import Identifier

from chancy_core.app.commandline import command_line
from chancy_core.app.whoami import user_name
from chancy_core.config import redacted
from chancy_core.embedded.state import lost
from chancy_core.errors import DatabaseUnavailable, EmbeddedUnavailable, PluginError, SchemaError
from chancy_core.store.connect import where
from chancy_core.store.reasons import Reason, reason_of
from chancy_core.store.weather import text_of
from chancy_core.values.finding import Evidence, Finding, Severity, Subject
from chancy_core.values.storable import one_line

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

STANDS_STILL: Final = "No job can be pushed, claimed or recorded until this is mended; what is stored stays stored."
_SHOWN: Final = 900
WHO_HOLDS: Final = (
    "SELECT usename, application_name, client_addr, state, count(*), min(state_change) FROM pg_stat_activity "
    "WHERE backend_type = 'client backend' GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC; -- as a superuser, who still gets in"
)
_IDS: Final = {
    Reason.FULL: "connections-used-up",
    Reason.NOT_YET: "database-not-ready",
    Reason.WHO: "database-refuses",
    Reason.FROM_WHERE: "database-refuses",
    Reason.NO_DATABASE: "database-missing",
    Reason.WRONG_KIND: "database-read-only",
    Reason.TLS: "database-refuses",
    Reason.DESCRIPTORS: "database-unreachable",
    Reason.UNKNOWN: "database-unreachable",
}


def gone(chancy: Chancy) -> Finding | None:
    """The finding about an embedded server that somebody uses and that is not there; None if nothing is wrong."""
    try:
        state = lost()
    except OSError:
        return None
    if state is None:
        return None
    said = f" The last line of its log: {one_line(state.said, 200)}" if state.said else ""
    return Finding(
        id="embedded-server-gone",
        severity=Severity.ERROR,
        subject=Subject("database", str(state.directory)),
        what=f"The embedded PostgreSQL in {state.directory} is in use, and not running: killed, or crashed.{said}",
        evidence={"log": str(state.log)},
        why=f"{STANDS_STILL} Workers and applications that used it go on by themselves once it runs again.",
        fix=command_line(chancy, "db", "start"),
    )


def silent(chancy: Chancy, waited_s: float) -> Finding:
    """The finding about a database that did not answer in time."""
    return _of_database(
        chancy,
        "database-silent",
        f"{_place(chancy)} did not answer within {waited_s:g} s: it is out of reach, or has too much to do.",
        _ready(chancy),
        {"waited_s": waited_s},
    )


def finding_of(chancy: Chancy, error: BaseException) -> Finding:
    """The finding about whatever kept an application from being opened, or from being asked."""
    if isinstance(error, EmbeddedUnavailable):
        return _of_database(chancy, "embedded-server-unavailable", _text(error), 'pip install "chancy-core[embedded]"')
    if isinstance(error, DatabaseUnavailable):
        return _of_connection(chancy, error)
    if isinstance(error, SchemaError):
        return _of_schema(chancy, error)
    if isinstance(error, PluginError):
        return Finding(
            id="plugin-cannot-open",
            severity=Severity.ERROR,
            subject=Subject("plugin", chancy.settings.schema),
            what=_text(error),
            why="No application and no worker with this plugin opens.",
            fix=command_line(chancy, "plugins"),
        )
    return _of_database(chancy, "database-refuses", f"{_place(chancy)}: {text_of(error)}", _ready(chancy))


def _of_connection(chancy: Chancy, error: BaseException) -> Finding:
    reason = reason_of(str(error))
    dsn = chancy.settings.dsn or ""
    fix = {
        Reason.FULL: WHO_HOLDS,
        Reason.WHO: f"psql {shlex.quote(redacted(dsn))} -c 'SELECT current_user'",
        Reason.FROM_WHERE: "SELECT * FROM pg_hba_file_rules; -- as a superuser: which rule lets whom in",
        Reason.NO_DATABASE: shlex.join(["createdb", *_options(dsn), _parts(dsn).get("dbname", "")]),
        Reason.DESCRIPTORS: "ulimit -n",
    }.get(reason, _ready(chancy))
    return _of_database(chancy, _IDS[reason], _text(error), fix)


def _of_schema(chancy: Chancy, error: SchemaError) -> Finding:
    schema, told = chancy.settings.schema, str(error)
    if "No permission" in told:
        role, quoted = role_of(chancy), Identifier(schema).as_string(None)
        tables = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {quoted} TO {role};"
        found = ("right-missing", f"GRANT USAGE ON SCHEMA {quoted} TO {role}; {tables}")
    elif "made by a newer" in told:
        found = ("schema-ahead", "pip install --upgrade chancy-core")
    elif "has not been set up" in told:
        found = ("schema-missing", command_line(chancy, "migrate"))
    else:
        found = ("schema-behind", command_line(chancy, "migrate"))
    return Finding(
        id=found[0],
        severity=Severity.ERROR,
        subject=Subject("schema", schema),
        what=_text(error),
        why=STANDS_STILL,
        fix=found[1],
    )


def role_of(chancy: Chancy) -> str:
    """The role that this application is for the database, quoted as statements have it."""
    named = _parts(chancy.settings.dsn or "").get("user") or os.environ.get("PGUSER") or user_name()
    return Identifier(named).as_string(None)


def _of_database(chancy: Chancy, id_: str, what: str, fix: str, evidence: dict[str, Evidence] | None = None) -> Finding:
    return Finding(
        id=id_,
        severity=Severity.ERROR,
        subject=Subject("database", _place(chancy)),
        what=what,
        evidence=evidence or {},
        why=STANDS_STILL,
        fix=fix,
    )


def _place(chancy: Chancy) -> str:
    dsn = chancy.settings.dsn
    if dsn is None:
        return "the embedded PostgreSQL"
    try:
        return where(dsn)
    except psycopg.Error:
        return "the database of the DSN"


def _ready(chancy: Chancy) -> str:
    """What asks a server whether it takes connections."""
    dsn = chancy.settings.dsn
    if dsn is None:
        return command_line(chancy, "db", "status")
    return shlex.join(["pg_isready", *_options(dsn)])


def _options(dsn: str) -> list[str]:
    parts = _parts(dsn)
    host, port = parts.get("host") or parts.get("hostaddr"), parts.get("port")
    return [*(["-h", host] if host else []), *(["-p", port] if port else [])]


def _parts(dsn: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.Error:
        return {}


def _text(error: BaseException) -> str:
    return one_line(str(error), _SHOWN)
