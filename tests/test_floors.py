"""When a claim may look only above what it has claimed before, and when it has to look everywhere."""

from __future__ import annotations

import uuid

import pytest

from chancy import QueuedJob, State
from chancy_core.worker.floors import DEAR_S, EVERYTHING, LOWEST_ID, PRIORITIES_MAX, SPACING, Floors

QUICK_S = 0.001


def job(number: int, priority: int = 0) -> QueuedJob:
    return QueuedJob("m.f", priority=priority, id=uuid.UUID(int=number), state=State.RUNNING)


def test_a_worker_with_little_to_do_looks_everywhere():
    floors = Floors()
    floors.claimed(EVERYTHING, [job(1)], full=False, now=10.0, took_s=QUICK_S)
    assert floors.ranges(10.0) is EVERYTHING


def test_with_more_to_do_than_slots_sweeps_are_spaced_by_their_price():
    floors = Floors()
    floors.claimed(EVERYTHING, [job(1), job(2)], full=True, now=10.0, took_s=QUICK_S)
    assert floors.ranges(10.0).floor == [LOWEST_ID, uuid.UUID(int=2), LOWEST_ID]
    assert floors.sweep_in_s(10.0) == pytest.approx(QUICK_S * SPACING)
    assert floors.ranges(10.0 + QUICK_S * (SPACING + 1)) is EVERYTHING


def test_when_nothing_is_left_above_it_looks_below_at_once():
    floors = Floors()
    floors.claimed(EVERYTHING, [job(1)], full=True, now=10.0, took_s=QUICK_S)
    floors.claimed(floors.ranges(10.0), [], full=False, now=10.0, took_s=QUICK_S)
    assert floors.ranges(10.0) is EVERYTHING


def test_dear_sweeps_are_spaced_even_when_nothing_is_left():
    floors = Floors()
    dear_s = QUICK_S + DEAR_S * 2
    floors.claimed(EVERYTHING, [job(1)], full=False, now=10.0, took_s=QUICK_S)
    floors.claimed(EVERYTHING, [job(2)], full=False, now=10.0, took_s=dear_s)
    floors.claimed(floors.ranges(10.0), [], full=False, now=10.0, took_s=QUICK_S)
    assert floors.sweep_in_s(10.0) == pytest.approx(dear_s * SPACING)


def test_what_is_known_to_lie_below_is_looked_for_at_once():
    floors = Floors()
    floors.claimed(EVERYTHING, [job(1)], full=True, now=10.0, took_s=QUICK_S)
    floors.sweep_now()
    assert floors.ranges(10.0) is EVERYTHING


def test_the_ranges_cover_every_priority_in_order():
    floors = Floors()
    floors.claimed(EVERYTHING, [job(1, 5), job(2, -3), job(3, -2)], full=True, now=10.0, took_s=QUICK_S)
    ranges = floors.ranges(10.0)
    assert ranges.low[0] == EVERYTHING.low[0]
    assert ranges.high[-1] == EVERYTHING.high[0]
    assert [high + 1 for high in ranges.high[:-1]] == ranges.low[1:]
    assert (
        dict(zip(ranges.low, ranges.floor, strict=True)).items() >= {-3: job(2).id, -2: job(3).id, 5: job(1).id}.items()
    )


def test_with_very_many_priorities_it_looks_everywhere():
    floors = Floors()
    jobs = [job(n, n) for n in range(1, PRIORITIES_MAX + 2)]
    floors.claimed(EVERYTHING, jobs, full=True, now=10.0, took_s=QUICK_S)
    assert floors.ranges(10.0) is EVERYTHING
