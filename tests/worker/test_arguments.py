"""`Worker(…)`, `Queue(…)`, `Job(…)` and `Chancy(…)` in code are checked as strictly as a file of settings is."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from chancy import Backoff, ChancyError, Job, Limit, Queue, State
from chancy_core.app import Chancy
from chancy_core.errors import ConfigError, InvalidJob, InvalidQueue
from chancy_core.values import ranges
from chancy_core.values.queue import QueueState
from chancy_core.worker import Worker

LONG = "x" * 5000
NAIVE = dt.datetime(2030, 1, 1)  # noqa: DTZ001 -- what is to be refused


class Word(enum.StrEnum):
    GPU = "gpu"


@pytest.fixture
def closed(dsn: str) -> Chancy:
    return Chancy(dsn, discover=False, worker_tags=["cpu"], worker_concurrency=7)


# -- Worker(…) -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tags": "gpu"}, "Worker(tags=…) is 'gpu': give a list of words, such as [\"gpu\"]"),
        ({"tags": b"gpu"}, "Worker(tags=…) is of type bytes: give a list of words"),
        ({"tags": {"gpu": True}}, "Worker(tags=…) is a table: give a list of words"),
        ({"tags": 5}, "Worker(tags=…) is an integer, 5: give a list of words"),
        ({"tags": [""]}, "Worker(tags=…)[0] is empty: give a list of words"),
        ({"tags": ["a", None]}, "Worker(tags=…)[1] is None: give a list of words"),
        ({"tags": ["a\n"]}, "Worker(tags=…)[0] is 'a\\n': give a list of words"),
        ({"tags": ["\ud800"]}, "Worker(tags=…)[0] is '\\ud800': give a list of words"),
        ({"tags": ["x" * 501]}, "Worker(tags=…)[0] is 'xxx"),
        ({"tags": ["x"] * 101}, 'Worker(tags=…) is a list: give a list of words, such as ["gpu"], at most 100'),
        ({"name": ""}, "Worker(name=…) is empty: give a name of 1 to 255 characters"),
        ({"name": " "}, "Worker(name=…) is ' ': give a name"),
        ({"name": "a\x00b"}, "Worker(name=…) is 'a\\x00b': give a name"),
        ({"name": "\ud800"}, "Worker(name=…) is '\\ud800': give a name"),
        ({"name": "x" * 256}, "Worker(name=…) is 'xxx"),
        ({"name": b"w"}, "Worker(name=…) is of type bytes: give a name"),
        ({"concurrency": -1}, "Worker(concurrency=…) is an integer, -1: give a whole number from 1 to 10,000"),
        ({"concurrency": 0}, "Worker(concurrency=…) is an integer, 0: give a whole number"),
        ({"concurrency": 1.5}, "Worker(concurrency=…) is a float, 1.5: give a whole number"),
        ({"concurrency": []}, "Worker(concurrency=…) is a list: give a whole number"),
        ({"grace_s": -1}, "Worker(grace_s=…) is an integer, -1: give seconds from 0"),
        ({"grace_s": dt.timedelta(1)}, "Worker(grace_s=…) is of type timedelta: give seconds from 0"),
        ({"lease_s": 0.5}, "Worker(lease_s=…) is a float, 0.5: give seconds from 1 to 3,600"),
        ({"lease_s": float("inf")}, "Worker(lease_s=…) is inf: give seconds from 1 to 3,600"),
    ],
)
def test_a_worker_refuses_what_the_settings_refuse(closed, given, says):
    """The error says where, what was given, and what to give."""
    with pytest.raises(ConfigError) as error:
        Worker(closed, **given)
    assert str(error.value).startswith(says)
    assert len(str(error.value)) < 300


def test_a_worker_says_all_that_is_wrong_at_once(closed):
    """Nobody has to mend one mistake to learn of the next."""
    with pytest.raises(ConfigError, match="3 settings are wrong") as error:
        Worker(closed, tags="gpu", concurrency=-1, lease_s=float("nan"))
    assert str(error.value).count("\n") == 3


@pytest.mark.parametrize("chancy", [None, "postgresql://x", Chancy, object()])
def test_a_worker_works_for_a_chancy(chancy):
    """Anything else is refused where it is given, not later, somewhere inside."""
    with pytest.raises(ConfigError, match="give it a Chancy"):
        Worker(chancy)


@pytest.mark.parametrize(
    "tags", [["gpu"], ("gpu",), {"gpu"}, frozenset({"gpu"}), iter(["gpu"]), {"gpu": 1}.keys(), [Word.GPU]]
)
async def test_any_collection_of_words_may_be_given(chancy, tags):
    """Lists, tuples, sets and generators give the words that the tags of queues are matched with."""
    async with Worker(chancy, tags=tags, name=None):
        (info,) = await chancy.get_workers()
        assert [tag for tag in info.tags if "=" not in tag] == ["*", "gpu"]


async def test_what_is_left_out_is_taken_from_the_settings(new_chancy):
    """None, and nothing else, stands for the setting."""
    async with new_chancy(worker_tags=["cpu"], worker_concurrency=7) as chancy:
        async with Worker(chancy) as one:
            assert one.slots()["default"] == (0, 7)
        async with Worker(chancy, tags=[], concurrency=3) as other:
            (info,) = await chancy.get_workers()
            assert other.slots()["default"] == (0, 3)
            assert [tag for tag in info.tags if "=" not in tag] == ["*"]


# -- values --------------------------------------------------------------------------------


def attempt(make: Callable[[], Any], refusal: type[ChancyError]) -> Any:
    """What it makes, or the text with which it is refused, which is no page. Other errors are raised."""
    try:
        return make()
    except refusal as error:
        text = str(error)
    assert len(text) < 350, text
    return text


WRONG: list[Any] = [
    True, 0, -1, 1.5, float("nan"), 10**30, "", "\ud800", "a\x00", LONG, b"x", [1], ["a", None], {1: 2},
    object(), int, Decimal(3), NAIVE, dt.timedelta(1), Queue("z"), Backoff(), State.PENDING,
]  # fmt: skip


@pytest.mark.parametrize("field", Queue.__struct_fields__)
def test_whatever_a_queue_is_given_it_is_a_queue_or_an_invalid_queue(field):
    """No other error, none longer than can be read; and what is taken can be stored."""
    for value in WRONG:
        made = attempt(lambda value=value: Queue(**{"name": "q", field: value}), InvalidQueue)
        if isinstance(made, Queue):
            assert isinstance(made.tags, list)
            assert isinstance(made.state, QueueState)
            assert isinstance(made.executor_options, dict)


@pytest.mark.parametrize("tags", ["gpu", None, 5, {"gpu": 1}, iter(["gpu"]), b"gpu", [b"gpu"]])
def test_a_word_is_no_list_of_tags_of_a_queue(tags):
    """A queue says so instead of serving g, p and u."""
    with pytest.raises(InvalidQueue, match="give a list of regular expressions"):
        Queue("q", tags=tags)


def test_a_queue_holds_copies():
    """Changing the caller's list or options later changes no queue."""
    tags, options = ["a"], {"x": 1}
    queue = Queue("q", tags=tags, executor_options=options)
    tags.append("b")
    options["y"] = 2
    assert queue.tags == ["a"]
    assert queue.executor_options == {"x": 1}
    assert Queue("q", tags=("a", "b")).tags == ["a", "b"]


