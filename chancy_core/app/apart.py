"""The same application once more, with connections of its own: for whoever must not be in the way of the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy


def apart(
    chancy: Chancy,
    *,
    dsn: str | None = None,
    read_only: bool = False,
    statement_timeout_s: float | None = None,
    pool_max_size: int = 4,
) -> Chancy:
    """Another Chancy with the settings and the plugins of this one, and a small pool of its own.

    It makes and changes no schema, and declares no queues.

    Args:
        chancy: the first one. Without `dsn` it has to be open if it has the embedded database.
        dsn: where it connects instead, such as to a replica.
        read_only: whether its transactions refuse to change anything.
        statement_timeout_s: seconds after which the server gives up a statement; None: as the server has it.
        pool_max_size: how many connections it opens at most.

    Behind a transaction pooler, whose sessions belong to everybody, nothing can be set for a connection: there,
    `read_only` and `statement_timeout_s` are for whoever begins a transaction to say.
    """
    settings = chancy.settings
    where = dsn or settings.dsn or chancy.dsn
    options = ["-c default_transaction_read_only=on"] if read_only else []
    if statement_timeout_s is not None:
        options.append(f"-c statement_timeout={int(statement_timeout_s * 1000)}")
    if options and not settings.pooler:
        given = conninfo_to_dict(where).get("options")
        where = make_conninfo(where, options=" ".join([*([str(given)] if given else []), *options]))
    # What is set stays as it was, so that commands for people to paste name what they know.
    settings = msgspec.structs.replace(settings, pool_max_size=pool_max_size, auto_migrate=False, queues={})
    other = type(chancy)(config=settings, plugins=chancy.added)  # type: ignore[arg-type] # as for a child process
    other.connections.lead_to(where)
    return other
