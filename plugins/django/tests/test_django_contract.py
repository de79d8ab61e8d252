"""What Django's tasks promise, and what `ChancyBackend` keeps of it with a real worker."""

import asyncio
import uuid
from contextlib import suppress
from datetime import timedelta

import pytest


def test_a_task_is_its_function_to_whoever_looks_and_returns_what_it_returned(tasks, drain, orders):
    from shop.tasks import pay

    order = orders.create(customer="Ada")
    result = pay.enqueue(order.pk)
    job = tasks().sync_get_job(result.id)
    assert (job.func, job.kwargs) == ("shop.tasks.pay", {"order_id": order.pk})
    assert (result.args, result.kwargs, result.status) == ([order.pk], {}, "READY")
    assert pay.get_result(result.id) == result

    drain([result.id])
    result.refresh()
    assert result.status == "SUCCESSFUL"
    assert result.return_value["paid"] == order.pk
    assert result.enqueued_at <= result.finished_at
    assert len(result.worker_ids) == result.attempts == 1
    assert orders.get().paid


def test_arguments_come_back_as_they_were_given_and_reach_the_function_so(tasks, drain):
    from shop.tasks import anything, fail, third_time

    calls = [
        (anything, (1, [2, None]), {"context": "é", "itself": {"a": 1.5}}),
        (fail, ("by name",), {"until": 1, "other": [1]}),
        (fail, (), {"text": "by keyword"}),
        (third_time, (1,), {}),
        (fail, ("twice",), {"text": "twice"}),
        (anything, ((1, 2), b"bytes"), {}),
    ]
    results = [task.enqueue(*args, **kwargs) for task, args, kwargs in calls]
    assert [(one.args, one.kwargs) for one in results[:5]] == [(list(args), kwargs) for _, args, kwargs in calls[:5]]
    assert results[5].args == [[1, 2], "bytes"]
    for result in results:
        assert result.task.get_result(result.id) == result
    drain([one.id for one in results])
    for result in results:
        result.refresh()
    assert results[0].return_value == [[1, [2, None]], {"context": "é", "itself": {"a": 1.5}}]
    assert results[3].return_value[:2] == [1, results[3].id]
    assert "multiple values for argument 'text'" in results[4].errors[0].traceback


def test_every_attempt_has_its_error_its_class_and_its_worker(tasks, drain):
    from shop.tasks import RefusedError, fail, third_time, unjson

    failed, third, no_json = fail.enqueue(), third_time.enqueue(3), unjson.enqueue()
    drain([failed.id, third.id, no_json.id], name="w")
    for one in (failed, third, no_json):
        one.refresh()
    assert [error.exception_class for error in failed.errors] == [RefusedError] * 3
    assert all("shop/tasks.py" in error.traceback for error in failed.errors)
    assert failed.status == "FAILED"
    assert [len(failed.worker_ids), len(set(failed.worker_ids))] == [3, 1]
    assert third.return_value[0] == 3
    assert third.return_value[2] == third.worker_ids
    assert [error.exception_class for error in third.errors] == [ValueError] * 2
    assert third.started_at < third.last_attempted_at < third.finished_at
    assert (no_json.status, no_json.errors[0].exception_class) == ("FAILED", TypeError)


def test_signals_are_sent_once_and_their_receivers_can_break_nothing(tasks, drain):
    from chancy_django import ChancyBackend
    from chancy_django.compat import task_enqueued, task_finished, task_started
    from shop.tasks import anything, apay, fail

    heard = []

    def receiver(signal, sender, task_result, **_):
        names = {task_enqueued: "enqueued", task_started: "started", task_finished: "finished"}
        heard.append((task_result.id, names[signal], str(task_result.status), sender))
        raise RuntimeError("a receiver")

    for signal in (task_enqueued, task_started, task_finished):
        signal.connect(receiver)
    try:
        good, bad, wrong = anything.enqueue(), fail.enqueue(), apay.enqueue(-1)
        assert [job.state for job in drain([good.id, bad.id, wrong.id])] == ["succeeded", "failed", "failed"]
    finally:
        for signal in (task_enqueued, task_started, task_finished):
            signal.disconnect(receiver)
    assert {sender for *_, sender in heard} == {ChancyBackend}
    told = {one.id: [(name, status) for id_, name, status, _ in heard if id_ == one.id] for one in (good, bad, wrong)}
    ran = ("started", "RUNNING")
    assert told[good.id] == [("enqueued", "READY"), ran, ("finished", "SUCCESSFUL")]
    assert told[bad.id] == [("enqueued", "READY"), ran, ran, ran, ("finished", "FAILED")]
    assert told[wrong.id] == [("enqueued", "READY"), ran, ("finished", "FAILED")]


def test_higher_priorities_of_django_run_first(tasks, drain):
    from shop.tasks import anything

    chancy = tasks(queues={"default": {"concurrency": 1}})
    results = {number: anything.using(priority=number).enqueue() for number in (0, -100, 100, 7)}
    assert {number: one.task.priority for number, one in results.items()} == {n: n for n in results}
    jobs = drain([one.id for one in results.values()])
    order = sorted(jobs, key=lambda job: job.started_at)
    assert [-job.priority for job in order] == [100, 7, 0, -100]
    assert chancy.sync_get_job(results[7].id).priority == -7


def test_a_task_exists_if_and_only_if_the_transaction_commits(tasks, orders):
    from django.db import transaction

    from chancy_django import get_chancy
    from chancy_django.compat import TaskResultDoesNotExist
    from shop.tasks import pay

    with suppress(ZeroDivisionError), transaction.atomic():
        gone = pay.enqueue(orders.create(customer="Gone").pk)
        assert pay.get_result(gone.id).status == "READY"
        assert get_chancy().sync_get_job(gone.id) is None, "nobody else sees it yet"
        raise ZeroDivisionError
    with pytest.raises(TaskResultDoesNotExist):
        pay.get_result(gone.id)
    with transaction.atomic():
        kept = pay.enqueue(orders.create(customer="Kept").pk)
    assert get_chancy().sync_get_job(kept.id) is not None


