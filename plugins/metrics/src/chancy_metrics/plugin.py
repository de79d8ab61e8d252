"""`Metrics`: the settings, the hooks, and the registry."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

import psycopg
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from chancy import Chancy, Job, Outcome, QueuedJob, Worker
from chancy.errors import ConfigError
from chancy.plugin import Gauge, Plugin, Tick, check_seconds, check_whole, hookimpl, is_outage, log, text_of
from chancy_metrics.database import Reader
from chancy_metrics.gauges import Totals, counter, database_gauges, hook_failures, worker_gauges
from chancy_metrics.health import Health
from chancy_metrics.labels import QueueLabels
from chancy_metrics.reading import Reading
from chancy_metrics.recorder import Recorder
from chancy_metrics.server import PORT_MAX, Page, Server, as_json, text

if TYPE_CHECKING:
    import click

# So begin the names of what this plugin shows itself.
_WORDS = "jobs job outcomes hook push claim finish slots leader queue table database"
OURS = tuple(f"chancy_{word}" for word in _WORDS.split())
# The text format that every Prometheus reads.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)
# While nobody collects, nobody reads the database.
WANTED_FOR_S = 300.0
# A reading of the database is followed by a rest of so many times its own duration, so that it never takes more than a
# twentieth of one connection, however slow the database has become.
REST = 20
# A gauge that is older than so many intervals is not shown: no data is better than old data that looks new.
STALE_AFTER = 3
TAKEN = (
    "Another process listens on the wanted port: a second worker on this machine, or none of ours. Scrape both ports."
)


class Metrics(Plugin):
    """Prometheus metrics, and health pages.

    Without `port` nothing listens; the metrics are in `registry` all the same, for an application that has a server of
    its own. In an application without a worker, only what it pushes is counted.

    Attributes:
        port: where `/metrics` and `/health` are served while a worker runs, or the next one that is free, if another
            process has it; 0: any free one; None: nowhere.
        host: the address that it listens on.
        interval: seconds between two looks at the database.
        max_queues: how many queues have a label of their own; the others are `other`.
        count_limit: how many jobs of a queue are counted one by one; beyond, their number is estimated.
        buckets_s: the upper ends of the buckets of the durations, in seconds, ascending.
        registry: the Prometheus registry of this instance.
        address: host and port that it listens on, or None.
    """

    name: ClassVar[str] = "metrics"
    # Each of its statements ends after two.
    answer_within_s: ClassVar[float | None] = 10.0

    interval: float | None = 15.0
    port: int | None = None
    host: str = "127.0.0.1"
    max_queues: int = 100
    count_limit: int = 10_000
    buckets_s: tuple[float, ...] = BUCKETS_S

    def __post_init__(self) -> None:
        """Raise ConfigError for a setting out of its range."""
        if self.port is not None:
            check_whole("port", self.port, 0, PORT_MAX)
        if self.interval is not None:
            check_seconds("interval", self.interval, 1, 3600)
        check_whole("max_queues", self.max_queues, 1, 1000)
        check_whole("count_limit", self.count_limit, 100, 1_000_000)
        if not self.host.strip():
            raise ConfigError(
                'host is empty: give an address, such as "127.0.0.1", or "0.0.0.0" for all of this machine.'
            )
        ends = list(self.buckets_s)
        if not ends or ends != sorted(set(ends)) or ends[0] <= 0 or ends[-1] == float("inf"):
            raise ConfigError(f"buckets_s is {ends}: give seconds above 0, each larger than the one before it.")
        self._labels = QueueLabels(self.max_queues)
        self._recorder = Recorder(self._labels, ends)
        self._totals = Totals()
        self._chancy: Chancy | None = None
        self._workers: list[Worker] = []
        self._server: Server | None = None
        self.address: tuple[str, int] | None = None
        self._leads: bool | None = None
        self._reading: Reading | None = None
        self._read_at = float("-inf")
        self._rest_until = float("-inf")
        self._wanted_until = float("-inf")
        self._failed_readings = 0
        self._failing: str | None = None
        # What was said once.
        self._left_out: set[tuple[str, str]] = set()
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    @hookimpl
    def commands(self) -> list[click.Command]:
        """`chancy metrics`."""
        # Workers and applications do without the command line, and so without what it needs.
        from chancy_metrics.commands import metrics  # noqa: PLC0415

        return [metrics]

    # -- what passes through ---------------------------------------------------------------

    @hookimpl
    def on_push(self, jobs: list[Job]) -> None:
        """Count what is pushed, in the application that pushes."""
        self._recorder.pushed(jobs)

    @hookimpl
    def on_claim(self, jobs: list[QueuedJob]) -> None:
        """Count what is claimed."""
        self._recorder.claimed(jobs)

    @hookimpl
    def on_recorded(self, outcomes: Sequence[Outcome]) -> None:
        """Count what has ended, once that is recorded."""
        self._recorder.recorded(outcomes)

    # -- the worker's life -----------------------------------------------------------------

    @hookimpl
    async def on_start(self, worker: Worker) -> None:
        """Name the declared queues, and listen if a port is set. Raises if the port cannot be had."""
        self._chancy = worker.chancy
        self._recorder.declare(queue.name for queue in await worker.chancy.get_all_queues())
        self._workers.append(worker)
        if self.port is not None and self._server is None:
            health = Health(self._workers)
            server = Server(
                {
                    "/metrics": self._metrics_page,
                    "/health": lambda: _ready_page(health),
                    "/health/live": _live_page,
                    "/health/ready": lambda: _ready_page(health),
                }
            )
            self.address = await server.open(self.host, self.port)
            self._server = server
            self._wanted_until = time.monotonic() + WANTED_FOR_S
            host, port = self.address
            if self.port not in (0, port):
                log.warning("metrics_port_taken", wanted=self.port, port=port, hint=TAKEN)
            log.info("metrics_served", host=host, port=port)

    @hookimpl
    async def on_stop(self, worker: Worker) -> None:
        """Stop listening with the last worker."""
        if worker in self._workers:
            self._totals.keep(worker)
            self._workers.remove(worker)
        if not self._workers and self._server is not None:
            server, self._server, self.address = self._server, None, None
            self._leads = None
            await server.close()

    @hookimpl
    async def on_tick(self, tick: Tick) -> None:
        """Look at the database, if somebody wants to know and this worker is the one to do it."""
        self._leads = tick.is_leader
        now = time.monotonic()
        if not tick.is_leader:
            self._reading = None
        elif self._rest_until <= now < self._wanted_until:
            await self._read(tick)

    async def _read(self, tick: Tick) -> None:
        start = time.monotonic()
        try:
            async with tick.connection() as connection:
                reading = await Reader(tick.schema, self.count_limit).read(connection)
            others = await self._others()
        except Exception as error:
            if not (isinstance(error, psycopg.Error | OSError) or is_outage(error)):
                raise
            # Said here and not by the kernel, which would wait longer and longer before the next try.
            self._failed_readings += 1
            if self._failing is None:
                log.warning("database_not_read", error=text_of(error), failures=self._failed_readings)
            self._failing = text_of(error)
            return
        self._failing = None
        self._read_at = time.monotonic()
        self._reading = replace(reading, others=others, took_s=self._read_at - start)
        self._rest_until = self._read_at + REST * self._reading.took_s
        self._recorder.declare(reading.queues)

    async def _others(self) -> list[Gauge]:
        """What other plugins tell of themselves; a name that somebody has already is nobody else's."""
        if self._chancy is None:
            return []
        found: dict[str, tuple[str, Gauge]] = {}
        for plugin, gauge in await self._chancy.plugins.gauges(self._chancy):
            other = (
                "metrics"
                if gauge.name in OURS or gauge.name.startswith(tuple(f"{one}_" for one in OURS))
                else found.setdefault(gauge.name, (plugin, gauge))[0]
            )
            if other != plugin and (plugin, gauge.name) not in self._left_out:
                self._left_out.add((plugin, gauge.name))
                log.warning("gauge_left_out", gauge=gauge.name, plugin=plugin, hint=f"{other} has one of that name")
        return [gauge for _, gauge in found.values()]

    def trouble(self) -> str | None:
        """That the database cannot be looked at: what it would say is missing, and not old."""
        return None if self._failing is None else f"the database cannot be read: {self._failing}"

    # -- collecting ------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """Everything as it stands; called by `registry`."""
        now = time.monotonic()
        self._wanted_until = now + WANTED_FOR_S
        yield from self._recorder.collect()
        yield from self._totals.families(self._workers, self._labels)
        if self._chancy is not None:
            yield hook_failures(self._chancy.plugins.failures)
        yield counter("chancy_database_reading_failures", "Looks at the database that failed.", self._failed_readings)
        yield from worker_gauges(self._workers, self._labels.of, leads=self._leads)
        reading, age_s = self._reading, now - self._read_at
        if reading is not None and age_s <= STALE_AFTER * max(self.interval or 0.0, REST * reading.took_s):
            yield from database_gauges(reading, self._labels.of, age_s)

    async def _metrics_page(self) -> Page:
        return Page(HTTPStatus.OK, CONTENT_TYPE, generate_latest(self.registry))


async def _live_page() -> Page:
    return text(HTTPStatus.OK, "The loop responds.\n")


async def _ready_page(health: Health) -> Page:
    problems = await health.problems()
    status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
    return as_json(status, {"ready": not problems, "problems": problems, "unable": health.unable()})
