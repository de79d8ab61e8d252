"""Leader election for Chancy: one leader among the workers of a schema, with a term to fence by."""

from chancy_leadership.errors import NotLeader, TermsLost
from chancy_leadership.leader import Leader
from chancy_leadership.plugin import Leadership

__all__ = ["Leader", "Leadership", "NotLeader", "TermsLost"]
