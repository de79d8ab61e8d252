"""What it means that a page could not be looked up, for people."""

from __future__ import annotations

from typing import Final, NamedTuple

from jinja2 import TemplateError
from psycopg.errors import QueryCanceled

from chancy.errors import ChancyError, DatabaseUnavailable, SchemaError
from chancy.plugin import is_outage, log, text_of


class Fault(NamedTuple):
    """Why a page could not be looked up.

    Attributes:
        status: of HTTP.
        title: what is the matter.
        text: what more is known, and what to do.
        away: whether the database is, so that it comes back by itself.
    """

    status: int
    title: str
    text: str
    away: bool = False


TOO_LONG: Final = "It took longer than the dashboard lets it, so that the queue does not feel that anybody looks."


_AWAY: Final = "The database does not answer"


def fault_of(error: Exception, page: str, plugin: str) -> Fault:
    """What an exception means.

    Args:
        error: what `load` raised.
        page: the title of the page.
        plugin: who brought it.
    """
    match error:
        # What is looked for and is not there, of whichever plugin.
        case ChancyError() if isinstance(error, LookupError):
            found = Fault(404, "There is no such thing", str(error))
        case SchemaError():
            found = Fault(503, "The schema does not fit", str(error), away=True)
        case QueryCanceled() | TimeoutError():
            found = Fault(503, f"{page} could not be looked up in time", TOO_LONG, away=True)
        case DatabaseUnavailable():
            found = Fault(503, _AWAY, str(error), away=True)
        case ChancyError():
            found = Fault(400, "That cannot be shown", str(error))
        # A template that is missing is an OSError, too.
        case _ if not isinstance(error, TemplateError) and (isinstance(error, OSError) or is_outage(error)):
            found = Fault(503, _AWAY, text_of(error), away=True)
        case _:
            log.error("page_failed", page=page, plugin=plugin, error=text_of(error), exc_info=error)
            found = Fault(500, f"{page} failed", f"The page is brought by the plugin {plugin!r}: {text_of(error)}")
    return found