async def test_in_async_code_a_task_is_pushed_on_the_same_connection_as_the_orm(tasks, orders):
    from asgiref.sync import sync_to_async
    from django.core.exceptions import SynchronousOnlyOperation
    from django.db import transaction

    from shop.tasks import apay

    def begin():
        transaction.set_autocommit(False)

    def end():
        transaction.rollback()
        transaction.set_autocommit(True)

    await sync_to_async(begin)()
    order = await orders.acreate(customer="Ada")
    result = await apay.aenqueue(order.pk)
    assert (await apay.aget_result(result.id)).status == "READY"
    await sync_to_async(end)()
    assert await apay.get_backend().chancy.get_job(result.id) is None
    with pytest.raises(SynchronousOnlyOperation, match="aenqueue"):
        apay.enqueue(order.pk)
    await asyncio.to_thread(orders.all().delete)


def test_many_tasks_are_one_statement_and_all_or_none(tasks, drain):
    from django.db import connection, transaction

    from chancy_django.compat import task_backends
    from shop.tasks import anything, pay

    backend = task_backends["default"]
    results = backend.enqueue_all((anything, (number,), {}) for number in range(1000))
    assert [one.args for one in results] == [[number] for number in range(1000)]
    assert len({one.id for one in results}) == 1000
    with pytest.raises(TypeError, match="Unsupported type"), transaction.atomic():
        backend.enqueue_all([(pay, (1,), {}), (pay, (object(),), {})])
    assert backend.chancy.sync_count_jobs()["default"]["pending"] == 1000
    connection.close()


def test_what_a_job_can_be_told_besides_is_told_by_task_and_by_using(tasks):
    from chancy import Backoff, Limit
    from chancy_django import task
    from chancy_django.compat import InvalidTask
    from shop.tasks import anything, pay

    chancy = tasks()
    keyed = anything.using(unique_key="one", max_attempts=4, backoff=5, timeout_s=60, retry_on=(ValueError,))
    first, again = keyed.enqueue(1), keyed.enqueue(2)
    assert first.id == again.id
    assert again.args == [1]
    job = chancy.sync_get_job(first.id)
    assert (job.max_attempts, job.backoff, job.limits) == (4, Backoff.fixed(5), [Limit(Limit.Type.TIME, 60)])
    by_argument = pay.using(unique_key=lambda order_id: f"pay-{order_id}")
    assert by_argument.enqueue(7).id == by_argument.enqueue(7).id != by_argument.enqueue(8).id
    for wrong, of_what in (
        ({"max_attempts": 0}, "max_attempts"),
        ({"timeout_s": -1}, "time"),
        ({"backoff": "x"}, "backoff"),
    ):
        with pytest.raises(InvalidTask, match=of_what):
            pay.using(**wrong)
        with pytest.raises(InvalidTask, match=of_what):
            task(**wrong)(pay.func)


def test_a_task_that_waits_for_its_time_says_when_and_one_that_was_cancelled_why(tasks):
    from django.utils import timezone

    from shop.tasks import pay

    at = timezone.now() + timedelta(days=1)
    result = pay.using(run_after=at, queue_name="mail").enqueue(1)
    assert pay.get_result(result.id).task == result.task
    chancy = pay.get_backend().chancy
    assert chancy.sync_get_job(result.id).scheduled_at == at
    chancy.sync_cancel_job(result.id, reason="not wanted")
    result.refresh()
    assert (result.status, result.is_finished) == ("FAILED", True)
    assert result.errors[0].exception_class.__name__ == "TaskCancelled"
    assert "not wanted" in result.errors[0].traceback


def test_what_is_no_task_is_said_to_be_none(tasks):
    from chancy import Job
    from chancy_django.compat import TaskResultDoesNotExist
    from shop.tasks import pay

    chancy = pay.get_backend().chancy
    other = chancy.sync_push(Job(func="shop.models.Order"))
    missing = chancy.sync_push(Job(func="no.such.module"))
    for id_ in ("123", str(uuid.uuid4()), str(other), str(missing)):
        with pytest.raises(TaskResultDoesNotExist):
            pay.get_result(id_)


def test_any_queue_is_declared_when_it_is_first_used_where_any_may_be(tasks):
    from chancy_django.compat import InvalidTask
    from shop.tasks import pay

    with pytest.raises(InvalidTask, match="elsewhere"):
        pay.using(queue_name="elsewhere")
    chancy = tasks(QUEUES=[])
    pay.using(queue_name="elsewhere").enqueue(1)
    assert chancy.sync_get_queue("elsewhere") is not None


def test_a_schedule_in_the_settings_fires_tasks_with_their_own_fields(tasks, drain):
    from chancy_django.applications import backend_of

    tasks(
        discover=True,
        schedules={
            "often": {
                "cron": "* * * * *",
                "task": "shop.tasks.anything",
                "args": [1],
                "kwargs": {"a": 2},
                "priority": 5,
            }
        },
    )
    (schedule,) = backend_of().settings.settings["plugins"]["cron"]["schedules"]
    assert schedule == {
        "name": "often",
        "cron": "* * * * *",
        "timezone": "Europe/Berlin",
        "job": {
            "func": "shop.tasks.anything",
            "kwargs": {"a": 2},
            "priority": -5,
            "meta": {"django": {"rest": [1]}},
        },
    }
