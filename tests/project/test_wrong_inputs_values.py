"""Wrong jobs, limits, waits and queues, as people write them: each is refused where it is made, in words to act on."""

from __future__ import annotations

import functools
import math
from datetime import UTC, date, datetime, timedelta

import pytest
from wrong_inputs import Row, each, refused

import chancy
from chancy.errors import InvalidJob, InvalidQueue


class Sender:
    """Somebody's class."""

    def send(self) -> None:
        """Somebody's method."""

    def __call__(self) -> None:
        """Somebody's object that can be called."""


def outer() -> object:
    """Somebody's function that makes another."""

    def inner() -> None: ...

    return inner


async def waits() -> None:
    """Somebody's coroutine function."""


NAMES = {
    **{name: getattr(chancy, name) for name in chancy.__all__},
    # Whose lambdas these are.
    "__name__": __name__,
    "math": math,
    "datetime": datetime,
    "date": date,
    "timedelta": timedelta,
    "UTC": UTC,
    "partial": functools.partial,
    "Sender": Sender,
    "outer": outer,
    "f": outer,
    "waits": waits,
    "good": chancy.Job("app.mail.send"),
}

JOBS: list[Row] = [
    ("Job(5)", InvalidJob, "func is 5 … give a string"),
    ("Job(f)", InvalidJob, "func is <function … give a string"),
    ("Job('')", InvalidJob, "func is empty … give it a name"),
    ("Job('  ')", InvalidJob, "func is empty"),
    ("Job('a..b')", InvalidJob, "func is 'a..b' … 'package.module.function'"),
    ("Job('app.send()')", InvalidJob, "func is 'app.send()' … the dotted name of a function"),
    ("Job('app send')", InvalidJob, "func is 'app send' … the dotted name"),
    ("Job('.app.send')", InvalidJob, "func is '.app.send' … the dotted name"),
    ("Job('app/mail.py')", InvalidJob, "func is 'app/mail.py' … the dotted name"),
    ("Job('my-app.send')", InvalidJob, "func is 'my-app.send' … the dotted name"),
    ("Job('app.send\\x00')", InvalidJob, "NUL character"),
    ("Job('a.' + 'b' * 600)", InvalidJob, "func has 602 characters … the most is 500"),
    ("Job('app.send', {'to': 'x'})", InvalidJob, "queue is {'to': 'x'} … give a string"),
    ("Job('app.send', kwargs=[1])", InvalidJob, "kwargs is [1] … a mapping of names to JSON values"),
    ("Job('app.send', kwargs='to=x')", InvalidJob, "kwargs is 'to=x' … a mapping"),
    ("Job('app.send', priority='high')", InvalidJob, "priority is 'high' … a whole number from -2,147,483,648"),
    ("Job('app.send', priority=1.5)", InvalidJob, "priority is 1.5 … a whole number"),
    ("Job('app.send', priority=True)", InvalidJob, "priority is True … a whole number"),
    ("Job('app.send', priority=2**31)", InvalidJob, "priority is 2147483648 … to 2,147,483,647"),
    ("Job('app.send', max_attempts=0)", InvalidJob, "max_attempts is 0 … from 1 to"),
    ("Job('app.send', max_attempts=None)", InvalidJob, "max_attempts is None … a whole number"),
    ("Job('app.send', max_attempts='3')", InvalidJob, "max_attempts is '3' … a whole number"),
    ("Job('app.send', scheduled_at=datetime(2030, 1, 1))", InvalidJob, "scheduled_at is 2030 … without a time zone"),
    ("Job('app.send', scheduled_at='2030-01-01')", InvalidJob, "scheduled_at is '2030-01-01' … with a time zone"),
    ("Job('app.send', scheduled_at=timedelta(1))", InvalidJob, "scheduled_at is … give a datetime with a time zone"),
    ("Job('app.send', scheduled_at=1700000000)", InvalidJob, "scheduled_at is 1700000000 … give a datetime"),
    ("Job('app.send', scheduled_at=date(2030, 1, 1))", InvalidJob, "scheduled_at is … give a datetime"),
    (
        "Job('app.send', scheduled_at=datetime.min.replace(tzinfo=UTC))",
        InvalidJob,
        "scheduled_at is 0001 … from 1-01-02",
    ),
    ("Job('app.send', expires_at=timedelta(hours=1))", InvalidJob, "expires_at is … give a datetime with a time zone"),
    ("Job('app.send', limits=5)", InvalidJob, "limits is 5 … a list of Limit(Limit.Type.…, value)"),
    ("Job('app.send', limits={'memory': 5})", InvalidJob, "limits is {'memory': 5} … a list of Limit"),
    ("Job('app.send', limits=Limit('time', 5))", InvalidJob, "limits is Limit( … a list of Limit"),
    ("Job('app.send', limits=[('time', 5)])", InvalidJob, "limits is [('time', 5)] … a list of Limit"),
    (
        "Job('app.send', limits=[{'typ': 'time', 'value': 1}])",
        InvalidJob,
        "limits[0].typ is unknown … Did you mean 'type'?",
    ),
    ("Job('app.send', limits=[{'type': 'time'}])", InvalidJob, "limits[0] is {'type': 'time'} … its value"),
    ("Job('app.send', limits=[Limit('time', 5), Limit('time', 6)])", InvalidJob, "two of the same type … Keep one"),
    ("Job('app.send', unique_key=5)", InvalidJob, "unique_key is 5 … give a string"),
    ("Job('app.send', unique_key='')", InvalidJob, "unique_key is empty"),
    ("Job('app.send', unique_key=('user', 5))", InvalidJob, "unique_key is ('user', 5) … give a string"),
    ("Job('app.send', unique_key='x' * 501)", InvalidJob, "unique_key has 501 characters … the most is 500"),
    ("Job('app.send', meta=[1])", InvalidJob, "meta is [1] … a mapping"),
    ("Job('app.send', backoff=5)", InvalidJob, "backoff is 5 … such as Backoff.fixed(5)"),
    ("Job('app.send', backoff={'base_s': 1})", InvalidJob, "backoff is {'base_s': 1} … give a Backoff"),
    ("Job('app.send', keep_result='no')", InvalidJob, "keep_result is 'no' … True or False"),
    ("Job('app.send', retry_on=[5])", InvalidJob, "retry_on has 5 … exception classes, or their names"),
    ("Job('app.send', retry_on=[ValueError()])", InvalidJob, "retry_on has ValueError() … exception classes"),
    ("Job('app.send', give_up_on=['not a name'])", InvalidJob, "give_up_on has 'not a name' … exception classes"),
    ("Job('app.send', queue=5)", InvalidJob, "queue is 5 … give a string"),
    ("Job('app.send', queue='')", InvalidJob, "queue is empty"),
    ("Job('app.send', queue=Queue('mail'))", InvalidJob, "queue is Queue( … give its name, 'mail'"),
]

