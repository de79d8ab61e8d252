"""What is pushed, made ready to be stored: the same for every way to push."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from chancy_core.app.handed import OWN
from chancy_core.app.reading import Pushable
from chancy_core.app.reference import Reference, References
from chancy_core.errors import InvalidJob
from chancy_core.store import Flow
from chancy_core.store.ids import new_id
from chancy_core.store.jobrows import JobRow, job_row
from chancy_core.store.keys import Holder, refusal
from chancy_core.store.lines import FEW_MAX, Lines
from chancy_core.store.notices import notice_of
from chancy_core.store.pushes import BulkState, insert_keyed, insert_many
from chancy_core.values.decorating import as_job
from chancy_core.values.fields import OnConflict, shown
from chancy_core.values.fields import on_conflict as check_on_conflict
from chancy_core.values.job import Job
from chancy_core.values.known import completed_here, is_exact
from chancy_core.values.notices import Notice
from chancy_core.values.typed import Json, plain_of

if TYPE_CHECKING:
    from chancy_core.app.chancy import Chancy

Many: TypeAlias = Pushable | Iterable[Pushable] | AsyncIterable[Pushable]


def row_of(
    chancy: Chancy, queue: str | Pushable | None, job: Pushable | None, on_conflict: OnConflict | None = None
) -> JobRow:
    """The row of a single push, once plugins have seen the job. Raises InvalidJob."""
    name, job = _named(queue, job)
    job = completed_here(as_job(job))
    if name is not None:
        job = job.with_queue(name)
    if on_conflict is not None:
        on_conflict = check_on_conflict(on_conflict)
    if on_conflict is not None or chancy.settings.json != "plain":
        job = _with_words(job, on_conflict, chancy.settings.json)
    if chancy.plugins.has("on_push"):
        (job,) = chancy.plugins.on_push([_for_hooks(job)])
    # Where a plugin may change the arguments when jobs are claimed, nobody knows them before.
    exact = is_exact(job, check_kwargs=not chancy.plugins.changes_claimed)
    return job_row(job, job.queue, new_id(), chancy.settings.payload_limit_bytes, exact=exact)


def by_itself(what: Any, job: Pushable | None, connection: Any, on_conflict: OnConflict | None) -> dict[str, Any]:
    """How to push what pushes itself. Raises InvalidJob for what only jobs take."""
    if job is not None or on_conflict is not None:
        raise InvalidJob(
            f"push({shown(what)}, …) pushes more than one job: a second job and on_conflict are for single ones. Leave "
            "them out."
        )
    return {} if connection is OWN else {"connection": connection}


def notices_for(chancy: Chancy, row: JobRow) -> list[Notice]:
    """What the workers have to hear of a row."""
    if not chancy.settings.notifications:
        return []
    notice = notice_of(row)
    return [notice] if notice else []


def reference_of(chancy: Chancy, row: JobRow, holder: Holder | None) -> Reference:
    """The handle of a job, or of the one that holds its unique key. Raises UniqueKeyTaken."""
    if holder is None:
        return Reference(row.id, chancy)
    refused = refusal(row, holder)
    if refused is not None:
        raise refused
    return Reference(holder.id, chancy, created=False, replaced=holder.replaced)


def _named(queue: str | Pushable | None, job: Pushable | None) -> tuple[str | None, Pushable]:
    if job is None:
        if queue is None or isinstance(queue, str):
            raise InvalidJob(f"push({shown(queue)}) names no job: push(job), or push('queue', job).")
        return None, queue
    if queue is not None and not isinstance(queue, str):
        raise InvalidJob(f"push({shown(queue)}, …): the queue's name comes first, then the job.")
    return queue, job


class Bulk:
    """One bulk push: its jobs as they come in, and what is known of those that were sent.

    Args:
        chancy: who pushes.
        given: what `push_many` was given.
        patience_ms: how long to wait for a transaction that is about to take a unique key; None: as the session does.
        on_conflict: what becomes of those whose unique key is taken, instead of what each says itself.

    Attributes:
        jobs: the jobs.
    """

    def __init__(
        self,
        chancy: Chancy,
        given: Sequence[str | Many],
        *,
        patience_ms: int | None,
        on_conflict: OnConflict | None = None,
    ) -> None:
        queue, self.jobs = _spread(given)
        self._chancy = chancy
        self._lines = _lines(chancy, queue, on_conflict)
        self._state = BulkState(set(), {}, patience_ms)

    def few(self) -> list[JobRow] | None:
        """All of them as rows for `insert_jobs`, if they are there already, few, small, and without unique keys.

        Otherwise None, and they are sent by `insert` and `end`.
        """
        if not isinstance(self.jobs, list | tuple) or len(self.jobs) > FEW_MAX:
            return None
        self._lines.read(iter((list(self.jobs),)))
        # They have been read, and plugins have seen them.
        self.jobs = ()
        return self._lines.few()

    def insert(self, chunks: Iterator[list[Pushable]]) -> Flow[None]:
        """Send some of them."""
        return insert_many(self._chancy.store, self._lines, chunks, self._state)

    def end(self) -> Flow[None]:
        """After the last: send those with unique keys, and tell the workers."""
        yield from insert_keyed(self._chancy.store, self._lines, self._state)
        yield from self._chancy.store.notify(sorted(self._lines.notices))

    def references(self) -> References:
        """The handles, in the order of the jobs."""
        return References(self._chancy, self._lines.runs, self._state.taken)


def _lines(chancy: Chancy, queue: str | None, on_conflict: OnConflict | None) -> Lines:
    """What makes the lines of a bulk push, once plugins have seen the jobs."""
    chancy.check_schema()
    limit = chancy.settings.payload_limit_bytes
    word = None if on_conflict is None else check_on_conflict(on_conflict)
    checks = not chancy.plugins.changes_claimed
    hooks = chancy.plugins.has("on_push")
    if not hooks and word is None and chancy.settings.json == "plain":
        return Lines(queue, limit, checks=checks)

    def prepare(jobs: list[Job]) -> list[Job]:
        jobs = [_with_words(job, word, chancy.settings.json) for job in jobs]
        if not hooks:
            return jobs
        return chancy.plugins.on_push([_for_hooks(job.with_queue(queue) if queue else job) for job in jobs])

    return Lines(None if hooks else queue, limit, prepare, checks=checks)


def _with_words(job: Job, on_conflict: OnConflict | None, json: Json) -> Job:
    """The job with what its push and the settings say: of a job without a key `on_conflict` means nothing."""
    if on_conflict is not None and job.unique_key is not None:
        job = job.with_on_conflict(on_conflict)
    return job.with_json(json) if json != "plain" and job.json == "plain" else job


def _for_hooks(job: Job) -> Job:
    """The job as plugins see it: its arguments are what JSON has. Raises InvalidJob."""
    return job if job.json == "plain" or not job.kwargs else job.with_kwargs(plain_of(job.kwargs, "kwargs"))


def _spread(
    jobs: Sequence[str | Pushable | Iterable[Pushable] | AsyncIterable[Pushable]],
) -> tuple[str | None, Iterable[Pushable] | AsyncIterable[Pushable]]:
    """The queue's name, if it comes first, and the jobs, given one by one or as one iterable."""
    queue: str | None = None
    rest: Any = jobs
    if jobs and isinstance(jobs[0], str):
        # Not the member of an enumeration, which prints itself as something else.
        queue, rest = str.__str__(jobs[0]), jobs[1:]
    if len(rest) == 1 and not isinstance(rest[0], Job) and not hasattr(rest[0], "job"):
        rest = rest[0]
    if not isinstance(rest, Iterable | AsyncIterable) or isinstance(rest, str):
        as_job(rest)
    return queue, rest