async def test_tags_of_any_collection_are_stored_as_they_are(chancy):
    """A tuple is an array in the database, and no row."""
    await chancy.declare(Queue("q", tags=("a", "b"), state="paused"))
    found = await chancy.get_queue("q")
    assert found.tags == ["a", "b"]
    assert found.state is QueueState.PAUSED


@pytest.mark.parametrize("field", Job.__struct_fields__)
def test_whatever_a_job_is_given_it_is_a_job_or_an_invalid_job(field):
    """No other error, none longer than can be read."""
    for value in WRONG:
        attempt(lambda value=value: Job(**{"func": "m.f", field: value}), InvalidJob)


@pytest.mark.parametrize("value", [None, 0, 1, "no", [], float("nan")])
def test_keep_result_is_true_or_false(value):
    """Anything else would be taken for one of them."""
    with pytest.raises(InvalidJob, match=r"keep_result is .*: give True or False"):
        Job("m.f", keep_result=value)


@pytest.mark.parametrize("value", [5, "fast", 1.5, {"base_s": 1}, Backoff, True])
def test_a_backoff_is_a_backoff(value):
    """Anything else would be an error only when the job has failed."""
    with pytest.raises(InvalidJob, match=r"backoff is .*: give a Backoff"):
        Job("m.f", backoff=value)


