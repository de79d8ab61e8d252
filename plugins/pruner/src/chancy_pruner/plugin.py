"""The plugin: its settings and its hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
import psycopg

from chancy import Chancy
from chancy.plugin import Finding, Plugin, Tick, check_seconds, check_whole, hookimpl, is_outage, log, text_of
from chancy_pruner.findings import find
from chancy_pruner.policy import Retention, read
from chancy_pruner.prune import Pace, Rounds
from chancy_pruner.report import Reporter
from chancy_pruner.store import PrunerStore

if TYPE_CHECKING:
    import click

NAME: Final = "pruner"
# Partitions are made two minutes ahead at least.
INTERVAL_MIN_S: Final = 0.01
INTERVAL_MAX_S: Final = 60.0
# PostgreSQL counts milliseconds.
WAIT_MIN_S: Final = 0.001
WAIT_MAX_S: Final = 60.0
PAUSE_MAX_S: Final = 10.0
BATCH_MAX: Final = 100_000


class Pruner(Plugin):
    """Deletes finished jobs once they are old enough, and makes the partitions that let it do so by dropping tables.

    ```toml
    [plugins.pruner]
    keep = { succeeded = "1d", failed = "14d", cancelled = "1d" }

    [[plugins.pruner.rules]]
    func = "app.jobs.heartbeat"
    keep = { succeeded = "15m" }
    ```

    Attributes:
        keep: how long the jobs of each outcome are kept after they have finished: "90s", "15m", "36h", "14d", "2w" or
            "forever"; an outcome that is not named has its default.
        rules: tables of `queue` and `func`, each a pattern with * and ?, or a list of them; `keep`; and `name`, for
            people. The first rule that matches a job and names its outcome decides.
        width: how long a partition spans, for each outcome; by default about an eighth of the time to keep.
        interval: seconds between two rounds.
        lock_s: how long to wait for a lock that others would wait behind, in seconds.
        hold_s: how long a statement may take that holds such a lock, in seconds.
        batch_rows: how many jobs a statement deletes at most.
        pause_s: seconds between two such statements.
    """

    name: ClassVar[str] = NAME
    leader_only: ClassVar[bool] = True

    keep: dict[str, Any] = msgspec.field(default_factory=dict)
    rules: list[Any] = msgspec.field(default_factory=list)
    width: dict[str, Any] = msgspec.field(default_factory=dict)
    interval: float | None = 10.0
    lock_s: float = 0.1
    hold_s: float = 1.0
    batch_rows: int = 5_000
    pause_s: float = 0.01

    def __post_init__(self) -> None:
        check_seconds("interval", self.interval, INTERVAL_MIN_S, INTERVAL_MAX_S)
        check_seconds("lock_s", self.lock_s, WAIT_MIN_S, WAIT_MAX_S)
        check_seconds("hold_s", self.hold_s, WAIT_MIN_S, WAIT_MAX_S)
        check_whole("batch_rows", self.batch_rows, 1, BATCH_MAX)
        check_seconds("pause_s", self.pause_s, 0, PAUSE_MAX_S)
        self._retentions = read(self.keep, self.width, self.rules)
        self._rounds = self.rounds()
        self._reporter = Reporter()
        self._away = False

    @property
    def retentions(self) -> list[Retention]:
        """The settings, one for each outcome."""
        return self._retentions

    def rounds(self) -> Rounds:
        """Rounds that remember nothing of those before."""
        return Rounds(self._retentions, Pace(self.lock_s, self.hold_s, self.batch_rows, self.pause_s))

    # -- hooks -----------------------------------------------------------------------------

    @hookimpl
    def commands(self) -> list[click.Command]:
        """`chancy prune`."""
        # Workers and applications do without the command line, and so without what it needs.
        from chancy_pruner.commands import prune_command  # noqa: PLC0415

        return [prune_command(self)]

    @hookimpl
    async def findings(self, chancy: Chancy) -> list[Finding]:
        """Partitions that are missing, although somebody prunes."""
        return await find(chancy)

    @hookimpl
    async def on_tick(self, tick: Tick) -> None:
        """One round."""
        try:
            async with tick.connection() as connection:
                # Well before the host would cut it off in the middle of a batch.
                done = await self._rounds.run(PrunerStore(tick.schema, connection), budget_s=self.tick_timeout_s / 2)
        except psycopg.Error as error:
            if not is_outage(error):
                raise
            # The database is away, or did not have it; nothing is half done, and the next tick is soon enough.
            if not self._away:
                log.warning("tick_put_off", plugin=NAME, error=text_of(error))
            self._away = True
        else:
            self._away = False
            self._reporter.report(done)

    def trouble(self) -> str | None:
        """What it cannot prune, and why."""
        return self._reporter.trouble
