"""Arguments and results of more types than JSON has, by choice: made again from what the function annotates."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support import WITHIN_S
from typed_jobs import Colour, Email, Item, Model, Order, Point, everything

from chancy import Job, JobContext, Plugin, Queue, Worker, hookimpl
from chancy.errors import ConfigError, InvalidJob
from chancy.executors import RunSettings, run_job
from chancy_core.executors.arguments import arguments_of
from chancy_core.values.jsonvalue import decode
from chancy_core.values.queue import Executor
from chancy_core.values.queuedjob import QueuedJob, State
from chancy_core.values.typed import encode_typed

WHEN = datetime(2030, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
ONE = uuid.UUID(int=1)


def order() -> Order:
    return Order(ONE, [Item(Decimal("1.10"), {"a"}), Item(Decimal("0.1"))], WHEN)


def given() -> dict[str, Any]:
    return {
        "order": order(),
        "orders": [order(), Order(ONE, [])],
        "prices": {"tea": Decimal("2.50")},
        "ages": {ONE: 7},
        "when": WHEN,
        "never": None,
        "day": date(2030, 1, 2),
        "hour": time(1, 2, 3),
        "length": timedelta(days=3, microseconds=5),
        "either": date(2030, 1, 3),
        "colour": Colour.RED,
        "email": Email("a@example.org"),
        "point": Point(1, date(2030, 1, 4)),
        "span": {"start": date(2030, 1, 5), "length": timedelta(hours=1)},
        "raw": b"\x00\xff",
        "few": frozenset({date(2030, 1, 6)}),
        "pair": (3, ONE),
        "model": Model("m", WHEN),
        "bare": {"k": [1, date(2030, 1, 7)]},
        "anything": [ONE],
        "further": Decimal("0.5"),
    }


# What has no annotation stays JSON.
UNTYPED = {"bare": {"k": [1, "2030-01-07"]}, "anything": [str(ONE)]}


@pytest.fixture
def typed(new_chancy):
    """Makes a Chancy with the choice."""
    return lambda **settings: new_chancy(json="typed", **settings)


def queued(func: str, **fields: Any) -> QueuedJob:
    return QueuedJob(func=func, json="typed", id=ONE, state=State.RUNNING, attempts=1, claims=1, **fields)


async def run(chancy, job: Job, *, queue: str = "default") -> QueuedJob:
    async with Worker(chancy):
        return await (await chancy.push(queue, job)).wait(timeout=WITHIN_S)


@pytest.mark.parametrize("executor", [Executor.Async, Executor.Threaded, Executor.Process, Executor.Auto])
async def test_a_function_gets_what_it_annotates_in_every_executor(chancy, typed, executor):
    """Each argument is of its type, and equal to what was pushed; what is stored is JSON."""
    await chancy.declare(Queue("q", executor=executor))
    if executor is Executor.Async:
        async with typed() as pusher:
            job = await run(pusher, Job("typed_jobs.later", kwargs={"when": WHEN}), queue="q")
        assert job.result_as(datetime) == WHEN + timedelta(days=1)
        return
    async with typed() as pusher, Worker(chancy):
        # The worker's Chancy has not chosen: the job says it.
        reference = await pusher.push("q", Job("typed_jobs.everything", kwargs=given()))
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.errors) == ("succeeded", [])
    expected = given() | UNTYPED
    assert job.result["types"] == {name: type(value).__name__ for name, value in expected.items()}
    assert job.kwargs == job.result["given"]
    assert (job.kwargs["when"], job.kwargs["prices"]) == ("2030-01-02T03:04:05.678901Z", {"tea": "2.50"})
    assert (job.json, job.to_dict()["kwargs"]) == ("typed", job.kwargs)


def test_each_value_comes_back_as_it_was():
    """Not only of its type: equal to what was given."""

    kwargs = decode(encode_typed(given(), "kwargs"))
    assert arguments_of(queued("typed_jobs.everything", kwargs=kwargs), everything) == given() | UNTYPED


@pytest.mark.parametrize(
    ("func", "kwargs", "said"),
    [
        ("later", {"when": "yesterday"}, "when='yesterday'.*no datetime.*RFC3339"),
        ("later", {"when": 5}, "when=5.*no datetime.*Expected `datetime`, got `int`"),
        ("elsewhere", {"value": 1}, "annotates value with 'Elsewhere'.*cannot be read.*NameError.*type checkers"),
        ("unknown", {"value": 1}, "value=1.*Callable"),
    ],
)
async def test_an_argument_that_does_not_fit_fails_the_job_at_once(typed, func, kwargs, said):
    """The error names argument, value and type; no attempt follows, because none could help."""
    async with typed() as chancy:
        await chancy.migrate()
        job = await run(chancy, Job(f"typed_jobs.{func}", kwargs=kwargs, max_attempts=5))
    assert (job.state, job.attempts, len(job.errors)) == ("failed", 1, 1)
    (error,) = job.errors
    assert error.type == "CannotRun"

    assert re.search(f"typed_jobs.{func}.*{said}", error.message, re.DOTALL), error.message


def test_the_place_in_a_nested_argument_is_named():
    """Where in a list of orders something is wrong, the error says."""
    wrong = {"orders": [{"id": str(ONE), "items": [{"price": "a lot"}]}]}
    report = run_job(queued("typed_jobs.everything", kwargs=wrong), RunSettings())
    assert report.error.type == "CannotRun"
    wrong = {"value": [{"id": str(ONE), "items": [{"price": "a lot"}]}]}

    with pytest.raises(InvalidJob, match=r"Invalid decimal string - at `\$\[0\].items\[0\].price`"):
        queued("f.f", result=wrong["value"]).result_as(list[Order])


@pytest.mark.parametrize(
    ("func", "kwargs", "result"),
    [
        ("Callables.of_class", {"when": date(2030, 1, 1)}, "Callables date"),
        ("Callables.static", {"when": date(2030, 1, 1)}, "date"),
        ("an_object", {"when": date(2030, 1, 1)}, "date"),
        ("decorated", {"when": WHEN}, "1 datetime"),
        ("unpacked", {"start": date(2030, 1, 1), "length": timedelta(1)}, ["date", "timedelta"]),
        ("again", {"value": Decimal(1)}, ["Decimal", "Decimal"]),
    ],
)
async def test_functions_of_every_kind(typed, func, kwargs, result):
    """Methods, objects, decorated functions, unpacked typed dictionaries; and each attempt has its arguments."""
    async with typed() as chancy:
        await chancy.migrate()
        job = await run(chancy, Job(f"typed_jobs.{func}", kwargs=kwargs, max_attempts=2))
    assert (job.state, job.result, job.errors[1:]) == ("succeeded", result, [])


async def test_who_does_not_choose_gets_what_he_always_got(chancy):
    """A date is refused with the choice named, an annotation does nothing, and a result that is no JSON is not kept."""
    with pytest.raises(InvalidJob, match=r"kwargs\['when'\] is a datetime.*isoformat.*json='typed'"):
        await chancy.push(Job("typed_jobs.later", kwargs={"when": WHEN}))
    with pytest.raises(InvalidJob, match=r"is a Order.*json='typed'"):
        await chancy.push_many([Job("typed_jobs.later", kwargs={"when": order()})])
    with pytest.raises(InvalidJob, match=r"plain values\.$"):
        await chancy.push(Job("typed_jobs.later", kwargs={"when": object()}))
    job = await run(chancy, Job("typed_jobs.kind", kwargs={"value": WHEN.isoformat()}))
    assert (job.result, job.json) == ("str", "plain")
    job = await run(chancy, Job("typed_jobs.no_json"))
    assert (job.result, job.note) == (None, job.note)
    assert "json='typed'" in job.note


async def test_a_single_job_may_choose(chancy):
    """The field of a job does for it what the setting does for all; singly and in bulk."""
    job = Job("typed_jobs.kind", kwargs={"value": WHEN}, json="typed")
    async with Worker(chancy):
        references = [await chancy.push(job), *await chancy.push_many([job, job.with_unique_key("k")])]
        found = await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        # What came back can be pushed again.
        again = await (
            await chancy.push(Job(**{name: getattr(found[0], name) for name in Job.__struct_fields__}))
        ).wait()
    assert [job.result for job in (*found, again)] == ["datetime"] * 4
    assert job.to_dict()["kwargs"] == {"value": "2030-01-02T03:04:05.678901Z"}
    with pytest.raises(InvalidJob, match=r"json is 'pickle': give 'plain'.*'typed'"):
        Job("a.b", json="pickle")


async def test_plugins_see_json(typed):
    """on_push has the arguments as they are stored, and may add some of its own."""
    seen = []

    class Sees(Plugin):
        name = "sees"

        @hookimpl
        def on_push(self, jobs: list[Job]) -> list[Job]:
            seen.extend(job.kwargs for job in jobs)
            return [job.with_more_kwargs(value=date(2030, 1, 1)) if "add" in job.meta else job for job in jobs]

    async with typed(plugins=[Sees()]) as chancy:
        await chancy.migrate()
        kinds = Job("typed_jobs.kind", kwargs={"value": WHEN})
        await chancy.push(kinds)
        (reference,) = await chancy.push_many([kinds.with_meta(add=1)])
        assert (await reference.get()).kwargs == {"value": "2030-01-01"}
    assert seen == [{"value": "2030-01-02T03:04:05.678901Z"}] * 2


def test_the_choice_can_be_made_in_a_file_and_by_a_variable(new_chancy, tmp_path: Path, monkeypatch):
    """It is a setting like any other, and a word that is none is refused."""
    file = tmp_path / "chancy.toml"
    file.write_text('[chancy]\njson = "typed"\n')
    assert new_chancy(config=file).settings.json == "typed"
    monkeypatch.setenv("CHANCY_JSON", "typed")
    assert new_chancy().settings.json == "typed"
    monkeypatch.setenv("CHANCY_JSON", "pickle")
    with pytest.raises(ConfigError, match=r'CHANCY_JSON.*"plain" or "typed"'):
        new_chancy()


def test_pushes_without_asyncio_and_in_bulk_are_typed(new_chancy):
    """Every way to push writes the same."""
    job = Job("typed_jobs.kind", kwargs={"value": WHEN})
    with new_chancy(json="typed") as chancy:
        chancy.sync_migrate()
        references = [chancy.sync_push(job), *chancy.sync_push_many([job] * 3)]
        found = chancy.sync_get_jobs(references)
    assert {(job.json, job.kwargs["value"]) for job in found} == {("typed", "2030-01-02T03:04:05.678901Z")}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), r"kwargs\['a'\] is a object .*not even with json='typed'.*dataclass"),
        ([1, {"b": [order(), print]}], r"kwargs\['a'\]\[1\]\['b'\]\[1\] is a builtin"),
        (Item(Decimal(1), {JobContext}), r"kwargs\['a'\] is a Item"),
        (float("nan"), r"kwargs\['a'\] is nan"),
        ({"k": "\x00"}, r"kwargs\['a'\]\['k'\] contains a NUL"),
    ],
)
async def test_what_cannot_be_written_is_refused_when_it_is_pushed(typed, value, said):
    """The error names the place and the value; nothing is stored."""
    async with typed() as chancy:
        await chancy.migrate()
        for push in (chancy.push, chancy.push_many):
            with pytest.raises(InvalidJob, match=said):
                await push(Job("typed_jobs.kind", kwargs={"a": value}))
        assert await chancy.count_jobs() == {}


async def test_a_list_that_contains_itself_is_refused(typed):
    """It ends, with the name of the argument's place."""
    endless: list[Any] = []
    endless.append(endless)
    async with typed() as chancy:
        await chancy.migrate()
        with pytest.raises(InvalidJob, match="nested too deeply"):
            await chancy.push(Job("typed_jobs.kind", kwargs={"a": endless}))


