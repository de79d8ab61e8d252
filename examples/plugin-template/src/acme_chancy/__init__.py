"""Two plugins for Chancy: a limit on the size of jobs, and a table of failures."""

from acme_chancy.failures import Failures
from acme_chancy.size_limit import SizeLimit

__all__ = ["Failures", "SizeLimit"]