@pytest.mark.parametrize("make", [lambda value: Limit(value, 1), lambda value: Limit(Limit.Type.TIME, value)])
def test_whatever_a_limit_is_given_it_is_a_limit_or_an_invalid_job(make):
    """No other error, none longer than can be read."""
    for value in WRONG:
        attempt(lambda value=value: make(value), InvalidJob)


@pytest.mark.parametrize("moment", [5, "tomorrow", NAIVE, dt.date(2030, 1, 1), LONG])
async def test_a_queue_is_paused_until_a_moment(chancy, moment):
    """`pause_queue` refuses what no clock can tell."""
    with pytest.raises(InvalidQueue, match=r"resume_at is .*: ") as error:
        await chancy.pause_queue("default", resume_at=moment)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("queue", [None, "q", {"name": "q"}, Queue, 5])
async def test_what_is_declared_is_a_queue(chancy, queue):
    """Anything else is refused with what to give."""
    with pytest.raises(InvalidQueue, match="give a Queue"):
        await chancy.declare(queue)
    with pytest.raises(InvalidQueue, match="give a Queue"):
        chancy.sync_declare(queue)


# -- Chancy(…) -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"queues": [Queue("a")]}, "argument queues is a list: give a dict of names to values, as in queues={"),
        ({"queues": {"a": Queue("a")}}, "argument queues.a is of type Queue: give a dict of names to values"),
        ({"queues": {1: {}}}, "argument queues.1: Queue name 1"),
        ({"queues": {LONG: {}}}, "argument queues"),
        ({"queues": {"a": {"tags": "gpu"}}}, "argument queues.a.tags is 'gpu': give a list of regular expressions"),
        ({"queues": {"a": {"concurrency": True}}}, "argument queues.a.concurrency is a boolean, true: give a whole"),
        ({"worker": 5}, "argument worker is an integer: give a dict of names to values"),
        ({"worker_tags": ["\ud800"]}, "argument worker_tags[0] is '\\ud800': give a list of words"),
        ({"worker_lease_s": "\ud800"}, "argument worker_lease_s is '\\ud800': give seconds from 1 to 3,600"),
        ({"pooler": "\ud800"}, "argument pooler is '\\ud800': give true or false"),
        ({"config": 5}, "the argument config is of type int: give the path of a file"),
        ({"config": b"chancy.toml"}, "the argument config is of type bytes: give the path of a file"),
        ({"schema": " "}, "argument schema is ' ': give the name of a schema"),
    ],
)
def test_settings_in_code_say_where_and_what_to_give(dsn, given, says):
    """As those of a file do; a table in code is a dict."""
    with pytest.raises(ChancyError) as error:
        Chancy(dsn, discover=False, **given)
    assert str(error.value).startswith(says)


def test_the_longest_name_of_a_worker_is_a_name(closed):
    """A machine's longest name in DNS is good, with the suffix of the run."""
    worker = Worker(closed, name="x" * ranges.WORKER_NAME_MAX_LENGTH)
    assert len(worker.name) == ranges.WORKER_NAME_MAX_LENGTH + 7
