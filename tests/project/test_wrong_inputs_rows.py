"""Wrong rows, as people insert them by hand: the database refuses them, or their job fails and says what is wrong."""

from __future__ import annotations

import uuid

import psycopg
import pytest
from support import WITHIN_S

from chancy import Job, Worker

# What is inserted beside the id, and which constraint, or which word of PostgreSQL's, names the mistake.
REFUSED = [
    ({"state": "'done'"}, "jobs_state"),
    ({"state": "'succeeded'"}, "jobs_state"),
    ({"state": "'running'"}, "jobs_running"),
    ({"worker": "'me'"}, "jobs_running"),
    ({"state": "'scheduled'"}, "jobs_due"),
    ({"state": "'retrying'", "attempts": "1", "max_attempts": "3"}, "jobs_due"),
    ({"attempts": "4", "max_attempts": "3"}, "jobs_attempts"),
    ({"attempts": "-1"}, "jobs_attempts"),
    ({"attempts": "1"}, "jobs_"),
    ({"max_attempts": "0"}, "jobs_"),
    ({"priority": "'high'"}, "integer"),
    ({"priority": "99999999999"}, "integer out of range"),
    ({"kwargs": "'to=x'"}, "json"),
    ({"kwargs": "'{''to'': 1}'"}, "json"),
    ({"queue": "NULL"}, "queue"),
    ({"func": "NULL"}, "func"),
    ({"id": "'5'"}, "uuid"),
    ({"scheduled_at": "'infinity'"}, "jobs_moments"),
    ({"scheduled_at": "'0044-03-15 BC'"}, "jobs_moments"),
    ({"scheduled_at": "'tomorrow afternoon'"}, "timestamp"),
    ({"expires_at": "'-infinity'"}, "jobs_moments"),
    ({"created_at": "'20000-01-01'"}, "jobs_moments"),
    ({"unique_key": "'taken'"}, "unique_key"),
]


@pytest.mark.parametrize(("fields", "named"), REFUSED, ids=[str(fields) for fields, _ in REFUSED])
async def test_a_row_that_makes_no_sense_is_refused(chancy, query, fields, named):
    """By a constraint whose name says which column is wrong; the jobs that are there stay as they are."""
    there = await chancy.push(Job("jobs.noop", unique_key="taken"))
    row = {"id": "gen_random_uuid()", "queue": "'default'", "func": "'jobs.noop'", **fields}
    with pytest.raises(psycopg.Error) as caught:
        query(f"INSERT INTO {{s}}.jobs ({', '.join(row)}) VALUES ({', '.join(row.values())})")
    assert named in str(caught.value)
    assert query("SELECT id FROM {s}.jobs") == [(there.identifier,)]


# What is inserted, and what the job's error must say.
FAILING = [
    ({"kwargs": "'[1]'"}, "Its row cannot be read. kwargs: "),
    ({"kwargs": "'5'"}, "Its row cannot be read. kwargs: "),
    ({"kwargs": "'\"to\"'"}, "Its row cannot be read. kwargs: "),
    ({"func": "'jobs.echo'", "kwargs": "'{\"nope\": 1}'"}, "nope"),
    ({"meta": "'[]'"}, "Its row cannot be read. meta: "),
    ({"limits": "'{}'"}, "Its row cannot be read. limits: "),
    ({"limits": '\'[{"type_": "cpu", "value": 1}]\''}, "Its row cannot be read. limits: "),
    ({"limits": '\'[{"type_": "time", "value": 0}]\''}, "Its row cannot be read. limits: "),
    ({"limits": '\'[{"type_": "time"}]\''}, "Its row cannot be read. limits: "),
    ({"limits": "'[5]'"}, "Its row cannot be read. limits: "),
    ({"options": "'[]'"}, "Its row cannot be read. options: "),
    ({"options": "'{\"backoff\": 5}'"}, "Its row cannot be read. options: "),
    ({"errors": "'{}'"}, "Its row cannot be read. errors: "),
    ({"func": "''"}, "func"),
    ({"func": "'noop'"}, "noop"),
    ({"func": "'jobs noop'"}, "jobs noop"),
    ({"func": "'jobs.noop()'"}, "jobs.noop()"),
    ({"func": "'jobs.nope'"}, "'nope'"),
    ({"func": "'no.such.module'"}, "no.such.module does not import"),
    ({"func": "'jobs'"}, "jobs"),
    ({"func": "'os.path'"}, "os.path"),
    ({"func": "repeat('a.', 1000) || 'b'"}, "a.a.a."),
    ({"func": "'../jobs.noop'"}, "../jobs.noop"),
]


async def test_a_row_that_cannot_be_run_fails_and_says_why(new_chancy, chancy, query):
    """Its error names the column or the function, also what the value was; its neighbours run."""
    ids = []
    for fields, _ in FAILING:
        ids.append(uuid.uuid4())
        row = {"id": f"'{ids[-1]}'", "queue": "'default'", "func": "'jobs.noop'", "priority": "-1", **fields}
        query(f"INSERT INTO {{s}}.jobs ({', '.join(row)}) VALUES ({', '.join(row.values())})")
    good = await chancy.push(Job("jobs.noop"))
    # What this worker cannot import is otherwise left to others for a day.
    async with new_chancy(worker_unrunnable_for_s=0) as impatient, Worker(impatient):
        assert (await good.wait(timeout=WITHIN_S)).state == "succeeded"
        found = await chancy.wait_for_jobs(ids, timeout=WITHIN_S)
    wrong = {
        str(fields): (job.state, told)
        for (fields, says), job in zip(FAILING, found, strict=True)
        if says not in (told := " ".join(error.message for error in job.errors)) or job.state != "failed"
    }
    assert wrong == {}
    assert query("SELECT count(*) FROM {s}.jobs") == [(0,)]
