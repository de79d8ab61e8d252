"""What the counters and histograms say of real jobs."""

import asyncio
from datetime import UTC, datetime, timedelta

import metrics_jobs
import pytest
from prometheus_client import Histogram

from chancy import Backoff, Chancy, Job, Plugin, Queue, Worker, hookimpl
from chancy.plugins.metrics import Metrics
from chancy.testing import WITHIN_S
from chancy_metrics.families import Spread

NOTHING = Job.from_func(metrics_jobs.nothing)
FAIL = Job.from_func(metrics_jobs.fail)


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def series(metrics, label):
    return {
        sample.labels[label]
        for family in metrics.registry.collect()
        for sample in family.samples
        if label in sample.labels
    }


async def test_every_stage_of_a_job_is_counted_by_queue_and_outcome(chancy, metrics, until):
    """Pushed, claimed, finished and retried jobs are each counted once, with their durations and batch sizes."""
    await chancy.declare(Queue("mail"))
    retried = FAIL.with_max_attempts(2).with_backoff(Backoff(base_s=0.01, jitter=0))
    async with Worker(chancy):
        await chancy.push_many([NOTHING.with_queue("mail")] * 30)
        references = await chancy.push_many([NOTHING] * 7 + [FAIL] * 2 + [retried])
        await chancy.wait_for_jobs(references, timeout=WITHIN_S)
        await until(lambda: value(metrics, "chancy_jobs_finished_total", queue="mail", outcome="succeeded") == 30)
        assert value(metrics, "chancy_jobs_pushed_total", queue="mail") == 30
        assert value(metrics, "chancy_jobs_pushed_total", queue="default") == 10
        assert value(metrics, "chancy_jobs_claimed_total", queue="mail") == 30
        assert value(metrics, "chancy_jobs_claimed_total", queue="default") == 11
        assert value(metrics, "chancy_jobs_finished_total", queue="default", outcome="succeeded") == 7
        assert value(metrics, "chancy_jobs_finished_total", queue="default", outcome="failed") == 3
        assert value(metrics, "chancy_jobs_finished_total", queue="default", outcome="cancelled") == 0
        assert value(metrics, "chancy_jobs_retried_total", queue="default") == 1
        assert value(metrics, "chancy_jobs_returned_total", queue="default") == 0
        assert value(metrics, "chancy_job_wait_seconds_count", queue="default") == 10
        assert value(metrics, "chancy_job_run_seconds_count", queue="default") == 11
        assert value(metrics, "chancy_push_batch_jobs_bucket", queue="mail", le="20.0") == 0
        assert value(metrics, "chancy_push_batch_jobs_bucket", queue="mail", le="50.0") == 1
        assert value(metrics, "chancy_claim_batch_jobs_sum", queue="mail") == 30
        assert value(metrics, "chancy_finish_batch_jobs_sum", queue="default") == 11


async def test_the_wait_of_a_scheduled_job_begins_when_it_is_due(chancy, metrics, query):
    """A job that was pushed two hours ago and has been due for one has waited for one."""
    reference = await chancy.push(NOTHING.with_scheduled_at(datetime.now(UTC) + timedelta(hours=1)))
    query("UPDATE {s}.jobs SET created_at = now() - interval '2 hours', scheduled_at = now() - interval '1 hour'")
    async with Worker(chancy):
        await reference.wait(timeout=WITHIN_S)
    assert value(metrics, "chancy_job_wait_seconds_count", queue="default") == 1
    waited_s = value(metrics, "chancy_job_wait_seconds_sum", queue="default")
    assert 3600 <= waited_s < 3600 + WITHIN_S


async def test_the_wait_is_taken_from_the_database_alone(chancy, metrics, query):
    """A job pushed an hour ago, by the database's clock, has waited for an hour."""
    reference = await chancy.push(NOTHING)
    query("UPDATE {s}.jobs SET created_at = now() - interval '1 hour'")
    async with Worker(chancy):
        await reference.wait(timeout=WITHIN_S)
    assert value(metrics, "chancy_job_wait_seconds_sum", queue="default") == pytest.approx(3600, abs=WITHIN_S)


