"""What a plugin brings to the dashboard: pages, panels on the pages of others, columns, and what can be done there.

The kernel draws nothing. These are the values that `pages`, `panels` and `columns` return, so that a plugin needs
neither the dashboard nor a web framework: it says what is looked up, and which template shows it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

import msgspec

from chancy_core.values.queuedjob import QueuedJob

if TYPE_CHECKING:
    from chancy_core.app import Chancy

# What addresses are made of: words, and the parts that a request fills in, `{name}`; the last may have slashes in it.
_PATH: Final = re.compile(r"|[a-z][a-z0-9-]*(/([a-z][a-z0-9-]*|\{[a-z_]+\}))*(/\{[a-z_]+:path\})?")
_WORD: Final = re.compile(r"[a-z][a-z0-9-]*")
# A place that a browser goes to, and nothing that it runs.
_LINK: Final = re.compile(r"https?://[^/]|/(?![/\\\s])")
_TEMPLATE: Final = re.compile(r"[\w.-]+(/[\w.-]+)*\.html")
# The dashboard's own addresses begin so.
RESERVED: Final = ("api", "assets", "do", "live", "display")


class Visit(Protocol):
    """Somebody looks at a page, or does something there."""

    @property
    def chancy(self) -> Chancy:
        """The application.

        On pages and panels its connections are read-only, each statement has a second or so, and a replica may answer;
        in an action it is one that can change things.
        """
        ...

    @property
    def path(self) -> Mapping[str, str]:
        """What filled in the parts in braces of the page's path."""
        ...

    @property
    def query(self) -> Mapping[str, str]:
        """What stands in the address after `?`; of each name the last value."""
        ...

    @property
    def form(self) -> Mapping[str, str]:
        """What was sent, of each name the last value: in an action, and on a page that tells of an action's failure."""
        ...

    @property
    def user(self) -> str:
        """Who it is, for people to read; empty in `load`, which is asked once for all."""
        ...

    def all(self, name: str) -> list[str]:
        """Every value of one name in the form, or in the address where nothing was sent."""
        ...

    def may(self, permission: str, queue: str | None = None) -> bool:
        """Whether he may do something: in this queue, or, without a queue, in all."""
        ...

    def redacted(self, value: Any) -> Any:
        """A value without what its keys say is secret; the dashboard's settings say which keys do."""
        ...


class Done(msgspec.Struct, frozen=True):
    """What came of an action.

    Attributes:
        said: one sentence, shown to whoever did it.
        path: the page shown next, such as `queues`; None: the one on which it was done.
        subject: what it was done to, for the audit: `queue mail`, `filter state:failed`.
        jobs: how many jobs it changed, for the audit; None: it is not about jobs.
        reason: why, if he said so.
    """

    said: str
    path: str | None = None
    subject: str = ""
    jobs: int | None = None
    reason: str = ""


class WebAction(msgspec.Struct, frozen=True, kw_only=True):
    """Something that can be done on a page: a form posts to `do/NAME/PATH`.

    Attributes:
        name: a word of small letters, digits and hyphens.
        permission: what it takes, such as `pause`. It is checked before `run` is called.
        queue: which queue it is about; None as an answer: all of them. Asked with the visit, before anything is done.
        run: does it. What it raises of `ChancyError` and `ValueError` is shown on the page, with what was typed.
    """

    name: str
    permission: str
    run: Callable[[Visit], Awaitable[Done]]
    queue: Callable[[Visit], str | None] = lambda _: None

    def __post_init__(self) -> None:
        if not _WORD.fullmatch(self.name):
            raise ValueError(f"WebAction(name={self.name!r:.80}): use small letters, digits and hyphens.")


class WebPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the dashboard, and the same as JSON.

    Attributes:
        path: its address below the dashboard's: `schedules`, `queues/{name:path}`; "" is the home page. No two plugins
            have the same.
        title: what it is called, in the navigation and in the browser's tab.
        load: looks up what it shows: whatever msgspec can write as JSON, which `/api/PATH` answers with. Asked once in
            two seconds for all who look at the same address, so it must not depend on who looks.
        template: the Jinja2 template that shows it, as importable package and file: `acme_audit.pages/entries.html`. It
            has `data`, what `load` returned, and `visit`. None: there is only the JSON.
        show: what of the data this visitor is shown; for pages on which that differs. None: all of it.
        group: under which heading of the navigation it stands; None: it is not there.
        icon: a name from the dashboard's icons, or `plugins`.
        permission: what it takes to look at it.
        actions: what can be done there.
        live: whether an open page follows what happens.
        audited: whether each look at it is recorded, as for what is secret otherwise.
    """

    path: str
    title: str
    load: Callable[[Visit], Awaitable[Any]]
    template: str | None
    show: Callable[[Any, Visit], Any] | None = None
    group: str | None = None
    icon: str = "plugins"
    permission: str = "read"
    actions: tuple[WebAction, ...] = ()
    live: bool = True
    audited: bool = False

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path) or self.path.split("/")[0] in RESERVED:
            raise ValueError(
                f"WebPage(path={self.path!r:.80}): use words of small letters, digits and hyphens with slashes "
                f"between, and {{name}} for what differs; the first is none of {', '.join(RESERVED)}."
            )
        _check_template("WebPage", self.template)


class WebPanel(msgspec.Struct, frozen=True, kw_only=True):
    """A panel on somebody else's page.

    Attributes:
        page: the path of that page, such as `` (home), `queues/{name:path}` or `jobs/{id}`.
        name: a word of small letters, digits and hyphens, which no other panel of the plugin has.
        title: its heading.
        load: looks up what it shows, as a page's. None as an answer: there is nothing to show, and no panel. If it
            fails or takes too long, the panel says so, and the page is as it was.
        template: as a page's, for what stands inside the panel.
        show: as a page's.
    """

    page: str
    name: str
    title: str
    load: Callable[[Visit], Awaitable[Any]]
    template: str
    show: Callable[[Any, Visit], Any] | None = None

    def __post_init__(self) -> None:
        if not _WORD.fullmatch(self.name):
            raise ValueError(f"WebPanel(name={self.name!r:.80}): use small letters, digits and hyphens.")
        _check_template("WebPanel", self.template)


class Cell(msgspec.Struct, frozen=True):
    """What a column says of one job.

    Attributes:
        text: what is read there; the page cuts it at 160 characters.
        link: where it leads: an address that begins with `https://`, `http://` or `/`; None: nowhere.
    """

    text: str
    link: str | None = None

    def __post_init__(self) -> None:
        if self.link is not None and not _LINK.match(self.link):
            raise ValueError(f"Cell(link={self.link!r:.80}): give an address that begins with https://, http:// or /.")


class WebColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column that the table of jobs has once somebody chooses it.

    Attributes:
        name: a word of small letters, digits and hyphens, which no other column of the plugin has. In the address of
            the page it stands as `PLUGIN:NAME`.
        title: its heading.
        load: says what stands in it, asked once for all jobs of a page: a cell for each job's id. A job that is left
            out has an empty one. Its visit is a page's. If it fails or takes more than a second, the column is empty,
            and the page says so.
    """

    name: str
    title: str
    load: Callable[[Visit, Sequence[QueuedJob]], Awaitable[Mapping[UUID, Cell]]]

    def __post_init__(self) -> None:
        if not _WORD.fullmatch(self.name):
            raise ValueError(f"WebColumn(name={self.name!r:.80}): use small letters, digits and hyphens.")


def _check_template(kind: str, template: str | None) -> None:
    if template is not None and not _TEMPLATE.fullmatch(template):
        raise ValueError(
            f"{kind}(template={template!r:.80}): give the importable package and the file, as in "
            "'acme_audit.pages/entries.html'."
        )
