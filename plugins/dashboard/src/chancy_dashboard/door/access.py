"""Who may do what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Final

from chancy.errors import ConfigError
from chancy.plugin import nearest

#: Every permission that the dashboard's own pages ask for, and what it allows. A plugin's pages may ask for others.
PERMISSIONS: Final = {
    "read": "look at everything but what is redacted",
    "reveal": "see arguments, results and meta without redaction, which the audit records",
    "push": "push new jobs, and changed copies of jobs",
    "retry": "run finished jobs again, and waiting ones now",
    "cancel": "cancel jobs",
    "delete": "delete finished jobs",
    "update": "change the queue, the priority and the time of waiting jobs",
    "pause": "pause queues and schedules, and resume them",
    "configure": "change the concurrency and the limits of queues",
    "schedule": "run a schedule now",
}
ALL: Final = ("*",)


class Access:
    """Who somebody is, and what he may do.

    ```python
    Access("ada", "*")                                         # everything
    Access("sam", "read")                                      # look, and nothing else
    Access("lin", {"read": "*", "retry": ["mail", "web-*"]})   # retry, in some queues
    ```

    `read` is for the whole dashboard; every other permission can be for named queues.

    Args:
        user: who it is, for the audit and for people to read.
        permissions: "*": all of them; "read"; or the names of permissions, each for all queues; or a mapping from such
            a name to the queues it is for, in whose names `*` stands for any characters.

    Raises:
        ConfigError: `permissions` is nothing of that kind.
    """

    def __init__(self, user: str, permissions: str | Collection[str] | Mapping[str, str | Collection[str]]) -> None:
        self.user: Final = str(user)
        if isinstance(permissions, str):
            permissions = [permissions]
        given = permissions if isinstance(permissions, Mapping) else dict.fromkeys(permissions, "*")
        self._given: Final = {name: _queues(name, queues) for name, queues in given.items()}

    def __repr__(self) -> str:
        return f"Access({self.user!r}, {self._given!r})"

    def may(self, permission: str, queue: str | None = None) -> bool:
        """Whether he may do something: in this queue, or, without a queue, in all of them."""
        allowed = self._given.get(permission, self._given.get("*", ()))
        if queue is None:
            return "*" in allowed
        return any(fnmatchcase(queue, pattern) for pattern in allowed)

    def may_somewhere(self, permission: str) -> bool:
        """Whether there is any queue in which he may do it."""
        return bool(self._given.get(permission, self._given.get("*", ())))

    def queues_of(self, permissions: Collection[str]) -> list[str] | None:
        """The queues in which alone he may do some of this; None: he may do all of it, or nothing, anywhere."""
        found: set[str] = set()
        for permission in permissions:
            queues = self._given.get(permission, self._given.get("*", ()))
            if "*" not in queues:
                found.update(queues)
        return sorted(found) or None

    def only_read(self) -> Access:
        """The same somebody, who may look at most."""
        seen = {name: self._given.get(name, self._given.get("*", ())) for name in ("read", "reveal")}
        return Access(self.user, {name: queues for name, queues in seen.items() if queues})

    def told(self) -> str:
        """What he may do, in a sentence for people."""
        if not self._given:
            return "nothing"
        return "; ".join(
            ("everything" if name == "*" else name) + ("" if "*" in queues else f" in {', '.join(queues)}")
            for name, queues in self._given.items()
        )


def _queues(permission: object, queues: str | Collection[str]) -> tuple[str, ...]:
    if not isinstance(permission, str) or not permission.replace("-", "").replace("*", "x").isidentifier():
        raise ConfigError(f"Permission {permission!r:.60} is no name.{nearest(str(permission), PERMISSIONS)}")
    found = (queues,) if isinstance(queues, str) else tuple(queues)
    if not all(isinstance(queue, str) and queue for queue in found):
        raise ConfigError(f"Permission {permission!r}: give the names of queues, as in {{{permission!r}: ['mail']}}.")
    # What else fnmatch takes for a pattern cannot be in a queue's name.
    return found
