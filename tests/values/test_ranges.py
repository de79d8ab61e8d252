"""One table of ranges: whatever checks a number, at every door, says the same at both ends of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click
import psycopg
import pytest

from chancy import Backoff, ChancyError, Job, Limit, Queue, Retry, Snooze
from chancy_core.app import Chancy
from chancy_core.cli.jobs import push
from chancy_core.cli.queues import declare
from chancy_core.cli.ranged import Ranged
from chancy_core.cli.worker import worker
from chancy_core.config import load_settings
from chancy_core.values import ranges
from chancy_core.values.queue import RANGES
from chancy_core.values.ranges import Range
from chancy_core.worker import Worker

INTO_JOBS = "INSERT INTO {{s}}.jobs (id, queue, func, {column}) VALUES (gen_random_uuid(), 'default', 'm.f', {value})"
INTO_QUEUES = "UPDATE {{s}}.queues SET {column} = {value} WHERE name = 'default'"
COLUMNS = {"priority": (INTO_JOBS, ranges.PRIORITY), "max_attempts": (INTO_JOBS, ranges.MAX_ATTEMPTS)} | {
    name: (INTO_QUEUES, range_) for name, range_ in RANGES.items()
}
WORKER = {"concurrency": ranges.CONCURRENCY, "lease_s": ranges.LEASE_S, "grace_s": ranges.GRACE_S}
SETTINGS = {
    **{f"worker_{name}": range_ for name, range_ in WORKER.items()},
    "pool_max_size": ranges.POOL_SIZE,
    "payload_limit_bytes": ranges.VALUE_BYTES,
    "result_limit_bytes": ranges.VALUE_BYTES,
}
VALUES: dict[str, tuple[Range, Callable[[Any], Any]]] = {
    "Job(priority)": (ranges.PRIORITY, lambda value: Job("m.f", priority=value)),
    "Job(max_attempts)": (ranges.MAX_ATTEMPTS, lambda value: Job("m.f", max_attempts=value)),
    "Backoff(base_s)": (ranges.DELAY_S, lambda value: Backoff(base_s=value)),
    "Backoff(step_s)": (ranges.DELAY_S, lambda value: Backoff(step_s=value)),
    "Backoff(max_s)": (ranges.DELAY_S, lambda value: Backoff(max_s=value)),
    "Backoff(factor)": (ranges.BACKOFF_FACTOR, lambda value: Backoff(factor=value)),
    "Backoff(jitter)": (ranges.JITTER, lambda value: Backoff(jitter=value)),
    "Limit(MEMORY)": (ranges.LIMIT_VALUE, lambda value: Limit(Limit.Type.MEMORY, value)),
    "Limit(TIME)": (ranges.LIMIT_VALUE, lambda value: Limit(Limit.Type.TIME, value)),
    "Snooze": (ranges.DELAY_S, Snooze),
    "Retry": (ranges.DELAY_S, lambda value: Retry(after=value)),
    **{
        f"Queue({name})": (range_, lambda value, name=name: Queue("q", **{name: value}))  # type: ignore[misc]
        for name, range_ in RANGES.items()
    },
}
OPTIONS = {
    (worker, "concurrency"): ranges.CONCURRENCY,
    (worker, "grace_s"): ranges.GRACE_S,
    (worker, "processes"): ranges.PROCESSES,
    (worker, "due_within"): ranges.DUE_WITHIN_S,
    (push, "priority"): ranges.PRIORITY,
    (push, "max_attempts"): ranges.MAX_ATTEMPTS,
    (push, "timeout"): ranges.WAIT_S,
    **{(declare, name): range_ for name, range_ in RANGES.items()},
}
NO_NUMBERS = [True, False, float("nan"), "1", b"1", [1], object()]


def around(range_: Range) -> list[float]:
    """Both ends of a range, the numbers just inside, and those just outside."""
    if range_.whole:
        low, high = int(range_.low), int(range_.high)
        return [low - 1, low, low + 1, high - 1, high, high + 1]
    low, high = float(range_.low), float(range_.high)
    beyond = (math.nextafter(low, -math.inf), math.nextafter(high, math.inf))
    return [beyond[0], low, math.nextafter(low, math.inf), math.nextafter(high, 0), high, beyond[1], math.inf]


def refused(make: Callable[[Any], Any], value: object) -> bool:
    try:
        make(value)
    except ChancyError:
        return True
    return False


@pytest.mark.parametrize("name", VALUES)
def test_values_have_the_ranges_of_the_table(name):
    """Each value takes the numbers of its range, no others, and nothing that is no number."""
    range_, make = VALUES[name]
    for value in around(range_):
        assert refused(make, value) is not range_.holds(value), value
    for value in NO_NUMBERS:
        assert refused(make, value), value


@pytest.mark.parametrize("column", COLUMNS)
async def test_the_database_has_the_ranges_of_the_table(chancy, query, column):
    """The constraints say the same as the code."""
    into, range_ = COLUMNS[column]
    for value in around(range_):
        try:
            query(into.format(column=column, value=f"'{value}'"))
        except (psycopg.errors.CheckViolation, psycopg.errors.NumericValueOutOfRange):
            assert not range_.holds(value), value
        else:
            assert range_.holds(value), value


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_have_the_ranges_of_the_table(name, tmp_path):
    """So do settings, and the error says the range."""
    range_ = SETTINGS[name]
    for value in around(range_):
        assert refused(
            lambda value: load_settings(environ={}, directory=tmp_path, **{name: value}), value
        ) is not range_.holds(value), value
    for value in NO_NUMBERS:
        with pytest.raises(ChancyError) as error:
            load_settings(environ={}, directory=tmp_path, **{name: value})
        assert range_.expected in str(error.value)


@pytest.mark.parametrize("name", WORKER)
async def test_the_arguments_of_a_worker_have_the_ranges_of_the_table(dsn, name):
    """So do the arguments of `Worker(…)`, and the error says which, and the range."""
    chancy = Chancy(dsn, discover=False)
    range_ = WORKER[name]
    for value in around(range_):
        assert refused(lambda value: Worker(chancy, **{name: value}), value) is not range_.holds(value), value
    for value in NO_NUMBERS:
        with pytest.raises(ChancyError) as error:
            Worker(chancy, **{name: value})
        assert str(error.value).startswith(f"Worker({name}=…) is ")
        assert range_.expected in str(error.value)


@pytest.mark.parametrize(("command", "name"), OPTIONS)
def test_options_have_the_ranges_of_the_table(command, name):
    """So do options of the command, as they are typed."""
    range_ = OPTIONS[command, name]
    (option,) = (param for param in command.params if param.name == name)
    for value in [*around(range_), "nan", "", "1e999", "x"]:
        if range_.holds(value):
            assert option.type.convert(str(value), option, None) == value
            continue
        with pytest.raises(click.UsageError) as error:
            option.type.convert(str(value), option, None)
        assert range_.expected in str(error.value)


def test_every_option_that_is_a_number_is_in_the_table():
    """An option that takes any number would be an error deep inside, or none."""
    for command in (worker, push, declare):
        for option in command.params:
            if isinstance(option.type, Ranged):
                assert OPTIONS[command, option.name] is option.type.range_
            assert option.type.name not in ("integer", "float", "integer range", "float range"), option.name


def test_a_range_says_what_to_give():
    """The words are those of the table, with its ends."""
    assert ranges.LEASE_S.expected == "seconds from 1 to 3,600"
    assert ranges.POLLING_INTERVAL_S.expected == "seconds above 0, at most 3,600"
    assert ranges.VALUE_BYTES.expected == "whole bytes from 1 to 1,073,741,824 (1 GB)"
    assert ranges.RATE_LIMIT_WINDOW_S.expected == "seconds from 0.1 to 86,400 (a day)"
