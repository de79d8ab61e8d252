"""Reading rates, with asyncio and without."""

from __future__ import annotations

import math
from collections.abc import Generator
from datetime import timedelta
from typing import Any, Final, NamedTuple

from chancy import Chancy
from chancy.errors import ConfigError
from chancy.plugin import check_seconds, check_whole, nearest, statement, with_connection
from chancy_history.lengths import length_s
from chancy_history.rates import Rates, Window, made_of
from chancy_history.store import SQL

MINUTE_S: Final = 60
HOUR_S: Final = 3600
# Older than this there may be hours only, whatever `keep_minutes` says elsewhere.
MINUTES_FOR_S: Final = 2 * 86_400
SINCE_MAX_S: Final = 100 * 366 * 86_400
BY: Final = ("queue", "func", "both")
STEPS_MAX: Final = 1000


class Given(NamedTuple):
    """What was asked for."""

    since_s: float
    by: str
    queue: str | None
    func: str | None
    steps: int


Asked = tuple[str, dict[str, Any]]
Flow = Generator[Asked, list[tuple[Any, ...]], Rates]


async def rates(
    chancy: Chancy,
    *,
    since: str | float | timedelta = "5m",
    by: str = "queue",
    queue: str | None = None,
    func: str | None = None,
    steps: int = 1,
) -> Rates:
    """What the queues or functions did lately.

    ```python
    for rate in (await rates(chancy, since="1h")).rows:
        print(rate.queue, rate.out_per_s, rate.wait_p95_s)
    ```

    Args:
        chancy: an open Chancy of the schema in which the plugin's tables are.
        since: how far back, as "5m", in seconds, or as a timedelta; a minute at least. It begins at the full minute
            before, or from two days on at the full hour.
        by: "queue", "func" or "both".
        queue: only what this queue did.
        func: only what this function did.
        steps: in how many parts `trend` has the time, 1 to 1,000; fewer, if they would be shorter than a minute.

    Raises:
        ConfigError: an argument is out of its range.
        psycopg.Error: the database is away, or the plugin's tables are not there.
    """
    given = _given(since, by, queue, func, steps)
    schema = chancy.settings.schema

    async def run(connection: Any) -> Rates:
        flow = _flow(given)
        name, params = next(flow)
        while True:
            rows = await SQL.rows(connection, schema, name, **params)
            try:
                name, params = flow.send(rows)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    return await with_connection(chancy.pool, run)


def sync_rates(
    chancy: Chancy,
    *,
    since: str | float | timedelta = "5m",
    by: str = "queue",
    queue: str | None = None,
    func: str | None = None,
    steps: int = 1,
) -> Rates:
    """As `rates`, for programs without asyncio."""
    flow = _flow(_given(since, by, queue, func, steps))
    name, params = next(flow)
    with chancy.sync_pool.connection() as connection:
        while True:
            text = statement(name, chancy.settings.schema, SQL.package)
            rows = connection.execute(text, params).fetchall()
            try:
                name, params = flow.send(rows)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]


def _given(since: str | float | timedelta, by: str, queue: str | None, func: str | None, steps: int) -> Given:
    """What was asked for, checked."""
    if by not in BY:
        raise ConfigError(f"by is {by!r}: give one of {', '.join(BY)}.{nearest(str(by), BY)}")
    check_whole("steps", steps, 1, STEPS_MAX)
    return Given(_seconds(since), by, queue, func, steps)


def _flow(given: Given) -> Flow:
    """The statements to run, one after the other, each given the rows of the one before."""
    in_hours = given.since_s > MINUTES_FOR_S
    grain_s = HOUR_S if in_hours else MINUTE_S
    ((begin, until, first),) = yield "read_window", {"since_s": given.since_s, "step_s": grain_s}
    step_s = grain_s * max(math.ceil((until - begin).total_seconds() / given.steps / grain_s), 1)
    by_queue, by_func = given.by != "func", given.by != "queue"
    wanted = {"by_queue": by_queue, "by_func": by_func, "queue": given.queue, "func": given.func}
    rows = yield "read_counts", {"since": begin, "step_s": step_s, **wanted}
    depths: list[tuple[Any, ...]] = []
    if not by_func and given.func is None and not in_hours:
        depths = yield "read_depths", {"since": begin}
        depths = [row for row in depths if given.queue in (None, row[0])]
    window = Window(begin, until if first is None else max(begin, first), until, step_s)
    return made_of(window, rows, depths, by_queue=by_queue, by_func=by_func)


def _seconds(since: str | float | timedelta) -> float:
    if isinstance(since, str):
        return length_s("since", since, MINUTE_S)
    seconds = since.total_seconds() if isinstance(since, timedelta) else since
    check_seconds("since", seconds, MINUTE_S, SINCE_MAX_S)
    return seconds