async def test_models_of_pydantic_are_made_again(typed):
    """Nested ones, aliases, and unions that msgspec cannot tell apart."""
    pytest.importorskip("pydantic")
    import typed_models  # noqa: PLC0415 -- it imports pydantic

    async with typed() as chancy:
        await chancy.migrate()
        job = await run(chancy, Job("typed_models.total", kwargs={"bill": typed_models.a_bill()}))
        assert (job.state, job.errors) == ("succeeded", [])
        assert job.result_as(typed_models.Bill) == typed_models.a_bill()
        wrong = await run(chancy, Job("typed_models.total", kwargs={"bill": {"nr": "x"}}, max_attempts=3))
        assert (wrong.state, wrong.errors[0].type, len(wrong.errors)) == ("failed", "CannotRun", 1)


async def test_classes_of_attrs_are_made_again(typed):
    """As dataclasses are."""
    pytest.importorskip("attrs")
    async with typed() as chancy:
        await chancy.migrate()
        import typed_attrs  # noqa: PLC0415 -- it imports attrs

        job = await run(chancy, Job("typed_attrs.twice", kwargs={"item": typed_attrs.Item(Decimal("1.5"), WHEN)}))
    assert job.result_as(typed_attrs.Item) == typed_attrs.Item(Decimal("3.0"), WHEN)


@pytest.mark.parametrize("executor", [Executor.Auto, Executor.Threaded, Executor.Process])
async def test_what_the_decorator_says_holds_for_a_job_by_hand(chancy, query, executor):
    """A row that only names the function, written by hand, has its arguments made as `@job(json="typed")` says."""
    await chancy.declare(Queue("q", executor=executor))
    query(
        "INSERT INTO {s}.jobs (id, queue, func, kwargs) "
        """VALUES (%s, 'q', 'typed_jobs.declared', '{"when": "2030-01-01"}')""",
        ONE,
    )
    async with Worker(chancy):
        job = await chancy.reference(ONE).wait(timeout=WITHIN_S)
    assert (job.state, job.result) == ("succeeded", "2030-01-02")