async def test_jobs_handed_back_at_shutdown_are_no_retries(chancy, metrics, until):
    """A job that the worker gives up is counted as returned, and has no run time."""
    metrics_jobs.gate = asyncio.Event()
    worker = Worker(chancy, grace_s=0)
    await worker.start()
    await chancy.push(Job.from_func(metrics_jobs.wait_at_gate))
    await until(lambda: worker.running)
    await worker.stop()
    assert value(metrics, "chancy_jobs_returned_total", queue="default") == 1
    assert value(metrics, "chancy_jobs_retried_total", queue="default") == 0
    assert value(metrics, "chancy_job_run_seconds_count", queue="default") is None


async def test_an_application_without_a_worker_counts_its_pushes(chancy, metrics):
    """Pushes are counted where they happen, and nothing listens there."""
    await chancy.push(NOTHING)
    await chancy.push_many([NOTHING] * 5)
    assert value(metrics, "chancy_jobs_pushed_total", queue="default") == 6
    assert metrics.address is None


def test_pushes_without_asyncio_are_counted(new_chancy, metrics):
    """Code without asyncio counts as well."""
    with new_chancy(metrics) as chancy:
        chancy.sync_push(NOTHING)
        chancy.sync_push_many([NOTHING] * 2)
    assert value(metrics, "chancy_jobs_pushed_total", queue="default") == 3


async def test_queues_made_up_by_a_program_do_not_make_labels(new_chancy):
    """With many queues, as many as allowed have a label and the rest are `other`; no job is left out of the counts."""
    metrics = Metrics(max_queues=3)
    async with new_chancy(metrics) as chancy:
        for number in range(20):
            await chancy.declare(Queue(f"q{number}"))
            await chancy.push(NOTHING.with_queue(f"q{number}"))
    assert series(metrics, "queue") == {"q0", "q1", "q2", "other"}
    assert value(metrics, "chancy_jobs_pushed_total", queue="other") == 17


async def test_only_declared_queues_have_labels_where_a_worker_runs(chancy, metrics):
    """A push to a queue that nobody declared makes no label."""
    async with Worker(chancy):
        with pytest.raises(Exception, match="never declared"):
            await chancy.push(NOTHING.with_queue("typo"))
        assert series(metrics, "queue") == {"default", "other"}


async def test_functions_make_no_labels(chancy, metrics):
    """No label carries a function's name."""
    async with Worker(chancy):
        await (await chancy.push(NOTHING)).wait(timeout=WITHIN_S)
        names = {name for family in metrics.registry.collect() for s in family.samples for name in s.labels}
    assert names <= {"queue", "outcome", "state", "le", "plugin", "hook", "table"}


class Broken(Plugin):
    """Fails at every claim."""

    name = "broken"

    @hookimpl
    def on_claim(self, jobs):
        raise RuntimeError("no")


async def test_failing_hooks_of_other_plugins_are_counted(new_chancy, metrics):
    """A hook that fails is counted by plugin and hook, and a rescued or stale job is counted from 0."""
    async with new_chancy(metrics, Broken()) as chancy, Worker(chancy):
        await (await chancy.push(NOTHING)).wait(timeout=WITHIN_S)
        assert value(metrics, "chancy_hook_failures_total", plugin="broken", hook="on_claim") == 1
        assert value(metrics, "chancy_jobs_rescued_total", queue="default") == 0
        assert value(metrics, "chancy_outcomes_stale_total", queue="default") == 0


class Spoiler(Plugin):
    """Rolls back the transaction that records outcomes, as often as it is let."""

    name = "spoiler"

    @hookimpl
    async def on_complete(self, connection):
        await connection.execute("ROLLBACK")


async def test_an_outcome_that_was_written_twice_is_counted_once(new_chancy, metrics, until):
    """What was rolled back is not counted: after some writes in vain, the numbers are those of the database."""
    async with new_chancy(metrics, Spoiler()) as chancy, Worker(chancy):
        await chancy.wait_for_jobs(await chancy.push_many([NOTHING] * 20), timeout=WITHIN_S)
        await until(lambda: value(metrics, "chancy_jobs_finished_total", queue="default", outcome="succeeded") >= 20)
        assert chancy.plugins.failures["spoiler", "on_complete"] >= 1
        assert value(metrics, "chancy_jobs_finished_total", queue="default", outcome="succeeded") == 20
        assert value(metrics, "chancy_job_run_seconds_count", queue="default") == 20


