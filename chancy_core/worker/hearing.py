"""Hearing: what notifications and heartbeats tell, passed on to whoever has something to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from chancy_core.log import log
from chancy_core.values.notices import Notice, NoticeKind
from chancy_core.worker.heartbeat import Signs

if TYPE_CHECKING:
    from chancy_core.worker.wiring import Parts

# Everyone who waits for a job to end hears of it at the same time; one of them can have its place.
ROOM_SPREAD_S: Final = 0.05
# So many characters of a payload that nobody knows are logged.
SHOWN: Final = 100


class Hearing:
    """The ears of one worker.

    Args:
        worker: the worker's name.
        parts: its duties.
    """

    def __init__(self, worker: str, parts: Parts) -> None:
        self._worker = worker
        self._parts = parts
        #: Whether somebody listens by now: before the worker runs, everybody looks anyway when they start.
        self.open = False

    def found(self, signs: Signs) -> None:
        """What a heartbeat found."""
        parts = self._parts
        parts.lanes.declarations_seen(signs.declarations)
        parts.claimers.ready_seen(signs.ready)
        if signs.due_in_s is not None:
            parts.promoter.due_in(signs.due_in_s)
        if signs.stopping:
            parts.canceller.ring()
        if signs.unheard:
            parts.deliverer.ring()
        parts.rescuer.leases_seen(living=signs.living, expired=signs.expired, lost_in_s=signs.lost_in_s)

    def heard(self, payload: str | None) -> None:
        """What a notification says; None: anything may have been missed."""
        if payload is None:
            self._missed()
            return
        notice = Notice.decode(payload)
        if notice is None:
            # Nothing is lost by that: a heartbeat finds whatever it was about.
            log.debug("notice_unknown", payload=payload[:SHOWN])
        else:
            self.hear(notice)

    def hear(self, notice: Notice) -> None:
        """What another worker, an application or a duty of this worker says."""
        parts = self._parts
        match notice.kind:
            case NoticeKind.READY:
                parts.claimers.wake(notice.name, below_floors=False)
            case NoticeKind.BACK:
                parts.claimers.wake(notice.name, below_floors=True)
            case NoticeKind.ROOM:
                parts.claimers.place_freed(notice.name, within_s=ROOM_SPREAD_S)
            case NoticeKind.DUE:
                parts.promoter.ring()
            case NoticeKind.ENDED:
                parts.deliverer.ring()
            case NoticeKind.QUEUES:
                parts.lanes.ring()
            case NoticeKind.CANCEL:
                if notice.name == self._worker:
                    parts.canceller.ring()
            case _:
                assert_never(notice.kind)

    def _missed(self) -> None:
        parts = self._parts
        if self.open:
            parts.lanes.ring()
            parts.promoter.ring()
            parts.canceller.ring()
            parts.deliverer.ring()
            parts.claimers.wake_all()
