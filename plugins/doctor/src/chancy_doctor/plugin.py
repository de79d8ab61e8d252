"""`Doctor`: the plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from chancy import Chancy, Worker
from chancy.errors import PluginError
from chancy.plugin import (
    Finding,
    Plugin,
    WebPanel,
    check_number,
    check_seconds,
    check_whole,
    find_problems,
    hookimpl,
)
from chancy_doctor.examine import examine
from chancy_doctor.journal import Journal
from chancy_doctor.thresholds import Thresholds

if TYPE_CHECKING:
    import click

NAME: Final = "doctor"
# What of the time is for the checks; the database has to be reached before.
OWN_SHARE: Final = 0.75
# Nobody waits for what the leader logs.
LOGGED_WITHIN_S: Final = 30.0
YEAR_S: Final = 31_536_000.0
# The server stops taking writes at so many transactions.
COUNT_MAX: Final = 2_000_000_000
BYTES_MAX: Final = 2**50


class Doctor(Plugin):
    """Says what is wrong, why that matters, and what to type against it.

    ```toml
    [plugins.doctor]
    wait_s = 60        # where every job is urgent
    ```

    While workers run, their leader looks as well, and logs what it finds.

    Attributes:
        interval: seconds between two looks of the leader; None: it does not look.
        within_s: how long a look may take, in seconds.
        wait_s: a job that has been runnable for longer, in seconds, has waited for too long.
        recent_s: failures and lost workers count for so long, in seconds.
        storm_jobs: failed runs of one function within `recent_s` from which on it is looked at.
        storm_share: the share of a function's runs that has to fail for that to be a finding.
        snapshot_s: a snapshot that is held for longer, in seconds, keeps vacuum from its work for too long.
        dead_rows: so many dead rows in the table of live jobs are too many.
        connections_share: the share of the server's connections from which on there are too few left.
        notify_share: the same for its queue of notifications.
        clock_s: seconds by which the clock of this machine may differ from the database's.
        key_held_s: a job that holds its unique key for longer, in seconds, and is not scheduled, has held it for long.
        history_rows: more finished jobs than that, without a pruner, are a finding.
        slot_transactions: a replication slot that is so many transactions behind is used by nobody.
        slot_bytes: so much WAL that is kept for a replication slot which nobody uses is too much.
        frozen_age: a database whose oldest transaction is so many transactions old is in need of vacuum.
    """

    name: ClassVar[str] = NAME
    leader_only: ClassVar[bool] = True

    interval: float | None = 30.0
    within_s: float = 2.0
    wait_s: float = 600.0
    recent_s: float = 900.0
    storm_jobs: int = 50
    storm_share: float = 0.5
    snapshot_s: float = 60.0
    dead_rows: int = 500_000
    connections_share: float = 0.9
    notify_share: float = 0.25
    clock_s: float = 30.0
    key_held_s: float = 86_400.0
    history_rows: int = 5_000_000
    slot_transactions: int = 1_000_000
    slot_bytes: int = 1_073_741_824
    frozen_age: int = 1_500_000_000

    def __post_init__(self) -> None:
        if self.interval is not None:
            check_seconds("interval", self.interval, 1, 86_400)
        check_seconds("within_s", self.within_s, 0.5, 60)
        for name in ("wait_s", "recent_s", "snapshot_s", "clock_s", "key_held_s"):
            check_seconds(name, getattr(self, name), 0, YEAR_S, above=True)
        for name in ("storm_share", "connections_share", "notify_share"):
            check_number(name, getattr(self, name), 0, 1, above=True, what="a share")
        for name in ("storm_jobs", "dead_rows", "history_rows", "slot_transactions", "frozen_age"):
            check_whole(name, getattr(self, name), 1, COUNT_MAX)
        check_whole("slot_bytes", self.slot_bytes, 1, BYTES_MAX)
        self.not_looked_at: list[str] = []
        self._chancy: Chancy | None = None
        self._journal = Journal()

    @staticmethod
    def of(chancy: Chancy) -> Doctor:
        """The plugin of a Chancy that has it. Raises PluginError where it is turned off."""
        for one in chancy.plugins.loaded:
            if isinstance(one.plugin, Doctor):
                return one.plugin
        raise PluginError(f"The plugin {NAME!r} is not loaded here: [plugins.{NAME}] has enabled = false.")

    @property
    def thresholds(self) -> Thresholds:
        """From when on something is a finding."""
        return Thresholds(**{name: getattr(self, name) for name in Thresholds._fields})

    @hookimpl
    async def findings(self, chancy: Chancy) -> list[Finding]:
        """What is wrong with the queues, the workers, the jobs and the database."""
        found = await examine(chancy, self.thresholds, self.within_s * OWN_SHARE)
        self.not_looked_at = found.not_looked_at
        return found.findings

    @hookimpl
    async def on_start(self, worker: Worker) -> None:
        """Learn whose worker it is."""
        self._chancy = worker.chancy

    @hookimpl
    async def on_tick(self) -> None:
        """Log what is wrong, once, and when it is over."""
        if self._chancy is not None:
            self._journal.note(await find_problems(self._chancy, within_s=LOGGED_WITHIN_S))

    @hookimpl
    def panels(self) -> list[WebPanel]:
        """Why a job does not run, on its page."""
        from chancy_doctor.panel import WHY  # noqa: PLC0415 -- only the dashboard shows it

        return [WHY]

    @hookimpl
    def commands(self) -> list[click.Command]:
        """`chancy doctor`, `chancy why` and `chancy top`."""
        from chancy_doctor.commands import doctor, top, why  # noqa: PLC0415 -- workers do without the command line

        return [doctor, why, top]
