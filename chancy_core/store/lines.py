"""A bulk push as the lines of COPY."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from chancy_core.errors import InvalidJob
from chancy_core.store.ids import IdBlock, suffix
from chancy_core.store.insertparams import COPY_NULL, copy_line
from chancy_core.store.jobrows import JobRow, check_size, job_row, weight
from chancy_core.store.notices import notice_of
from chancy_core.values.decorating import as_job
from chancy_core.values.job import ExactJob, Job
from chancy_core.values.jsonvalue import encode_checked
from chancy_core.values.known import Known, completed, is_exact, known
from chancy_core.values.notices import Notice
from chancy_core.values.signature import misfit

# So many jobs are made into lines at a time, which takes less than a millisecond.
PART: Final = 500
# And so many bytes, more or less.
PART_BYTES: Final = 1 << 18
# So many are stored by one INSERT, in one round trip where a COPY in its transaction has six. It costs the server three
# times as much a job, which is more than the round trips from some 150 jobs on.
FEW_MAX: Final = 100
# Rows with unique keys are kept until the end of a push, to be stored in the order of their keys: so many of them …
UNIQUE_MAX: Final = 500_000
# … and so many bytes, more or less. A push with more than that stores what it has in between, out of that order.
UNIQUE_BYTES_MAX: Final = 256 << 20
# So many are sent by one statement; whoever limits how long a statement may take has small ones in mind.
COPY_MAX: Final = 100_000

_SUFFIXES: Final = tuple(suffix(number) for number in range(PART))
_SUFFIX_BYTES: Final = tuple(map(str.encode, _SUFFIXES))
_NULL: Final = COPY_NULL.encode()
_BACKSLASH: Final = ord("\\")
# The columns of `copy_jobs` after kwargs, for a job that needs none of them.
_END: Final = b"\t\\N\t\\N\t\\N\t\\N\n"


_EMPTY: Final[dict[str, Any]] = {}


class Lines:
    """The jobs of a bulk push as lines of `copy_jobs`, made as they are sent.

    Attributes:
        runs: the first id of each run, and how many jobs have the ids from there, in the order of the jobs.
        unique: the rows of jobs with a unique key, which COPY cannot store. Whoever stores them calls `take_unique`.
        notices: what the workers have to hear.
        failure: what was wrong with the first bad job. No lines are made of it, nor of those after it.

    Args:
        queue: where the jobs go to; None: each to its own queue.
        payload_limit_bytes: what one may take.
        prepare: has the last word on the jobs of a chunk, and may raise.
        checks: whether the arguments of a job that was made from its function are compared with what that takes.
    """

    def __init__(
        self,
        queue: str | None,
        payload_limit_bytes: int,
        prepare: Callable[[list[Job]], list[Job]] | None = None,
        *,
        checks: bool = True,
    ) -> None:
        self._queue = queue
        self._limit = payload_limit_bytes
        self._prepare = prepare
        self._checks = checks
        # Functions are looked up once: many jobs name few of them.
        self._known: dict[str, Known | None] = {}
        # Those of which a job may say less than `@job` does, and mean it.
        self._may_be_exact: set[str] = set()
        self._chunks: Iterator[list[Any]] = iter(())
        self._jobs: list[Job] = []
        # Many jobs differ in nothing but their ids and kwargs: what stands between these.
        self._middles: dict[tuple[str, str, int, int], bytes] = {}
        self._made = 0
        self._unique_bytes = 0
        self.runs: Final[list[tuple[int, int]]] = []
        self.unique: Final[list[JobRow]] = []
        self.notices: Final[set[Notice]] = set()
        self.failure: Exception | None = None

    def read(self, chunks: Iterator[list[Any]]) -> None:
        """Go on with these jobs, given as lists of jobs and of functions decorated with `@job`."""
        self._chunks = chunks

    def queues(self) -> set[str]:
        """Where the next jobs go to; empty: there are none."""
        if not self._jobs and self.failure is None:
            try:
                self._jobs = self._next_jobs()
            except Exception as error:  # noqa: BLE001 -- raised when it can be
                self.failure = error
        if self._jobs and self._queue is not None:
            return {self._queue}
        return {job.queue for job in self._jobs}

    @property
    def full(self) -> bool:
        """Whether the rows with unique keys are to be stored now, because there are so many."""
        return len(self.unique) >= UNIQUE_MAX or self._unique_bytes >= UNIQUE_BYTES_MAX

    def take_unique(self) -> list[JobRow]:
        """The rows with unique keys, which are forgotten here."""
        rows = self.unique[:]
        self.unique.clear()
        self._unique_bytes = 0
        return rows

    def parts(self, declared: AbstractSet[str]) -> Iterator[bytes]:
        """The lines for one COPY, some at a time, so that the server reads some while the next are made.

        Nothing is raised here, in the middle of a COPY: the server would write the message into its log. An empty part
        is a pause, after jobs that COPY cannot store.

        Args:
            declared: the queues that are known. At jobs for another one this ends.
        """
        until = self._made + COPY_MAX
        while self._made < until and not self.full and (queues := self.queues()) and queues <= declared:
            jobs, self._jobs = self._jobs, []
            self._middles.clear()
            first = 0
            while first < len(jobs) and self.failure is None:
                some = jobs[first : first + PART]
                lines, count = self._lines(some)
                first += count
                yield lines

    def few(self) -> list[JobRow] | None:
        """All jobs as rows, if one INSERT takes them as well as a COPY does: they are `FEW_MAX` at most, and small.

        Otherwise None, and `parts` goes on with them. Raises what is wrong with the first bad one.
        """
        self.queues()
        if self.failure is not None:
            raise self.failure
        jobs = self._jobs
        if not jobs or len(jobs) > FEW_MAX or any(job.unique_key is not None for job in jobs):
            return None
        run = IdBlock()
        rows: list[JobRow] = []
        room = PART_BYTES
        for number, job in enumerate(jobs):
            exact = None if job.func in self._may_be_exact else False
            try:
                row = job_row(job, self._queue or job.queue, run.prefix + _SUFFIXES[number], self._limit, exact=exact)
            except InvalidJob as error:
                raise _bad(number, error) from None
            room -= weight(row)
            if room < 0:
                return None
            rows.append(row)
        self._jobs = []
        self.runs.append((run.first, len(rows)))
        return rows

    def _next_jobs(self) -> list[Job]:
        jobs: list[Job] = []
        try:
            for given in next(self._chunks, ()):
                jobs.append(given if isinstance(given, Job) else as_job(given))  # noqa: PERF401 -- how many were good?
        except InvalidJob as error:
            raise _bad(self._made + len(jobs), error) from None
        func = None
        for place, job in enumerate(jobs):
            if type(job) is Job:
                if job.func is not func:
                    found, func = self._look_up(job.func), job.func
                if found is not None:
                    jobs[place] = completed(job, found.job)
        jobs = self._prepare(jobs) if self._prepare and jobs else jobs
        self._check(jobs)
        return jobs

    def _check(self, jobs: Sequence[Job]) -> None:
        """Compare the arguments of jobs that were made from their functions with what these take. Raises InvalidJob."""
        func, keys = None, _EMPTY.keys()
        for number, job in enumerate(jobs):
            # Nearly always it is as the one before it.
            if type(job) is not ExactJob or (job.func is func and job.kwargs.keys() == keys):
                continue
            found = self._look_up(job.func)
            problem = misfit(job.func, found.signature, job.kwargs) if found is not None and self._checks else None
            if problem is not None:
                raise _bad(self._made + number, InvalidJob(problem))
            func, keys = job.func, job.kwargs.keys()

    def _look_up(self, func: str) -> Known | None:
        try:
            return self._known[func]
        except KeyError:
            found = self._known[func] = known(func)
            if found is None or found.declared is not None:
                self._may_be_exact.add(func)
            return found

    def _lines(self, jobs: Sequence[Job]) -> tuple[bytes, int]:
        """The lines of the first of these jobs, and how many jobs that are."""
        run = IdBlock()
        prefix = run.prefix.encode()
        queue, limit, middles, may_be_exact = self._queue, self._limit, self._middles, self._may_be_exact
        pieces: list[bytes] = []
        room = PART_BYTES
        number = -1
        try:
            for number, job in enumerate(jobs):
                if not _fits_copy(job) or (job.func in may_be_exact and is_exact(job)):
                    line = self._any_line(job, run.prefix + _SUFFIXES[number])
                    pieces.append(line)
                    room -= len(line) or weight(self.unique[-1])
                else:
                    encoded = _NULL
                    if job.kwargs:
                        encoded = encode_checked(job.kwargs, "kwargs")
                        if len(encoded) > limit:
                            check_size(job.func, len(encoded), limit)
                        if _BACKSLASH in encoded:
                            encoded = encoded.replace(b"\\", b"\\\\")
                    common = (queue or job.queue, job.func, job.priority, job.max_attempts)
                    middle = middles.get(common) or self._middle(*common)
                    pieces += prefix, _SUFFIX_BYTES[number], middle, encoded, _END
                    room -= len(encoded)
                if room < 0:
                    break
        except InvalidJob as error:
            self.failure = _bad(self._made + number, error)
        self.runs.append((run.first, number + 1))
        self._made += number + 1
        return b"".join(pieces), number + 1

    def _any_line(self, job: Job, id_: str) -> bytes:
        row = job_row(job, self._queue or job.queue, id_, self._limit)
        heard = notice_of(row)
        if heard is not None:
            self.notices.add(heard)
        if row.unique_key is not None:
            self.unique.append(row)
            self._unique_bytes += weight(row)
            return b""
        return copy_line(row).encode()

    def _middle(self, queue: str, func: str, priority: int, max_attempts: int) -> bytes:
        self.notices.add(Notice.ready(queue))
        middle = f"\t{queue}\t{func}\t{priority}\t{max_attempts}\tpending\t\\N\t".encode()
        self._middles[queue, func, priority, max_attempts] = middle
        return middle


def _bad(number: int, error: InvalidJob) -> InvalidJob:
    return InvalidJob(f"Job {number} of push_many: {error} None of them was stored.")


def _fits_copy(job: Job) -> bool:
    """Whether a job has nothing but a function, a queue, kwargs, a priority and attempts, as most have."""
    return (
        job.scheduled_at is None
        and job.unique_key is None
        and job.expires_at is None
        and job.backoff is None
        and job.json == "plain"
        and job.keep_result
        and not job.meta
        and not job.limits
        and not job.retry_on
        and not job.give_up_on
    )
