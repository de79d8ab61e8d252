"""Log what rounds did, and what they could not do."""

from __future__ import annotations

from typing import Final

from chancy.plugin import log
from chancy_pruner.prune import REPLICA_HINT, Pruned

# A table is often in use for a moment; what was put off so many rounds in a row deserves a word.
ROUNDS: Final = 6
# What does not end by waiting deserves it at once.
ROUNDS_LASTING: Final = 1


class Reporter:
    """Logs rounds."""

    def __init__(self) -> None:
        self._put_off: dict[tuple[str, str], int] = {}
        self._why: dict[tuple[str, str], str] = {}

    @property
    def trouble(self) -> str | None:
        """What has been put off for so long that it was told of, and is still; None: nothing."""
        told = [
            f"cannot {what} partitions of {outcome} jobs: {self._why[outcome, what]}"
            for (outcome, what), rounds in sorted(self._put_off.items())
            if rounds >= _patience(self._why[outcome, what])
        ]
        return told[0] if told else None

    def report(self, done: Pruned) -> None:
        """One event for each kind of thing that was done; nothing for a round that found nothing to do."""
        if done.made:
            log.info("partitions_made", count=len(done.made), partitions=done.made)
        if done.dropped:
            log.info("partitions_dropped", count=len(done.dropped), partitions=done.dropped)
        for (outcome, rule), count in sorted(done.deleted.items()):
            log.info("finished_jobs_deleted", outcome=outcome, rule=rule, count=count)
        self._put_off = {key: self._put_off.get(key, 0) + 1 for key in done.put_off}
        self._why = dict(done.put_off)
        for (outcome, what), rounds in self._put_off.items():
            why = done.put_off[outcome, what]
            patience = _patience(why)
            # Again at twice the number, and so on: often enough to be seen, and no flood.
            if rounds % patience == 0 and (rounds // patience).bit_count() == 1:
                log.warning("pruning_put_off", outcome=outcome, what=what, why=why, rounds=rounds)


def _patience(why: str) -> int:
    """After how many rounds to speak of it."""
    return ROUNDS_LASTING if REPLICA_HINT in why else ROUNDS
