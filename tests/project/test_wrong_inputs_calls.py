"""Wrong calls of an application, as people write them: each is refused in words to act on, and nothing is written."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import jobs
import pytest
from nonsense import tables
from wrong_inputs import Row, each, refused_when_asked

from chancy import Chancy, Job, Queue, Reference
from chancy.errors import InvalidJob, InvalidQueue, JobNotFound, NotOpen, UnknownQueue, WaitTimeout

NAMES = {
    "Job": Job,
    "Queue": Queue,
    "Reference": Reference,
    "math": math,
    "datetime": datetime,
    "timedelta": timedelta,
    "UTC": UTC,
    "Decimal": Decimal,
    "Path": Path,
    "f": jobs.noop,
    "good": Job("app.mail.send"),
    "some": uuid.UUID("01a220a5-0000-77eb-8433-50797778fbc1"),
}

PUSHES: list[Row] = [
    ("chancy.push()", InvalidJob, "push(None) names no job … push('queue', job)"),
    ("chancy.push('app.mail.send')", InvalidJob, "push('app.mail.send') names no job … push(job)"),
    ("chancy.push(f)", InvalidJob, "is not a job … Decorate the function with @job(), or push Job.from_func(function)"),
    ("chancy.push('default', f)", InvalidJob, "is not a job … Decorate the function"),
    ("chancy.push(good, good)", InvalidJob, "push(Job(func='app.mail.send' … the queue's name comes first"),
    ("chancy.push(Queue('mail'), good)", InvalidJob, "push(Queue(name='mail' … the queue's name comes first"),
    ("chancy.push([good])", InvalidJob, "[Job(func='app.mail.send' … is not a job"),
    ("chancy.push('nope', good)", UnknownQueue, "Queue 'nope' … 'default', 'mail' … declare"),
    ("chancy.push('mial', good)", UnknownQueue, "'mial' … Did you mean 'mail'?"),
    ("chancy.push('', good)", InvalidJob, "queue is empty"),
    ("chancy.push(good.with_kwargs(a={1}))", InvalidJob, "kwargs['a'] is a set ({1}) … Use a list"),
    ("chancy.push(good.with_kwargs(a=b'x'))", InvalidJob, "kwargs['a'] is a bytes … Decode it, or use base64"),
    ("chancy.push(good.with_kwargs(a=Decimal(1)))", InvalidJob, "kwargs['a'] is a Decimal … not JSON"),
    ("chancy.push(good.with_kwargs(a=Path('x')))", InvalidJob, "kwargs['a'] is a PosixPath … what identifies it"),
    ("chancy.push(good.with_kwargs(a=math.nan))", InvalidJob, "kwargs['a'] is nan … use None or a string"),
    ("chancy.push(good.with_kwargs(a=[{'b': f}]))", InvalidJob, "kwargs['a'][0]['b'] is a function … not JSON"),
    ("chancy.push(good.with_kwargs(a={1: 2}))", InvalidJob, "kwargs['a'] has the key 1 … JSON keys are strings"),
    ("chancy.push(good.with_kwargs({1: 2}))", InvalidJob, "kwargs has the key 1 … JSON keys are strings"),
    ("chancy.push(good.with_kwargs(a='x\\x00'))", InvalidJob, "kwargs['a'] contains a NUL character"),
    ("chancy.push(good.with_kwargs(a='\\ud800'))", InvalidJob, "kwargs['a'] contains a lone surrogate"),
    ("chancy.push(good.with_kwargs(a='x' * 2**21))", InvalidJob, "2,097,160 bytes as JSON … raise payload_limit_bytes"),
    ("chancy.push(good.with_meta(a={1}))", InvalidJob, "meta['a'] is a set … Use a list"),
    ("chancy.push_many(5)", InvalidJob, "5 is not a job"),
    ("chancy.push_many(None)", InvalidJob, "None is not a job"),
    ("chancy.push_many([good, 5])", InvalidJob, "Job 1 of push_many: 5 is not a job … None of them was stored"),
    ("chancy.push_many([good, f])", InvalidJob, "Job 1 of push_many … Decorate the function"),
    ("chancy.push_many([[good]])", InvalidJob, "Job 0 of push_many … is not a job"),
    ("chancy.push_many(good, 'default')", InvalidJob, "Job 1 of push_many: 'default' is not a job"),
    ("chancy.push_many([good, good.with_queue('nope')])", UnknownQueue, "Queue 'nope' … declare"),
    ("chancy.push_many([good, good.with_kwargs(a={1})])", InvalidJob, "Job 1 of push_many: kwargs['a'] is a set"),
]

JOBS: list[Row] = [
    ("chancy.get_job('x')", InvalidJob, "'x' is not the id of a job … the text of a UUID"),
    ("chancy.get_job(5)", InvalidJob, "5 is not the id of a job"),
    ("chancy.get_job(None)", InvalidJob, "None is not the id of a job"),
    ("chancy.get_job(good)", InvalidJob, "Job(func='app.mail.send' … is not the id of a job"),
    ("chancy.get_jobs(5)", InvalidJob, "refs is 5 … give a list of references or ids"),
    ("chancy.get_jobs(None)", InvalidJob, "refs is None … give a list of references"),
    ("chancy.get_jobs(str(some))", InvalidJob, "refs is '01a220a5-0000-77eb-8433-50797778fbc1' … give a list"),
    ("chancy.get_jobs(chancy.reference(some))", InvalidJob, "refs is Reference('01a2 … give a list"),
    ("chancy.get_jobs(['x'])", InvalidJob, "'x' is not the id of a job"),
    ("chancy.reference('x')", InvalidJob, "'x' is not the id of a job"),
    ("chancy.wait_for_job('x')", InvalidJob, "'x' is not the id of a job"),
    ("chancy.wait_for_job(some, timeout='5')", InvalidJob, "timeout is '5' … give seconds, or None"),
    ("chancy.wait_for_job(some, timeout=math.nan)", InvalidJob, "timeout is nan … give seconds, or None"),
    ("chancy.wait_for_job(some, timeout=math.inf)", InvalidJob, "timeout is inf … or None to wait as long as it takes"),
    ("chancy.wait_for_job(some, timeout=timedelta(1))", InvalidJob, "timeout is datetime.timedelta(days=1) … seconds"),
    ("chancy.wait_for_job(some, timeout=True)", InvalidJob, "timeout is True … seconds"),
    ("chancy.wait_for_job(some, timeout=-1)", WaitTimeout, "has not finished within -1 s … wait again"),
    ("chancy.reference(some).wait(timeout='5')", InvalidJob, "timeout is '5' … seconds"),
    ("chancy.wait_for_jobs(some)", InvalidJob, "refs is UUID( … give a list"),
    ("chancy.wait_for_jobs(chancy.reference(some))", InvalidJob, "refs is Reference( … give a list"),
    ("chancy.wait_for_jobs([some], timeout='5')", InvalidJob, "timeout is '5'"),
    ("Reference(some).wait()", NotOpen, "belongs to no Chancy … chancy.reference("),
    ("chancy.cancel_job('x')", InvalidJob, "'x' is not the id of a job"),
    ("chancy.cancel_job(some)", JobNotFound, "There is no job 01a220a5 … pruned"),
    ("chancy.cancel_job(some, reason=5)", InvalidJob, "reason is 5 … a few words, or None"),
    ("chancy.cancel_jobs(str(some))", InvalidJob, "refs is '01a220a5 … give a list"),
    ("chancy.cancel_jobs({some: 1})", InvalidJob, "refs is {UUID( … give a list"),
    ("chancy.retry_jobs(some)", InvalidJob, "refs is UUID( … give a list"),
    ("chancy.retry_jobs(None)", InvalidJob, "refs is None … give a list"),
]

QUEUES: list[Row] = [
    ("chancy.declare('mail')", InvalidQueue, "declare('mail') … give a Queue, as in declare(Queue('mail'))"),
    ("chancy.declare([Queue('q')])", InvalidQueue, "declare([Queue(name='q' … give a Queue"),
    ("chancy.declare(Queue('q'), upsert='yes')", InvalidQueue, "upsert is 'yes' … True or False"),
    ("chancy.declare(Queue('q', rate_limit=5))", InvalidQueue, "'q' … rate_limit is 5 … pip install chancy-limits"),
    ("chancy.declare(Queue('q', global_concurrency=5))", InvalidQueue, "'q' … global_concurrency is 5"),
    ("chancy.declare(Queue('q', executor='threds'))", InvalidQueue, "'q' … 'threds' … Did you mean 'threaded'?"),
    ("chancy.declare(Queue('q', executor='processes'))", InvalidQueue, "'q' … 'processes' … Did you mean 'process'?"),
    ("chancy.declare(Queue('q', executor='asyncio'))", InvalidQueue, "'q' … 'asyncio' … Did you mean 'async'?"),
    (
        "chancy.declare(Queue('q', executor='subinterpreter'))",
        InvalidQueue,
        "'q' … is not there yet … Executor.Process",
    ),
    ("chancy.pause_queue('nope')", UnknownQueue, "Queue 'nope' … 'default', 'mail' … declare"),
    ("chancy.pause_queue(5)", InvalidQueue, "The queue's name is 5 … give a string"),
    ("chancy.pause_queue(None)", InvalidQueue, "The queue's name is None … give a string"),
    ("chancy.pause_queue(Queue('mail'))", InvalidQueue, "Queue(name='mail' … give its name, 'mail'"),
    ("chancy.pause_queue('mail', resume_at='soon')", InvalidQueue, "'mail' … resume_at is 'soon' … a datetime"),
    ("chancy.pause_queue('mail', resume_at=datetime(2030, 1, 1))", InvalidQueue, "'mail' … without a time zone"),
    ("chancy.resume_queue('nope')", UnknownQueue, "Queue 'nope' … declare"),
    ("chancy.resume_queue('a\\x00')", InvalidQueue, "NUL character"),
    ("chancy.resume_queue('\\ud800')", InvalidQueue, "lone surrogate"),
    ("chancy.delete_queue('default')", InvalidQueue, "'default' cannot be deleted … Pause it instead"),
    ("chancy.delete_queue('nope')", UnknownQueue, "Queue 'nope' … declare"),
    ("chancy.delete_queue('mail', purge_jobs='no')", InvalidQueue, "purge_jobs is 'no' … True or False"),
    ("chancy.delete_queue(5)", InvalidQueue, "The queue's name is 5"),
    ("chancy.get_queue('nope')", UnknownQueue, "Queue 'nope' … declare"),
    ("chancy.get_queue(None)", InvalidQueue, "The queue's name is None"),
    ("chancy.get_queue('')", InvalidQueue, "The queue's name is empty"),
]


@pytest.fixture
async def opened(chancy: Chancy) -> Chancy:
    """An application with two queues."""
    await chancy.declare(Queue("mail"))
    return chancy


@each([*PUSHES, *JOBS, *QUEUES])
async def test_a_wrong_call_is_refused_and_changes_nothing(opened, written, error, says):
    """With what was given, and what to give; there is no job afterwards, and no queue more, less or paused."""
    before = await opened.get_all_queues()
    await refused_when_asked(written, error, says, {**NAMES, "chancy": opened})
    assert await tables(opened) == {"jobs": 0, "finished_jobs": 0, "queues": 2}
    assert await opened.get_all_queues() == before


@each(
    [
        row
        for row in [*JOBS, *QUEUES]
        if row[0].startswith("chancy.") and ".wait(" not in row[0] and "reference('" not in row[0]
    ]
)
def test_without_asyncio_it_says_the_same(new_chancy, written, error, says):
    """Each operation is there twice, and refuses the same."""
    with new_chancy() as chancy:
        chancy.sync_declare(Queue("mail"))
        written = written.replace("chancy.", "chancy.sync_", 1)
        with pytest.raises(error) as found:
            eval(written, {**NAMES, "chancy": chancy})
        for part in says.split(" … "):
            assert part in str(found.value)
