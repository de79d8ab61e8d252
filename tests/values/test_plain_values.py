"""Values as those read and write them who come from elsewhere: limits in words, errors as mappings, jobs as JSON."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import pytest

from chancy import Backoff, Job, JobError, Limit, Queue, QueuedJob, Reference, State
from chancy_core.errors import InvalidJob
from chancy_core.executors.context import context_of
from chancy_core.executors.control import Control
from chancy_core.values.workerinfo import PluginStatus, WorkerInfo, WorkerStatus

ID = uuid.UUID("01939f3c-7b1e-7c3a-8000-0123456789ab")
AT = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
ERROR = JobError(attempt=2, type="ValueError", message="no", traceback="Traceback …", at=AT, worker="w")


def queued(**fields) -> QueuedJob:
    return QueuedJob(id=ID, func="app.jobs.report", state=State.RUNNING, created_at=AT, **fields)


# -- references ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "same", [ID, str(ID), str(ID).upper(), ID.hex, Reference(ID), Reference(str(ID)), type("Text", (str,), {})(ID)]
)
def test_a_reference_equals_its_id(same):
    """As a UUID and as its text, from both sides."""
    reference = Reference(ID)
    assert reference == same
    assert same == reference
    assert (reference != same) is False
    assert [same].index(reference) == 0


@pytest.mark.parametrize("other", [uuid.UUID(int=1), str(uuid.UUID(int=1)), "", "report", 5, None, b"x", [ID], ("a",)])
def test_a_reference_equals_nothing_else(other):
    """Whatever it is compared with."""
    assert Reference(ID) != other
    assert other != Reference(ID)


@pytest.mark.parametrize("wrong", [None, 5, "", "5", b"x", [], object(), Job(func="a.b"), "x" * 500])
def test_what_is_no_id_is_no_reference(wrong):
    """It is refused where it is given, and not where it is looked for."""
    with pytest.raises(InvalidJob, match="is not the id of a job: give a UUID"):
        Reference(wrong)


def test_a_reference_and_its_uuid_are_one_key():
    """What is equal has to hash alike; of the text, whose hash is another, `str(reference)` is the key."""
    assert hash(Reference(ID)) == hash(ID)
    assert {Reference(ID): 1}[ID] == {ID: 1}[Reference(ID)] == {str(ID): 1}[str(Reference(ID))] == 1


# -- errors ----------------------------------------------------------------------------------


def test_an_error_of_a_job_reads_as_a_mapping():
    """By name, with a default, unpacked, copied into a dict, and matched."""
    assert isinstance(ERROR, Mapping)
    assert (ERROR["type"], ERROR["attempt"], ERROR.get("message"), ERROR.get("line", 5)) == ("ValueError", 2, "no", 5)
    assert list(ERROR) == list(ERROR.keys()) == ["attempt", "type", "message", "traceback", "at", "worker"]
    assert dict(ERROR) == {**ERROR} == dict(ERROR.items())
    assert list(ERROR.values())[:2] == [2, "ValueError"]
    assert len(ERROR) == 6
    assert "type" in ERROR
    assert "get" not in ERROR
    match ERROR:
        case {"type": "ValueError", "attempt": attempt}:
            assert attempt == 2
        case _:
            pytest.fail("it did not match")


@pytest.mark.parametrize("wrong", ["get", "keys", "tpye", "", 0, None])
def test_what_is_no_field_of_an_error_is_no_key(wrong):
    """A method's name is none, although it is an attribute."""
    with pytest.raises(KeyError):
        ERROR[wrong]
    assert ERROR.get(wrong) is None


def test_errors_turn_into_json():
    """Each by itself, and within their job; what they are stored as has not changed."""
    assert json.loads(json.dumps(ERROR.to_dict()))["at"] == "2027-01-02T03:04:05Z"
    assert json.loads(msgspec.json.encode(ERROR)) == ERROR.to_dict()
    (error,) = json.loads(queued(errors=[ERROR]).to_json())["errors"]
    assert error == ERROR.to_dict()


# -- jobs ------------------------------------------------------------------------------------


