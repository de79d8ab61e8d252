"""The dashboard's own pages, one module each. They come by the hook `pages`, as anybody's."""

from typing import Final

from chancy.plugin import WebPage
from chancy_dashboard.pages.audit import AUDIT
from chancy_dashboard.pages.complete import COMPLETE
from chancy_dashboard.pages.database import DATABASE
from chancy_dashboard.pages.failures import FAILURES
from chancy_dashboard.pages.home import HOME
from chancy_dashboard.pages.job import JOB, REVEALED
from chancy_dashboard.pages.jobs import JOBS
from chancy_dashboard.pages.operations import OPERATION, OPERATIONS
from chancy_dashboard.pages.plugins import PLUGINS
from chancy_dashboard.pages.push import PUSH
from chancy_dashboard.pages.queue import QUEUE
from chancy_dashboard.pages.queues import QUEUES
from chancy_dashboard.pages.workers import WORKERS

# In the order of the navigation.
PAGES: Final[tuple[WebPage, ...]] = (
    *(HOME, QUEUES, QUEUE, JOBS, JOB, REVEALED, PUSH, COMPLETE, FAILURES, WORKERS),
    *(DATABASE, PLUGINS, OPERATIONS, OPERATION, AUDIT),
)
