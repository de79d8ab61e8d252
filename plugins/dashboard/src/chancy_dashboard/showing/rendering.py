"""Templates, with everything escaped, and what they have at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound

from chancy_dashboard.showing import formats, jsons, life, links, queries, svg

OWN: Final = "chancy_dashboard.templates"


class PackageTemplates(BaseLoader):
    """Finds `page.html` among the dashboard's templates, and `acme_audit.pages/entries.html` in that package."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """The text of a template. Raises TemplateNotFound."""
        del environment
        package, _, name = template.rpartition("/")
        try:
            text = files(package or OWN).joinpath(name).read_text(encoding="utf-8")
        except (OSError, ImportError, TypeError, ValueError):
            raise TemplateNotFound(template) from None
        # Files of a process that runs do not change.
        return text, template, lambda: True


def new_environment() -> Environment:
    """The templates' environment: whatever is filled in is escaped, and what is not there is an error."""
    environment = Environment(
        loader=PackageTemplates(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(formats.FILTERS)
    environment.filters.update(jsons.FILTERS)
    environment.filters.update(queries.FILTERS)
    environment.globals.update(svg.GLOBALS)
    environment.globals.update(life.GLOBALS)
    environment.globals.update(links.GLOBALS)
    return environment


def prepare(environment: Environment, names: Iterable[str]) -> None:
    """Read templates and what all of them need, each of which takes some ten milliseconds the first time."""
    for name in ("page.html", "parts.html", "icons.html", "charts.html", *names):
        environment.get_template(name)


def asset(name: str) -> bytes:
    """One of the files that the pages name. Raises OSError."""
    return files("chancy_dashboard").joinpath("assets", name).read_bytes()


def _version() -> str:
    text = b"".join(asset(name) for name in ASSETS)
    return sha256(text).hexdigest()[:12]


#: What `/assets` has, and of which type each is.
ASSETS: Final[dict[str, str]] = {
    "chancy.css": "text/css; charset=utf-8",
    "chancy.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}
#: Changes with any of them, so that browsers may keep them for ever.
VERSION: Final[str] = _version()

Context = dict[str, Any]
