"""The dashboard's own pages, one module each. They come by the hook `pages`, as anybody's."""

from typing import Final

from chancy.plugin import WebPage
from chancy_dashboard.pages.home import HOME

PAGES: Final[tuple[WebPage, ...]] = (HOME,)