FUNCTIONS: list[Row] = [
    ("Job.from_func(lambda: 1)", InvalidJob, "A lambda … give it a name with `def`"),
    (
        "Job.from_func(outer())",
        InvalidJob,
        "outer.<locals>.inner is defined inside a function … to the top of the module",
    ),
    ("Job.from_func(Sender().send)", InvalidJob, "Sender.send is bound to an object … pass what it needs in kwargs"),
    ("Job.from_func(Sender())", InvalidJob, "has no importable name … give a function"),
    ("Job.from_func(partial(f, 1))", InvalidJob, "functools.partial … its arguments into the job's kwargs"),
    ("Job.from_func(None)", InvalidJob, "None has no importable name … give a function"),
    ("Job.from_func(good)", InvalidJob, "has no importable name … this is a job, which can be pushed as it is"),
    ("Job.from_func('app send')", InvalidJob, "func is 'app send' … the dotted name"),
    ("Job.from_func('app.send', max_atempts=3)", InvalidJob, "max_atempts is no field … Did you mean 'max_attempts'?"),
    ("Job.from_func('app.send', to='x')", InvalidJob, "to is no field of a job … goes into kwargs={…}"),
    ("Job.from_func('app.send', state='failed')", InvalidJob, "state is no field of a job"),
    ("job(queue=5)(f)", InvalidJob, "queue is 5 … give a string"),
    ("job(limits='x')(f)", InvalidJob, "limits is 'x' … a list of Limit"),
    ("job(prioritty=5)(f)", InvalidJob, "prioritty is no field … Did you mean 'priority'?"),
    ("job('mail')", InvalidJob, "'mail' has no importable name … give a function"),
    ("job()(5)", InvalidJob, "5 has no importable name"),
    ("job()(staticmethod(f))", InvalidJob, "put @job() below @staticmethod"),
]

