"""From when on something is a finding."""

from __future__ import annotations

from typing import NamedTuple


class Thresholds(NamedTuple):
    """The settings of the plugin, as checks use them; the plugin says what each means."""

    wait_s: float
    recent_s: float
    storm_jobs: int
    storm_share: float
    snapshot_s: float
    dead_rows: int
    connections_share: float
    notify_share: float
    clock_s: float
    key_held_s: float
    history_rows: int
    slot_transactions: int
    slot_bytes: int
    frozen_age: int