def test_values_fall_into_the_buckets_of_prometheus():
    """A batch is counted as the client counts it value by value: all alike, spread, on a bound, beyond the last."""
    bounds, values = (0.1, 0.5, 1.0), [[0.05, 0.06], [0.1], [0.3, 0.05, 2.0, 1.0, 0.5, 0.5], [9.0]]
    ours, theirs = Spread("ours", "ours", bounds), Histogram("theirs", "theirs", buckets=bounds, registry=None)
    for batch in values:
        for each in batch:
            theirs.observe(each)
        ours.add("q", list(batch))
    (expected,) = theirs.collect()
    told = {(s.name.partition("_")[2], s.labels.get("le")): s.value for s in ours.family().samples}
    wanted = {(s.name.partition("_")[2], s.labels.get("le")): s.value for s in expected.samples}
    del wanted["created", None]
    assert told == pytest.approx(wanted)


async def test_rescued_jobs_and_stale_outcomes_are_counted_by_queue(chancy, metrics, query, until):
    """Jobs taken from a lost worker count as rescued; an outcome of a run that was taken away counts as stale."""
    metrics_jobs.gate = asyncio.Event()
    for queue in ("mail", "reports"):
        await chancy.declare(Queue(queue))

    def counted(name):
        return [value(metrics, name, queue=queue) for queue in ("default", "mail", "reports")]

    async with Worker(chancy, lease_s=1) as worker:
        for queue in ("mail", "mail", "reports"):
            query(
                "INSERT INTO {s}.jobs (id, queue, func, state, worker, attempts, claims, max_attempts, started_at) "
                "VALUES (gen_random_uuid(), %s, 'metrics_jobs.nothing', 'running', 'gone', 1, 1, 2, now())",
                queue,
            )
        gated = Job.from_func(metrics_jobs.wait_at_gate).with_max_attempts(3).with_queue("mail")
        reference = await chancy.push(gated)
        await until(lambda: worker.running)
        query("UPDATE {s}.jobs SET claims = claims + 1 WHERE id = %s", reference.identifier)
        metrics_jobs.gate.set()
        await until(lambda: counted("chancy_outcomes_stale_total") == [0, 1, 0])
        await until(lambda: counted("chancy_jobs_rescued_total") == [0, 2, 1])
        assert (worker.rescued, worker.stale) == (3, 1)
        query("DELETE FROM {s}.jobs WHERE id = %s", reference.identifier)
    assert counted("chancy_jobs_rescued_total") == [0, 2, 1], "a counter must not fall when the worker stops"


def test_each_instance_has_a_registry_of_its_own():
    """Two instances in one process do not count for each other."""
    first, second = Metrics(), Metrics()
    first.on_push([NOTHING])
    assert value(first, "chancy_jobs_pushed_total", queue="default") == 1
    assert value(second, "chancy_jobs_pushed_total", queue="default") is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"port": 70000}, r"port is 70000"),
        ({"interval": 0.1}, r"interval is 0\.1"),
        ({"host": " "}, r"host is empty"),
        ({"max_queues": 0}, r"max_queues is 0"),
        ({"count_limit": 3}, r"count_limit is 3"),
        ({"buckets_s": (1.0, 0.5)}, r"buckets_s is \[1\.0, 0\.5\]"),
        ({"buckets_s": ()}, r"buckets_s is \[\]"),
    ],
)
def test_settings_out_of_range_are_refused_in_words(settings, said):
    """Bad settings are refused where they are declared."""
    with pytest.raises(ValueError, match=said):
        Metrics(**settings)


def test_the_kernel_builds_it_from_its_table(dsn, schema, tmp_path):
    """Three lines of TOML are enough, and a wrong one is told with its path."""
    file = tmp_path / "chancy.toml"
    file.write_text(f'[chancy]\ndsn = "{dsn}"\nschema = "{schema}"\n[plugins.metrics]\nport = 99999\n')
    with pytest.raises(Exception, match=r"plugins\.metrics.*port is 99999"):
        Chancy(config=file)