def test_a_stored_job_turns_into_json():
    """Every field is there, so that a page can count on it; nothing needs an encoder."""
    job = queued(
        kwargs={"to": ("a", 1)},
        limits=[Limit(Limit.Type.TIME, 5)],
        backoff=Backoff.fixed(5),
        errors=[ERROR],
        result={"n": 1.5},
        scheduled_at=AT,
    )
    found = json.loads(json.dumps(job.to_dict()))
    assert set(found) == set(job.__struct_fields__)
    assert (found["id"], found["state"], found["created_at"]) == (str(ID), "running", "2027-01-02T03:04:05Z")
    assert (found["kwargs"], found["limits"]) == ({"to": ["a", 1]}, [{"type": "time", "value": 5}])
    assert (found["result"], found["errors"][0]["type"]) == ({"n": 1.5}, "ValueError")
    assert json.loads(job.to_json()) == found


def test_a_job_that_was_not_pushed_turns_into_json():
    """As does a queue, and what is known of a worker."""
    job = Job(func="app.jobs.report", kwargs={"word": type("Text", (str,), {})("x")}, retry_on=("ValueError",))
    assert json.loads(job.to_json())["kwargs"] == {"word": "x"}
    assert json.loads(json.dumps(Queue("mail", resume_at=AT).to_dict()))["resume_at"] == "2027-01-02T03:04:05Z"
    status = WorkerStatus(plugins=[PluginStatus(name="cron", ticks=3)])
    info = WorkerInfo(name="w", tags=["*"], started_at=AT, seen_s_ago=1.5, alive=True, status=status)
    assert json.loads(json.dumps(info.to_dict()))["status"]["plugins"][0]["ticks"] == 3


def test_a_running_job_turns_its_own_context_into_json():
    """Without the line to its worker."""
    assert json.loads(context_of(queued(), Control()).to_json())["progress"] == {"fraction": 0.0, "note": None}


def test_what_could_not_be_pushed_is_no_json_either():
    """It is told in the same words."""
    with pytest.raises(InvalidJob, match=r"kwargs\['at'\] is a datetime"):
        Job(func="a.b", kwargs={"at": AT}).to_dict()


# -- limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"type": "memory", "value": 5}, {"type_": Limit.Type.MEMORY, "value": 5}])
def test_a_limit_may_be_given_in_words(given):
    """As configuration files and JSON have it."""
    expected = [Limit(Limit.Type.MEMORY, 5)]
    assert Job(func="a.b", limits=[given]).limits == Job(func="a.b").with_limits((given,)).limits == expected
    assert [Limit("memory", 5)] == expected
    assert type(Limit("memory", 5).type_) is Limit.Type


def test_what_a_job_tells_as_json_makes_it_again():
    """Its limits, that is, which read as they were written."""
    job = Job(func="a.b", limits=[Limit("time", 5), Limit("memory", 2**30)])
    assert Job(func="a.b", limits=json.loads(job.to_json())["limits"]) == job


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ([{"type": "disk", "value": 5}], "limits[0]: Limit type 'disk' is unknown: use Limit.Type.MEMORY (bytes)"),
        ([{"type": "time", "value": 5}, {"type": "memory", "value": "1 GB"}], "limits[1]: Limit memory is '1 GB'"),
        ([{"type": "time", "valeu": 5}], "limits[0].valeu is unknown. Did you mean 'value'?"),
        ([{"type": "time", "value": 5, "unit": "s"}], "limits[0].unit is unknown. Known: 'type', 'value'."),
        ([{"type": "time", "type_": "time", "value": 5}], "give its type"),
        ([{"value": 5}], "give its type"),
        ([{"type": "time"}], "and its value"),
        ([{}], "give its type"),
        ([{1: 2}], "limits[0].1 is unknown"),
        ([{"type": [], "value": 5}], "Limit type [] is unknown"),
        (["memory"], 'or of {"type": "memory" or "time", "value": number}'),
        ({"memory": 5}, "give a list"),
        ([{"type": "time", "value": 1}, Limit("time", 2)], "two of the same type"),
    ],
)
def test_a_wrong_limit_in_words_is_refused(limits, told):
    """With its place, and what would be right."""
    with pytest.raises(InvalidJob) as caught:
        Job(func="a.b", limits=limits)
    assert told in str(caught.value)
