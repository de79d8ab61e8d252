"""A job made from its function is compared with what that takes when it is pushed, and not only when it has failed."""

from __future__ import annotations

import declared_jobs
import injecting_jobs
import pytest
from support import WITHIN_S

from chancy import Job, State, Worker, hookimpl
from chancy.plugin import Plugin
from chancy_core.errors import InvalidJob

WRONG = [
    (declared_jobs.send, {"usr": 3}, ["declared_jobs.send does not take", "it needs user", "it does not take usr",
                                      "Did you mean 'user'?", "It is send(*, user: int, dry: bool = False)"]),
    (declared_jobs.send, {}, ["it needs user, which the job's kwargs lack"]),
    (declared_jobs.send, {"user": 3, "dryy": True}, ["it does not take dryy. Did you mean 'dry'?"]),
    (declared_jobs.send_async, {"user": 3, "zzz": 1}, ["it does not take zzz. Known: 'dry', 'user'", "It is send_asy"]),
    (declared_jobs.takes_nothing, {"user": 3}, ["it does not take user. None is known", "It is takes_nothing()"]),
    (declared_jobs.by_position, {"user": 3}, ["only be given by position (user)", "It is by_position(user: int, /)"]),
    (declared_jobs.with_context, {"user": 3, "context": 1}, ["its parameter context receives the run's JobContext"]),
    (declared_jobs.Mailer.send, {"user": 3}, ["it needs self", "it is a method", "@staticmethod"]),
    (declared_jobs.Mailer.static, {}, ["declared_jobs.Mailer.static does not take", "it needs user"]),
    (declared_jobs.Fast.of_class, {"usr": 1}, ["declared_jobs.Fast.of_class does not take", "Did you mean 'user'?"]),
    (declared_jobs.Made, {"usr": 3}, ["declared_jobs.Made does not take", "Did you mean 'user'?"]),
    (injecting_jobs.greet, {"name": "x"}, ["it needs user", "it does not take name"]),
]  # fmt: skip


@pytest.mark.parametrize(("func", "kwargs", "told"), WRONG)
async def test_arguments_that_the_function_does_not_take_are_refused(chancy, query, func, kwargs, told):
    """With the function, the argument, the nearest right one and the signature, by each push; nothing is stored."""
    job = Job.from_func(func).with_kwargs(kwargs)
    with pytest.raises(InvalidJob) as pushed:
        await chancy.push(job)
    with pytest.raises(InvalidJob) as many:
        await chancy.push_many("default", Job(func="a.b"), job)
    assert not [part for part in told if part not in str(pushed.value)], str(pushed.value)
    assert str(many.value) == f"Job 1 of push_many: {pushed.value} None of them was stored."
    assert query("SELECT FROM {s}.jobs") == []


def test_arguments_are_looked_at_without_asyncio(new_chancy, query):
    """The same, of any iterable, and as far into it as it may be."""
    job = Job.from_func(declared_jobs.send)
    with new_chancy() as chancy:
        with pytest.raises(InvalidJob, match="Did you mean 'user'"):
            chancy.sync_push(job.with_kwargs(usr=3))
        jobs = [*[job.with_kwargs(user=3)] * 12_345, job.with_kwargs(usr=3)]
        with pytest.raises(InvalidJob, match=r"Job 12345 of push_many: declared_jobs.send .* Did you mean 'user'"):
            chancy.sync_push_many(iter(jobs))
        assert len(chancy.sync_push_many(jobs[:-1])) == 12_345
    assert query("SELECT count(*) FROM {s}.jobs") == [(12_345,)]


RIGHT = [
    (declared_jobs.send, {"user": 3}),
    (declared_jobs.send, {"user": 3, "dry": True}),
    (declared_jobs.send_async, {"user": 3}),
    (declared_jobs.by_position_with_default, {"word": "y"}),
    (declared_jobs.takes_any, {"a": 1, "b": 2}),
    (declared_jobs.with_context, {"user": 3}),
    (declared_jobs.Mailer.static, {"user": 3}),
    (declared_jobs.Fast.static, {"user": 3}),
    (declared_jobs.Fast.of_class, {"user": 3}),
    (declared_jobs.cached, {"user": 3}),
    (declared_jobs.wrapped, {"user": 3}),
    (declared_jobs.signed, {"user": 3}),
    (declared_jobs.proxied, {"user": 3}),
    (injecting_jobs.injected, {"word": "x"}),
    (injecting_jobs.injected, {"word": "x", "dry": True}),
    (injecting_jobs.greet, {"user": 3}),
]


async def test_what_a_decorator_gives_is_not_asked_for(chancy):
    """Functions whose decorators, or whose kind, have a say in their arguments are pushed, and run."""
    jobs = [Job.from_func(func, kwargs=kwargs) for func, kwargs in RIGHT]
    named = [Job(func=f"declared_jobs.{name}", kwargs={"user": 3}) for name in ("instance", "partly")]
    async with Worker(chancy):
        pushed = [await chancy.push(job) for job in jobs]
        pushed += await chancy.push_many("default", [*jobs, *named])
        ended = await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
    assert [(job.func, job.errors) for job in ended if job.state != State.SUCCEEDED] == []


async def test_a_job_that_only_names_its_function_is_believed(chancy):
    """Another process may have another function of that name. Its worker says what is wrong."""
    async with Worker(chancy):
        reference = await chancy.push(Job(func="declared_jobs.send", kwargs={"usr": 3}))
        job = await reference.wait(timeout=WITHIN_S)
    assert (job.state, job.errors[0].type) == (State.FAILED, "CannotRun")
    assert "Did you mean 'user'?" in job.errors[0].message


class GivesUser(Plugin):
    """Gives each job an argument."""

    name = "gives-user"

    def _given(self, jobs):
        return [job.with_more_kwargs(user=9) for job in jobs]


class AtPush(GivesUser):
    @hookimpl
    def on_push(self, jobs):
        return self._given(jobs)


class AtClaim(GivesUser):
    @hookimpl
    def on_claim(self, jobs, worker):
        return self._given(jobs)


@pytest.mark.parametrize("plugin", [AtPush, AtClaim])
async def test_what_a_plugin_gives_is_not_asked_for(new_chancy, plugin):
    """Neither by its on_push, nor by its on_claim, of which nobody knows before."""
    async with new_chancy(plugins=[plugin()]) as chancy, Worker(chancy):
        job = Job.from_func(declared_jobs.send)
        pushed = [await chancy.push(job), *await chancy.push_many(job)]
        ended = await chancy.wait_for_jobs(pushed, timeout=WITHIN_S)
    assert {job.result for job in ended} == {"9 False"}


async def test_a_function_that_is_decorated_once_more_is_the_one_that_is_called(chancy):
    """The signature is that of what stands under the name, not of what `@job` was put on."""
    assert injecting_jobs.injected.job.func == "injecting_jobs.injected"
    await chancy.push(injecting_jobs.injected.job.with_kwargs(word="x", dry=True))


def test_meta_is_replaced_or_added_to():
    """As kwargs are, each as its name says, in a copy."""
    job = Job("a.b", meta={"a": 1, "b": 2})
    assert job.with_meta(b=3).meta == {"b": 3}
    assert job.with_more_meta({"c": 4}, b=3).meta == {"a": 1, "b": 3, "c": 4}
    assert job.meta == {"a": 1, "b": 2}
