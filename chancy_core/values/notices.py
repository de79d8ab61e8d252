"""Notices: what one process tells the workers by NOTIFY, and how that is written and read.

Nothing depends on a notice: whoever misses one finds the same by looking, only later. So one that cannot be read is
left alone: newer code may send what this one does not know, while workers are being replaced, and anybody may send
anything by hand.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

# So many of each kind are kept: pushes tell the same few queues again and again, and make no new object for it.
KEPT: Final = 1024


class NoticeKind(StrEnum):
    """What a notice tells. The value is what is sent: workers of every version read it, so it never changes."""

    READY = "ready"
    """A queue has new jobs that may be started."""
    BACK = "back"
    """A queue has older jobs that may be started again or at last: retried, promoted, rescued, handed back."""
    DUE = "due"
    """A queue has jobs that are scheduled for soon."""
    ROOM = "room"
    """A job of a queue with `global_concurrency` has ended, so that another may be started."""
    QUEUES = "queues"
    """A queue was declared, paused, resumed or deleted."""
    CANCEL = "cancel"
    """A run of a worker is to be stopped."""
    ENDED = "ended"
    """Jobs have ended, and a plugin is yet to be told."""


class Notice(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """One notice, made by `ready`, `back`, `due`, `room`, `queues`, `cancel` or `ended`.

    Attributes:
        encoded: what is sent, such as `ready:default`.
        kind: what it tells.
        name: of which queue, or, for CANCEL, of which worker. Empty: it does not matter of which.
    """

    encoded: str
    kind: NoticeKind
    name: str

    @staticmethod
    @lru_cache(KEPT)
    def ready(queue: str) -> Notice:
        """That a queue has new jobs that may be started."""
        return _encode(NoticeKind.READY, queue)

    @staticmethod
    @lru_cache(KEPT)
    def back(queue: str) -> Notice:
        """That a queue has older jobs that may be started."""
        return _encode(NoticeKind.BACK, queue)

    @staticmethod
    @lru_cache(KEPT)
    def due(queue: str = "") -> Notice:
        """That a queue, or any, has jobs that are scheduled for soon."""
        return _encode(NoticeKind.DUE, queue)

    @staticmethod
    @lru_cache(KEPT)
    def room(queue: str) -> Notice:
        """That a job of a queue with `global_concurrency` has ended."""
        return _encode(NoticeKind.ROOM, queue)

    @staticmethod
    def queues(queue: str) -> Notice:
        """That a queue is declared otherwise than before."""
        return _encode(NoticeKind.QUEUES, queue)

    @staticmethod
    def cancel(worker: str) -> Notice:
        """That a run of this worker is to be stopped."""
        return _encode(NoticeKind.CANCEL, worker)

    @staticmethod
    @lru_cache(1)
    def ended() -> Notice:
        """That jobs have ended, and that a plugin is yet to be told."""
        return _encode(NoticeKind.ENDED, "")

    @staticmethod
    def decode(payload: str) -> Notice | None:
        """The notice that was sent as `payload`; None: it is none that this code knows."""
        what, colon, name = payload.partition(":")
        kind = _KINDS.get(what)
        return Notice(payload, kind, name) if kind is not None and colon else None


_KINDS: Final = {kind.value: kind for kind in NoticeKind}


def _encode(kind: NoticeKind, name: str) -> Notice:
    return Notice(f"{kind.value}:{name}", kind, name)
