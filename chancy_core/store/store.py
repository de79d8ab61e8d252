"""What applications ask of the database, as flows; and the names of one schema."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final

import msgspec
import psycopg

from chancy_core.errors import ChancyError, InvalidJob, InvalidQueue, UnknownQueue, nearest
from chancy_core.store.explaining import raise_explained
from chancy_core.store.flow import CopyIn, Flow, Pause, Query
from chancy_core.store.insertparams import insert_one_params, insert_params, plain_params
from chancy_core.store.jobrows import JobRow, batches
from chancy_core.store.lines import Lines
from chancy_core.store.statements import check_schema, statement
from chancy_core.store.storedjobs import stored_job
from chancy_core.store.storedqueues import queue_of, queues_of
from chancy_core.store.storedworkers import worker_info
from chancy_core.store.weather import notify_queue_full, text_of
from chancy_core.values.queue import DEFAULT_QUEUE, Queue, UnreadableQueue
from chancy_core.values.queuedjob import Cancellation, QueuedJob, State
from chancy_core.values.workerinfo import WorkerInfo

# Each round of a unique push that finds neither room nor holder means that a holder finished in between.
UNIQUE_ROUNDS: Final = 20
PURGE_BATCH: Final = 1000
# PostgreSQL takes payloads that are shorter than 8,000 bytes.
PAYLOAD_MAX_BYTES: Final = 7999
# A job on its way from one table to the other is missed once; one that is missed twice is nowhere.
CANCEL_ROUNDS: Final = 2


class Store:
    """The statements of one schema.

    Attributes:
        schema: the schema's name.
        channel: the NOTIFY channel of this schema.
        notifications: False keeps every flow from sending any; workers then find things by polling.
    """

    def __init__(self, schema: str, *, notifications: bool = True) -> None:
        self.schema: Final = check_schema(schema)
        self.notifications: Final = notifications
        self.channel: Final = f"chancy.{schema}"

    def query(self, name: str, /, **params: Any) -> Query:
        """A statement of the kernel with its parameters."""
        return Query(statement(name, self.schema), params)

    # -- jobs ------------------------------------------------------------------------------

    def insert(
        self, rows: Sequence[JobRow], payloads: Sequence[str], *, patience_ms: int | None = None
    ) -> Flow[dict[str, uuid.UUID]]:
        """Store jobs, and notify of `payloads` in the same statement.

        Args:
            rows: the jobs.
            payloads: what the workers have to hear. They find it without, so none of it keeps a job from being stored.
            patience_ms: how long to wait for a transaction that is about to take a unique key; None: as the session
                does. In a transaction this applies to the rest of it.

        Returns:
            For each row that was not stored because its unique key is taken: its id, and the id of
            the job that holds the key.

        Raises:
            UnknownQueue: a queue nobody declared; nothing was inserted.
            InvalidJob: a single job that the database cannot store.
        """
        patience = None if patience_ms is None else str(patience_ms)
        try:
            return (yield from self._insert(rows, payloads, patience))
        except psycopg.errors.ProgramLimitExceeded as error:
            if not payloads or not notify_queue_full(error):
                raise_explained(rows, error)
        except (psycopg.Error, UnicodeError) as error:
            raise_explained(rows, error)
        return (yield from self._insert(rows, (), patience))

    def _insert(
        self, rows: Sequence[JobRow], payloads: Sequence[str], patience: str | None
    ) -> Flow[dict[str, uuid.UUID]]:
        taken: dict[str, uuid.UUID] = {}
        if len(rows) == 1 and len(payloads) <= 1:
            params = plain_params(rows[0])
            name = "insert_job" if params is None else "insert_plain_job"
            params = params or {**insert_one_params(rows[0]), "patience": patience}
            params["payload"] = payloads[0] if payloads else None
            params["channel"] = self.channel
            if (yield Query(statement(name, self.schema), params)):
                return taken
            # Its key is taken, or its queue unknown: the statement for many finds out.
        if any(row.unique_key for row in rows):
            rows = sorted(rows, key=lambda row: row.unique_key or "")
        for _ in range(UNIQUE_ROUNDS):
            params = {**insert_params(rows), "payloads": list(payloads), "channel": self.channel, "patience": patience}
            answer = yield self.query("insert_jobs", **params)
            if len(answer) == len(rows):
                return taken
            if not answer:
                yield from self.check_queues(params["queues"])
            stored = {str(id_) for id_, _ in answer}
            rows = [row for row in rows if row.id not in stored]
            holders: dict[str, uuid.UUID] = dict(
                (yield self.query("find_by_unique_key", keys=[row.unique_key for row in rows]))
            )
            taken |= {row.id: holders[row.unique_key] for row in rows if row.unique_key in holders}
            rows = [row for row in rows if row.unique_key not in holders]
            if not rows:
                return taken
        raise ChancyError(
            f"The unique key {rows[0].unique_key!r} was taken and free again {UNIQUE_ROUNDS} times in a "
            "row while this job was pushed: its jobs finish faster than they can be counted. Push it again."
        )

    def insert_again(
        self, rows: Sequence[JobRow], payloads: Sequence[str], *, patience_ms: int | None = None
    ) -> Flow[dict[str, uuid.UUID]]:
        """As `insert`, on a connection of ours, after an answer was lost: nobody knows whether these rows were stored.

        It may be repeated any number of times. Whatever stores the same rows late, from a session that could not be
        ended, is refused by their ids, or found by `drop_doubles`.
        """
        for _ in range(UNIQUE_ROUNDS):
            yield Query(b"BEGIN ISOLATION LEVEL READ COMMITTED")
            try:
                there = yield from self.find_finished([uuid.UUID(row.id) for row in rows])
                left = [row for row in rows if uuid.UUID(row.id) not in there]
                taken = (yield from self.insert(left, payloads, patience_ms=patience_ms)) if left else {}
                # A row that was stored meanwhile holds its own key.
                taken = {id_: holder for id_, holder in taken.items() if str(holder) != id_}
                if left:
                    yield self.query("drop_doubles", ids=[uuid.UUID(row.id) for row in left])
                yield Query(b"COMMIT")
            except psycopg.errors.UniqueViolation:
                # The first attempt has arrived just now.
                yield Query(b"ROLLBACK")
            except psycopg.errors.ProgramLimitExceeded as error:
                if not payloads or not notify_queue_full(error):
                    raise
                payloads = ()
            except BaseException:
                with suppress(psycopg.Error):
                    yield Query(b"ROLLBACK")
                raise
            else:
                return taken
        raise ChancyError(f"Job {rows[0].id} could neither be stored nor found. Push it again.")

    def holders(self, age_s: float) -> Flow[str]:
        """The transactions that may be holding up a push, in words."""
        rows = yield self.query("find_writers", jobs=f'"{self.schema}".jobs', age_s=age_s)
        return "; ".join(
            f"session {pid} ({name or 'of another role'}, user {user or '?'}, {state or 'state unknown'}, "
            f"in a transaction for {seconds or 0:.0f} s)"
            for pid, name, user, state, seconds in rows
        )

    def insert_many(
        self,
        lines: Lines,
        chunks: Iterator[list[Any]],
        declared: set[str],
        taken: dict[str, uuid.UUID],
        *,
        patience_ms: int | None = None,
    ) -> Flow[None]:
        """Store many jobs, by COPY where nothing forbids it.

        Args:
            lines: makes the lines of the jobs, while the server reads those before them.
            chunks: the jobs.
            declared: queues that need not be looked up again; those that were are added.
            taken: what `insert` returns is added.
            patience_ms: as for `insert`.

        Raises:
            UnknownQueue: as `insert`.
            InvalidJob: a job that cannot be stored. Those before it were written: roll back.
        """
        lines.read(chunks)
        while queues := lines.queues():
            if new := queues - declared:
                yield from self.check_queues(new)
                declared |= new
            parts = lines.parts(declared)
            first = b""
            for first in parts:
                if first:
                    break
                yield Pause()
            if first:
                try:
                    yield CopyIn(statement("copy_jobs", self.schema), chain((first,), parts))
                except psycopg.Error as error:
                    raise_explained((), error)
            if lines.unique and lines.failure is None:
                # In one order over all the statements: two pushes of the same keys wait for each other in order.
                for rows in batches(sorted(lines.unique, key=lambda row: row.unique_key or "")):
                    taken |= yield from self.insert(rows, (), patience_ms=patience_ms)
                lines.unique.clear()
        if lines.failure is not None:
            raise lines.failure

    def check_queues(self, names: Iterable[str]) -> Flow[None]:
        """Raise UnknownQueue, with the nearest name, unless all these queues are declared."""
        unknown = yield self.query("unknown_queues", names=list(names))
        if unknown:
            name = unknown[0][0]
            known = yield self.query("get_queues", names=None)
            raise UnknownQueue(
                f"Queue {name!r} was never declared in schema {self.schema!r}."
                f"{nearest(name, (row[0] for row in known))} To make it: declare(Queue({name!r}))."
            )

    def notify(self, payloads: Sequence[str]) -> Flow[None]:
        """Tell the workers of this schema, when the transaction commits.

        They find everything without being told, only later. So nothing is sent while the server's queue of
        notifications is half full, and nothing fails because it is full.
        """
        # A name that PostgreSQL does not take is none of a queue, nor of a worker that listens.
        sent = [payload for payload in payloads if len(payload.encode()) <= PAYLOAD_MAX_BYTES]
        if not self.notifications or not sent:
            return
        try:
            yield self.query("notify", channel=self.channel, payloads=sent)
        except psycopg.errors.ProgramLimitExceeded as error:
            if not notify_queue_full(error):
                raise

    def get_jobs(self, ids: Sequence[uuid.UUID]) -> Flow[dict[uuid.UUID, QueuedJob]]:
        """The jobs with these ids, live or finished; those that do not exist are left out."""
        rows = yield self.query("get_jobs", ids=list(ids))
        jobs = map(stored_job, rows)
        return {job.id: job for job in jobs}

    def cancel(self, ids: Sequence[uuid.UUID], note: str) -> Flow[dict[uuid.UUID, Cancellation]]:
        """Cancel jobs, and tell the workers that run some of them; those that do not exist are left out."""
        found: dict[uuid.UUID, Cancellation] = {}
        for _ in range(CANCEL_ROUNDS):
            left = [id_ for id_ in ids if id_ not in found]
            if not left:
                break
            try:
                rows = yield self.query("cancel_jobs", ids=left, note=note)
            except psycopg.DataError as error:
                raise InvalidJob(
                    f"reason is {note!r:.60}, which the database cannot store: {text_of(error)}."
                ) from error
            found |= {id_: Cancellation(what) for id_, what, _ in rows}
            workers = sorted({worker for _, _, worker in rows if worker is not None})
            yield from self.notify([f"cancel:{worker}" for worker in workers])
        return found

    def retry(self, ids: Sequence[uuid.UUID]) -> Flow[list[uuid.UUID]]:
        """Bring finished jobs back; the ids of those that came back."""
        rows = yield self.query("retry_jobs", ids=list(ids))
        tell = {f"{'due' if state == State.SCHEDULED else 'back'}:{queue}" for _, queue, state in rows}
        yield from self.notify(sorted(tell))
        return [id_ for id_, _, _ in rows]

    def find_finished(self, ids: Sequence[uuid.UUID]) -> Flow[dict[uuid.UUID, bool]]:
        """Whether each of these jobs is finished; those that do not exist are left out."""
        rows = yield self.query("find_finished", ids=list(ids))
        return {id_: bool(finished) for id_, finished in rows}

    def count_live(self) -> Flow[dict[str, dict[str, int]]]:
        """How many live jobs each queue has, by state."""
        counts: dict[str, dict[str, int]] = {}
        for queue, state, count in (yield self.query("count_live")):
            counts.setdefault(queue, {})[state] = count
        return counts

    def register(self, worker: str, tags: Sequence[str], lease_s: float) -> Flow[None]:
        """Make a worker known, with a lease."""
        yield self.query("register_worker", worker=worker, tags=list(tags), lease_s=lease_s)

    def resign(self, worker: str) -> Flow[bool]:
        """Forget a worker that stopped in good order; whether it held no run any more, and so could be forgotten."""
        return bool((yield self.query("resign_worker", worker=worker)))

    # -- queues ----------------------------------------------------------------------------

    def declare(self, queue: Queue, *, upsert: bool) -> Flow[Queue]:
        """Declare a queue, and tell the workers. Returns it as it now stands."""
        fields = msgspec.structs.asdict(queue)
        try:
            fields["executor_options"] = msgspec.json.encode(queue.executor_options).decode()
        except (TypeError, UnicodeEncodeError) as error:
            raise InvalidQueue(f"Queue {queue.name!r}: executor_options is not JSON: {error}.") from None
        fields["executor"] = str(queue.executor)
        fields["state"] = str(queue.state)
        try:
            rows = yield self.query("declare_queue", **fields, upsert=upsert)
        except psycopg.DataError as error:
            raise InvalidQueue(f"The database cannot store the queue {queue.name!r}: {text_of(error)}.") from error
        if not rows:
            return (yield from self.get_queue(queue.name))
        yield from self.notify([f"queues:{queue.name}"])
        return queue_of(rows[0])

    def get_queues(self, names: Sequence[str] | None = None) -> Flow[list[Queue]]:
        """The declared queues that can be read, in the order of their names."""
        found, _ = yield from self.look_at_queues(names)
        return found

    def look_at_queues(self, names: Sequence[str] | None = None) -> Flow[tuple[list[Queue], list[UnreadableQueue]]]:
        """The declared queues that can be read, and those that cannot."""
        rows = yield self.query("get_queues", names=None if names is None else list(names))
        return queues_of(rows)

    def get_unreadable_queues(self) -> Flow[list[UnreadableQueue]]:
        """The declared queues that cannot be read."""
        _, unreadable = yield from self.look_at_queues()
        return unreadable

    def get_queue(self, name: str) -> Flow[Queue]:
        """One queue. Raises UnknownQueue, and InvalidQueue if it cannot be read."""
        found, unreadable = yield from self.look_at_queues([name])
        if unreadable:
            raise InvalidQueue(unreadable[0].problem)
        if not found:
            yield from self.check_queues([name])
        return found[0]

    def get_workers(self) -> Flow[list[WorkerInfo]]:
        """The workers that have not been forgotten, by name."""
        rows = yield self.query("get_workers")
        return [worker_info(row) for row in rows]

    def set_queue_state(self, name: str, state: str, resume_at: Any) -> Flow[None]:
        """Pause or resume a queue, and tell the workers. Raises UnknownQueue."""
        rows = yield self.query("set_queue_state", name=name, state=state, resume_at=resume_at)
        if not rows:
            yield from self.check_queues([name])
        yield from self.notify([f"queues:{name}"])

    def delete_queue(self, name: str, *, purge_jobs: bool) -> Flow[int]:
        """Forget a queue; with `purge_jobs`, cancel its jobs that are not running.

        Without, they stay stored, and run once a queue of that name is declared again.

        Returns:
            How many jobs were cancelled, or stay behind.

        Raises:
            UnknownQueue: it was never declared.
            InvalidQueue: it is the default queue, which pushes rely on.
        """
        if name == DEFAULT_QUEUE:
            raise InvalidQueue(f"The queue {name!r} cannot be deleted: pushes rely on it. Pause it instead.")
        if not (yield self.query("delete_queue", name=name)):
            yield from self.check_queues([name])
        yield from self.notify([f"queues:{name}"])
        if not purge_jobs:
            ((left,),) = yield self.query("count_jobs", name=name)
            return int(left)
        purged = 0
        note = f"The queue {name!r} was deleted."
        while True:
            gone = yield self.query("purge_jobs", name=name, limit=PURGE_BATCH, note=note)
            purged += len(gone)
            if len(gone) < PURGE_BATCH:
                return purged