CHANGED: list[Row] = [
    ("good.with_kwargs(5)", InvalidJob, "kwargs is 5 … a mapping of names to JSON values"),
    ("good.with_kwargs(['to'])", InvalidJob, "kwargs is ['to'] … a mapping"),
    ("good.with_more_kwargs('to=x')", InvalidJob, "kwargs is 'to=x' … a mapping"),
    ("good.with_meta('x')", InvalidJob, "meta is 'x' … a mapping"),
    ("good.with_priority('high')", InvalidJob, "priority is 'high' … a whole number"),
    ("good.with_max_attempts(0)", InvalidJob, "max_attempts is 0 … from 1 to"),
    ("good.with_scheduled_at(60)", InvalidJob, "scheduled_at is 60 … a datetime with a time zone"),
    ("good.with_limits(Limit('time', 1))", InvalidJob, "limits is Limit( … a list of Limit"),
    ("good.with_unique_key(7)", InvalidJob, "unique_key is 7 … give a string"),
    ("good.with_queue(Queue('mail'))", InvalidJob, "give its name, 'mail'"),
    ("good.with_backoff(5)", InvalidJob, "backoff is 5 … Backoff.fixed(5)"),
    ("good.with_expires_at(datetime(2030, 1, 1))", InvalidJob, "expires_at is 2030 … without a time zone"),
    ("good.with_retry_on([ValueError])", InvalidJob, "retry_on has [<class 'ValueError'>] … exception classes"),
    ("good.with_give_up_on('')", InvalidJob, "give_up_on has '' … exception classes"),
    (
        "Limit('cpu', 1)",
        InvalidJob,
        "Limit type 'cpu' is unknown … Limit.Type.MEMORY (bytes) or Limit.Type.TIME (seconds)",
    ),
    ("Limit(60, 'time')", InvalidJob, "Limit type 60 is unknown"),
    ("Limit('memory', '1GB')", InvalidJob, "Limit memory is '1GB' … a number of bytes above zero"),
    ("Limit('time', 0)", InvalidJob, "Limit time is 0 … a number of seconds above zero"),
    ("Limit('time', math.nan)", InvalidJob, "Limit time is nan … seconds above zero"),
    ("Limit('time', timedelta(minutes=1))", InvalidJob, "Limit time is … a number of seconds"),
    ("Backoff.fixed(-1)", InvalidJob, "Backoff base_s is -1 … seconds from 0"),
    ("Backoff(factor=0)", InvalidJob, "Backoff factor is 0 … from 1 to 1,000"),
    ("Backoff(jitter=2)", InvalidJob, "Backoff jitter is 2 … from 0 to 1"),
    ("Snooze(-1)", InvalidJob, "Snooze is given -1 … seconds from 0 to 31,536,000, or a timedelta"),
    ("Snooze('soon')", InvalidJob, "Snooze is given 'soon' … seconds"),
    ("Retry(60)", InvalidJob, "Retry is given 60 as its reason … Retry(after=60)"),
    ("Reference('x')", InvalidJob, "'x' is not the id of a job … the text of a UUID"),
]

QUEUES: list[Row] = [
    ("Queue('q', concurency=5)", InvalidQueue, "Queue(concurency=…) … Did you mean 'concurrency'?"),
    ("Queue('q', max_jobs=5)", InvalidQueue, "Queue(max_jobs=…): there is no such field. Known: 'concurrency'"),
    ("Queue(concurrency=5)", InvalidQueue, "Queue(…) needs name"),
    ("Queue()", InvalidQueue, "Queue(…) needs name"),
    ("Queue('')", InvalidQueue, "Queue name '' … 1 to 100 letters"),
    ("Queue('my queue')", InvalidQueue, "Queue name 'my queue' … letters, digits, or _ . : / @ -"),
    ("Queue(5)", InvalidQueue, "Queue name 5"),
    ("Queue('q', concurrency='10')", InvalidQueue, "Queue 'q' … concurrency is '10' … a whole number from 1 to 10,000"),
    ("Queue('q', concurrency=0)", InvalidQueue, "Queue 'q' … concurrency is 0"),
    ("Queue('q', executor=int)", InvalidQueue, "Queue 'q' … executor is <class 'int'> … the import path of one"),
    ("Queue('q', executor_options=None)", InvalidQueue, "Queue 'q' … executor_options is None … keyword arguments"),
    ("Queue('q', polling_interval='5s')", InvalidQueue, "Queue 'q' … polling_interval is '5s' … seconds above 0"),
    ("Queue('q', rate_limit=-5)", InvalidQueue, "Queue 'q' … rate_limit is -5 … from 1 to 1,000,000"),
    ("Queue('q', global_concurrency=1.5)", InvalidQueue, "Queue 'q' … global_concurrency is 1.5"),
    ("Queue('q', state='stopped')", InvalidQueue, "Queue 'q' … state is 'stopped' … 'active' or 'paused'"),
    (
        "Queue('q', resume_at='tomorrow')",
        InvalidQueue,
        "Queue 'q' … resume_at is 'tomorrow' … a datetime with a time zone",
    ),
    ("Queue('q', tags=['('])", InvalidQueue, "Queue 'q' … tag '(' is not a regular expression"),
]


@each([*JOBS, *FUNCTIONS, *CHANGED, *QUEUES])
def test_a_wrong_value_is_refused_where_it_is_made(written: str, error: type[BaseException], says: str) -> None:
    """With the field, the value, and what to give."""
    refused(written, error, says, NAMES)


def test_a_coroutine_that_somebody_has_called_is_no_function() -> None:
    """`Job.from_func(send())` instead of `Job.from_func(send)`."""
    called = waits()
    with pytest.raises(InvalidJob, match="give the function itself, which is called here already"):
        chancy.Job.from_func(called)
    called.close()
