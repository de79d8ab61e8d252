"""The plugin contract: every hook there is. The docstring of each is the contract.

A plugin implements the hooks it needs, as methods marked with `hookimpl`, with any of the arguments named here and no
others. Hooks get batches, and a hook that nobody implements costs nothing. Whatever a plugin does wrong is contained as
its hook says, logged once in a while as `hook_failed` with the plugin's name, and counted.

No implementation may block: a `def` hook runs where the kernel was, an `async def` hook on the event loop of the worker
or of the application. One that holds it for more than a second is named in the log, as `hook_blocked`. An `async def`
hook whose time is over is cancelled; one that goes on all the same for five seconds is left behind and switched off, as
`hook_switched_off`: that process does not call it again, and a connection that it had is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pluggy

from chancy_core.values.ended import Ended
from chancy_core.values.finding import Finding
from chancy_core.values.gauge import Gauge
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import Outcome, QueuedJob
from chancy_core.values.raised import Raised
from chancy_core.values.verdicts import Verdict

if TYPE_CHECKING:
    import click
    import psycopg

    from chancy_core.app import Chancy
    from chancy_core.plugins.budget import Budget
    from chancy_core.plugins.tick import Tick
    from chancy_core.plugins.web import WebColumn, WebPage, WebPanel
    from chancy_core.store import Migration
    from chancy_core.worker import Worker

PROJECT = "chancy"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def on_push(jobs: list[Job]) -> list[Job] | None:
    """Before jobs are stored.

    Called once a push, and once for every 5,000 jobs of a bulk push, before the INSERT; in plugin order, each with what
    the one before it returned.

    Returns:
        As many jobs, to be stored instead, in the same order; None to leave them as they are.

    If it raises, the push fails with a `PluginError` that names the plugin, and nothing is stored.
    """


@hookspec
def on_claim(jobs: list[QueuedJob], worker: Worker) -> list[QueuedJob] | None:
    """After a batch was claimed, before its jobs start.

    Called once a batch, on the worker's loop, after the claim has committed; in plugin order, chained as `on_push`.

    Returns:
        The same jobs, changed, in any order; None to leave them as they are. One that always does so is annotated
        `-> None`: otherwise it may give arguments, and nobody's are checked when they are pushed.

    If it raises, or returns other jobs, that is logged and counted, and the jobs run as they were claimed.
    """


@hookspec
def around_job(job: QueuedJob) -> AbstractContextManager[Any] | None:
    """Round each run of a job, where it runs: on the loop, in the thread, in the child process.

    Called in the task, thread or process that is about to call the job's function; in plugin order, the first
    outermost. In a child process the plugin is a pickled copy.

    Returns:
        A context manager, entered before the function is called and left with what it raised, if anything; or None.

    If entering raises, the attempt fails with a `PluginError` that names the plugin, and the function is not called. If
    leaving raises, that is logged and counted. Leaving cannot swallow the job's own exception.
    """


@hookspec
async def claim_budget(queue: Queue, wanted: int, connection: psycopg.AsyncConnection[Any]) -> Budget | int | None:
    """Before a claim from a queue that has a limit across all workers, in the transaction of that claim.

    Limits are the fields `rate_limit` and `global_concurrency` of a queue. The kernel keeps them and enforces none: a
    plugin says in its class attribute `enforces`, a frozenset of those names, which of them it does. A queue that has a
    limit which no plugin enforces is refused where it is declared, and no worker without such a plugin claims from it.
    Queues without limits are claimed from as if this hook did not exist.

    Called at READ COMMITTED, so each statement sees what was committed before it began. Locks that it takes on
    `connection` are held until the claim has committed; make them the queue's own. Because a worker's claims from
    limited queues take turns, waiting for a lock ends after a quarter of a second, with LockNotAvailable of psycopg;
    `Budget(0, 0.05)` is the answer to that. It must neither commit nor roll back, and has two seconds. The transaction
    ends with nothing claimed if it lies idle for three seconds, as that of a process that was stopped does.

    Args:
        queue: the queue, as the worker knows it.
        wanted: how many jobs the worker would take: what it has free slots for.
        connection: the connection of the claim, in its transaction.

    Returns:
        How many jobs may be claimed now, 0 or more, or a `Budget`, which can also say when to ask again, and wants to
        be told how many were taken. None is no opinion, which a plugin that enforces a limit of this queue may not
        have. The smallest answer counts; after a 0, which may leave the transaction failed, nobody else is asked.

    If it raises, takes too long or returns anything else, that is logged and counted, and counts as 0: a limit that
    cannot be checked must not be exceeded. So does, for the whole claim, a `Budget.taken` that fails.
    """


@hookspec(firstresult=True)
def on_failure(job: QueuedJob, error: Raised) -> float | timedelta | Verdict | None:
    """When a run has failed, before it is decided what becomes of its job.

    Called once a failed run, on the worker's loop, in plugin order, until one answers. A run that its worker stopped,
    or could not begin, has not failed; one that raised a verdict has said itself what is to become of it; and a
    `CannotRun` no retry can help: for those it is not called.

    Args:
        job: the run's job, as it was claimed; `job.attempts` is the attempt that failed.
        error: what the run raised. `error.exception` is the exception itself where it was raised in this process, and
            None for runs in child processes; `error.is_a(ConnectionError)` and the texts are there in any case.

    Returns:
        Seconds, or a timedelta, to wait that long instead of the job's backoff, if it is tried again: its attempts,
        `retry_on` and `give_up_on` say whether it is. Or a verdict, as if the job had raised it: `Retry` tries again
        whatever these two say, while attempts are left; `Snooze` gives the attempt back; `Cancel` ends the job. What
        the run raised is recorded among the job's errors, unless the attempt is given back. None is no opinion.

    If it raises, or returns anything else, that is logged and counted, and counts as no opinion. Without one, the job's
    own policy decides.
    """


@hookspec
async def on_complete(outcomes: Sequence[Outcome], connection: psycopg.AsyncConnection[Any]) -> None:
    """When runs have ended, in the transaction that records it.

    Called once a batch, with the outcomes that were accepted, retries and hand-backs included; in a savepoint of its
    own for each plugin. What it writes on `connection` commits together with the outcomes. It must neither commit nor
    roll back, and has five seconds.

    If it raises, its savepoint is rolled back, that is logged and counted, and the outcomes are recorded all the same.
    """


@hookspec
async def on_end(ended: Sequence[Ended], connection: psycopg.AsyncConnection[Any]) -> None:
    """When jobs have ended, however they did; and when `retry_jobs` has brought finished ones back.

    A job ends by its run, by a cancel while it waits, because it expired, because its worker was lost and no attempt
    was left, or with its queue. Each end is told once to each plugin that has this hook:

    * the ends of a worker's own runs, on that worker, in the transaction that records them, after `on_complete`;
    * what an application with asyncio cancels, purges or brings back, there, in the transaction in which it does so;
    * all others within moments, on some worker that has the plugin, in a transaction of their own: what expired or was
      rescued, what ended by an application without asyncio, or where the plugin was not loaded, or while its hook
      failed. They wait in a table meanwhile, and no crash loses them.

    Called on the loop of the worker or the application with a batch, in a savepoint of its own for each plugin. What it
    writes on `connection` commits together with the knowledge that it was told, or not at all: whoever writes nowhere
    else, counts each end exactly once. It must neither commit nor roll back, and has five seconds, for which whoever
    cancels a job waits. What it needs it gets in `on_open`, because an application never calls `on_start`. Jobs that it
    ends itself, by `chancy`, are told later.

    A plugin hears of what ends after the first worker was started that has it, and of what its own applications end,
    with asyncio, before that. The ends of one job may come out of order, if one of them had to wait: a later one has
    the greater `claims`. What could not be told for seven days is dropped, and a plugin that no worker has had for so
    long is forgotten; both are logged.

    If it raises, its savepoint is rolled back, that is logged and counted, and it is told of that batch again by a
    worker, in smaller ones, after a pause that grows. The jobs have ended all the same. If it ends the transaction,
    closes the connection or does not return, whoever ended the jobs does so again, and leaves all of them to be told
    later.
    """


@hookspec
def on_recorded(outcomes: Sequence[Outcome], worker: Worker) -> None:
    """When runs have ended, and that is recorded for good.

    Called once a batch, with the outcomes that were accepted, retries and hand-backs included; on the worker's loop,
    after the transaction that records them has committed. For those who only need to know: it costs no round trip,
    where `on_complete` costs several. An outcome is told of at most once; not at all if the worker, or the database's
    answer, is lost in that very moment.

    If it raises, that is logged and counted, and nothing else happens.
    """


@hookspec
async def on_tick(tick: Tick) -> None:
    """Every `interval` seconds of the plugin, while a worker runs.

    Called in a task of its own for each plugin; never twice at a time; for at most `tick_timeout_s` seconds. A plugin
    with `leader_only` set is called on the leader alone, or on every worker where nothing elects one; a worker that has
    become the leader calls it within a second, unless it called it here less than an interval ago.

    If it raises, that is logged and counted, and the next tick comes after a backoff.
    """


@hookspec(firstresult=True)
def is_leader() -> bool | None:
    """Whether this worker leads.

    Called before each tick; must answer from memory. The first answer that is not None counts. Without any answer,
    every worker acts as the leader: leadership saves work, it is never what makes things correct.

    If it raises, this worker does not lead for now.
    """


@hookspec
async def on_open(chancy: Chancy) -> None:
    """When an application has opened its Chancy: a web application, a script, a command, or a worker.

    Called once an opening, in plugin order, before whoever opened it goes on; in a worker's process before `on_start`.
    If the schema does not fit this code, so that nothing but `migrate` works yet, it is called after that.

    Without asyncio (`with Chancy(…)`) it is called too, in an event loop of its own, which lasts as long as the hook:
    `chancy` is open there, with `pool` and the methods that are awaited, and afterwards in its threads. So a plugin is
    written once, and may ask the database here without blocking anybody's loop. What it begins on the loop, such as a
    task, ends with the hook there: what has to last for a worker's life begins in `on_start`.

    If it raises, or takes more than thirty seconds, opening fails with a `PluginError`, and what was opened is closed.
    """


@hookspec
def on_close(chancy: Chancy) -> None:
    """When an application closes its Chancy, before it disconnects.

    Called once for each time that `on_open` was called, in the opposite order; also for a Chancy that another plugin
    kept from opening, and for one whose event loop has ended without closing it, when it is opened again. A process
    that was killed calls nothing, and a child that was forked off is told nothing of what its parent opened.

    It is `def`, because it is also called where no event loop runs. What has to be awaited belongs in `on_stop`.

    If it raises, that is logged and counted, and the Chancy closes all the same.
    """


@hookspec
async def on_start(worker: Worker) -> None:
    """When a worker has opened, before it claims.

    If it raises, or takes more than thirty seconds, the worker refuses to start with a `PluginError`.
    """


@hookspec
async def on_stop(worker: Worker) -> None:
    """When a worker closes, after its last outcome was recorded.

    If it raises, or takes more than ten seconds, that is logged.
    """


@hookspec
async def findings(chancy: Chancy) -> list[Finding]:  # type: ignore[empty-body]
    """When somebody asks what is wrong now: `chancy doctor`, or whoever calls `find_problems`.

    Called in the process of whoever asks, which need not be one that runs jobs, with an application that is open and
    whose schema fits this code. All plugins are asked at the same time, and a person waits: it has a second or so, and
    asks the database little.

    Args:
        chancy: the open application, with `pool` and everything that can be awaited.

    Returns:
        What is wrong now, and nothing that is merely unusual: a system that does its work has no findings.

    If it raises, takes too long, or returns anything else, that is a finding about the plugin.
    """


@hookspec
async def gauges(chancy: Chancy) -> list[Gauge]:  # type: ignore[empty-body]
    """When chancy-metrics looks at the database: in a worker, the leader if there is one, while somebody collects.

    That is every fifteen seconds or so, and after a rest of twenty times what the look before took. A gauge has a
    hundred values at most, and none of its labels is made of what users make up, such as the name of a function.

    Args:
        chancy: the worker's, with `pool`. A statement that may read much sets a time-out for itself.

    Returns:
        How it stands now.

    If it raises, takes more than five seconds, or returns anything else, its gauges are missing until the next look,
    and that is logged and counted.
    """


@hookspec
def migrations() -> list[Migration]:  # type: ignore[empty-body]
    """The plugin's own tables, numbered from 1; each `owner` is the plugin's name.

    Called when the schema is checked and migrated. If it raises, or returns anything else, the plugin is refused.
    """


@hookspec
def commands() -> list[click.Command]:  # type: ignore[empty-body]
    """Commands for the `chancy` command line; each is called with a function that makes the configured Chancy.

    If it raises, the plugin is refused.
    """


@hookspec
def pages() -> list[WebPage]:  # type: ignore[empty-body]
    """The plugin's pages in the dashboard of `chancy-dashboard`, whose own pages come by this hook too.

    Called when a dashboard is made, in its process. Nothing of the dashboard has to be imported: a page says what is
    looked up and which template shows it.

    If it raises, or returns anything else, its pages are left out, which is a finding, and the others are shown. So is
    a page whose path another plugin has.
    """


@hookspec
def panels() -> list[WebPanel]:  # type: ignore[empty-body]
    """The plugin's panels on pages of the dashboard that others bring, such as that of a job.

    Called as `pages`, and contained like it.
    """


@hookspec
def columns() -> list[WebColumn]:  # type: ignore[empty-body]
    """The plugin's columns for the dashboard's table of jobs, which people choose below it.

    Called as `pages`, and contained like it.
    """
