"""When a claim may look only above what it has claimed before, and when it has to look everywhere."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chancy import QueuedJob, State
from chancy_core.values.fields import PRIORITY_MAX, PRIORITY_MIN
from chancy_core.worker.floors import DEAR_S, EVERYTHING, LOWEST_ID, PRIORITIES_MAX, SPACING, Floors, Ranges

QUICK_S = 0.001


def job(number: int, priority: int = 0) -> QueuedJob:
    return QueuedJob("m.f", priority=priority, id=uuid.UUID(int=number), state=State.RUNNING)


def test_a_worker_with_little_to_do_looks_everywhere():
    """A claim that found less than was wanted leaves the next one free to look everywhere."""
    floors = Floors()
    floors.claimed(EVERYTHING, [job(1)], full=False, now=10.0, took_s=QUICK_S)
    assert floors.ranges(10.0) is EVERYTHING


def test_with_more_to_do_than_slots_sweeps_are_spaced_by_their_price():
    """While claims come back full, sweeps are twenty times their price apart, and between them floors hold."""
    floors = Floors()
    floors.claimed(EVERYTHING, [job(1), job(2)], full=True, now=10.0, took_s=QUICK_S)
    assert floors.ranges(10.0).floor == [LOWEST_ID, uuid.UUID(int=2), LOWEST_ID]
    assert floors.sweep_in_s(10.0) == pytest.approx(QUICK_S * SPACING)
    assert floors.ranges(10.0 + QUICK_S * (SPACING + 1)) is EVERYTHING


def test_when_nothing_is_left_above_it_looks_below_at_once():
    """A claim above the floors that comes back short lets the next one look everywhere."""
    floors = Floors()
    floors.claimed(EVERYTHING, [job(1)], full=True, now=10.0, took_s=QUICK_S)
    floors.claimed(floors.ranges(10.0), [], full=False, now=10.0, took_s=QUICK_S)
    assert floors.ranges(10.0) is EVERYTHING


def test_dear_sweeps_are_spaced_even_when_nothing_is_left():
    """A sweep that has become dear is spaced by its price, even on an empty queue."""
    floors = Floors()
    dear_s = QUICK_S + DEAR_S * 2
    floors.claimed(EVERYTHING, [job(1)], full=False, now=10.0, took_s=QUICK_S)
    floors.claimed(EVERYTHING, [job(2)], full=False, now=10.0, took_s=dear_s)
    floors.claimed(floors.ranges(10.0), [], full=False, now=10.0, took_s=QUICK_S)
    assert floors.sweep_in_s(10.0) == pytest.approx(dear_s * SPACING)


def test_what_is_known_to_lie_below_is_looked_for_at_once():
    """After `sweep_now` the next claim looks everywhere."""
    floors = Floors()
    floors.claimed(EVERYTHING, [job(1)], full=True, now=10.0, took_s=QUICK_S)
    floors.sweep_now()
    assert floors.ranges(10.0) is EVERYTHING


def test_the_ranges_cover_every_priority_in_order():
    """The ranges are in order and leave no gap, with the floor of each known priority at its own."""
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
    """Beyond so many priorities the ranges would cost more than they save."""
    floors = Floors()
    jobs = [job(n, n) for n in range(1, PRIORITIES_MAX + 2)]
    floors.claimed(EVERYTHING, jobs, full=True, now=10.0, took_s=QUICK_S)
    assert floors.ranges(10.0) is EVERYTHING


# -- whatever was claimed ------------------------------------------------------------------

# Few, so that they meet; the ends of the column and their neighbours among them.
PRIORITIES = st.sampled_from(
    [PRIORITY_MIN, PRIORITY_MIN + 1, -10, -1, 0, 1, 2, 3, PRIORITY_MAX - 1, PRIORITY_MAX]
) | st.integers(PRIORITY_MIN, PRIORITY_MAX)
JOBS = st.lists(st.builds(job, st.integers(1, 50), PRIORITIES), max_size=PRIORITIES_MAX).map(
    # As `claim_jobs` returns them.
    lambda jobs: sorted(jobs, key=lambda job: (job.priority, job.id))
)


def above_floors(claims: list[list[QueuedJob]]) -> tuple[Floors, Ranges]:
    """The floors after these claims, and what the next claim looks through while no sweep may run."""
    floors = Floors()
    for jobs in claims:
        # So dear that no sweep is due for as long as anybody asks.
        floors.claimed(EVERYTHING, jobs, full=True, now=0.0, took_s=1e9)
    return floors, floors.ranges(1.0)


def seen(ranges: Ranges, priority: int, id_: uuid.UUID) -> int:
    """In how many ranges `claim_jobs` would find a job: `(priority, id) > (low, floor) AND priority <= high`."""
    return sum((priority, id_) > (low, floor) and priority <= high for low, high, floor in zip(*ranges, strict=True))


def place(ranges: Ranges, priority: int) -> int:
    """Which range a priority lies in."""
    (found,) = [
        index for index, (low, high) in enumerate(zip(ranges.low, ranges.high, strict=True)) if low <= priority <= high
    ]
    return found


@given(st.lists(JOBS, max_size=4))
def test_the_ranges_part_all_priorities_without_overlap(claims):
    """Whatever was claimed, the ranges go from the lowest priority to the highest, each beginning where one ended."""
    _, ranges = above_floors(claims)
    assert ranges.low[0] == PRIORITY_MIN
    assert ranges.high[-1] == PRIORITY_MAX
    assert all(low <= high for low, high in zip(ranges.low, ranges.high, strict=True))
    assert ranges.low[1:] == [high + 1 for high in ranges.high[:-1]]
    assert len(ranges.floor) == len(ranges.low)


@given(st.lists(JOBS, max_size=4), PRIORITIES, st.integers(1, 60))
def test_nothing_above_a_floor_is_missed(claims, priority, number):
    """A job above the floor of its priority, or of a priority never seen, is looked at in exactly one range."""
    _, ranges = above_floors(claims)
    highest = max((j.id for jobs in claims for j in jobs if j.priority == priority), default=LOWEST_ID)
    id_ = uuid.UUID(int=number)
    if id_ > highest:
        assert seen(ranges, priority, id_) == 1
    elif ranges is not EVERYTHING:
        assert seen(ranges, priority, id_) == 0


@given(JOBS, PRIORITIES, PRIORITIES)
def test_a_more_urgent_job_lies_in_an_earlier_range(claimed, one, other):
    """Looking through the ranges in order meets lower priority values first."""
    assume(one < other)
    _, ranges = above_floors([claimed])
    assert place(ranges, one) <= place(ranges, other)
    if one in {j.priority for j in claimed} and ranges is not EVERYTHING:
        assert place(ranges, one) < place(ranges, other)


@given(st.lists(JOBS, min_size=1, max_size=4), JOBS)
def test_floors_only_rise(claims, more):
    """What one claim has put below a floor, no later claim puts above it again."""
    floors, before = above_floors(claims)
    floors.claimed(before, more, full=True, now=1.0, took_s=QUICK_S)
    after = floors.ranges(1.0)
    for found in (j for jobs in [*claims, more] for j in jobs):
        if after is not EVERYTHING:
            assert seen(after, found.priority, found.id) == 0


@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(0, 5), st.floats(0, 2), st.lists(st.integers(1, 9), max_size=3)),
        max_size=30,
    )
)
def test_a_sweep_is_never_put_off_for_longer_than_its_price(claims):
    """Through any history of claims, the next sweep is at most twenty times the price of the last one away."""
    floors, now, last_sweep_s = Floors(), 0.0, 0.0
    for full, pause_s, took_s, numbers in claims:
        now += pause_s
        ranges = floors.ranges(now)
        if ranges is EVERYTHING:
            last_sweep_s = took_s
        now += took_s
        floors.claimed(ranges, [job(n) for n in numbers], full=full, now=now, took_s=took_s)
        assert 0 <= floors.sweep_in_s(now) <= last_sweep_s * SPACING + 1e-6
        assert floors.ranges(now + last_sweep_s * SPACING + 1e-6) is EVERYTHING
        if ranges is EVERYTHING and not full and took_s < DEAR_S:
            assert floors.sweep_in_s(now) == 0


@given(st.lists(st.lists(st.tuples(PRIORITIES, st.integers(1, 200)), max_size=6), min_size=1, max_size=20), st.data())
def test_every_job_is_found_in_the_end(arrivals, data):
    """Jobs that arrive in any order of ids, below floors too, are all claimed once sweeps may run, and none twice."""
    floors, now = Floors(), 0.0
    waiting: set[tuple[int, uuid.UUID]] = set()
    claimed: list[tuple[int, uuid.UUID]] = []
    number = 0

    def claim(wanted: int, took_s: float) -> int:
        nonlocal now
        ranges = floors.ranges(now)
        found = sorted(key for key in waiting if seen(ranges, *key))[:wanted]
        waiting.difference_update(found)
        claimed.extend(found)
        now += took_s
        jobs = [QueuedJob("m.f", priority=priority, id=id_, state=State.RUNNING) for priority, id_ in found]
        floors.claimed(ranges, jobs, full=len(found) >= wanted, now=now, took_s=took_s)
        return len(found)

    for arrived in arrivals:
        for priority, low in arrived:
            number += 1
            # The upper half decides the order, the lower half keeps ids apart.
            waiting.add((priority, uuid.UUID(int=(low << 64) + number)))
        claim(data.draw(st.integers(1, 4)), data.draw(st.sampled_from([0.0, 0.001, DEAR_S * 3])))
    while waiting:
        now += floors.sweep_in_s(now)
        claim(3, 0.001)
    assert len(claimed) == len(set(claimed)) == number
