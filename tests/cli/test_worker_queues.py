"""`chancy worker --queue`: which queues a worker of the command serves."""

from __future__ import annotations

import pytest

from chancy import Job, Queue, State

NOOP = Job(func="jobs.noop")


@pytest.mark.parametrize(
    "options",
    [["--queue", "mail", "--queue", "report-*"], ["--queue", "mail, report-*"], ["--queue", "*a*i*,report-a"]],
)
def test_a_worker_of_the_command_could_not_be_kept_to_some_queues(new_chancy, run, options):
    """It runs what is in those, and leaves the others alone."""
    with new_chancy() as chancy:
        for name in ("mail", "report-a", "video"):
            chancy.sync_declare(Queue(name))
        mail, report, video = (chancy.sync_push(name, NOOP) for name in ("mail", "report-a", "video"))
        done = run("worker", "--until-idle", *options)
        assert done.code == 0, done.err
        assert [one.sync_get().state for one in (mail, report, video)] == [
            State.SUCCEEDED,
            State.SUCCEEDED,
            State.PENDING,
        ]


@pytest.mark.parametrize("name", ["", "a b", "mail,", "\N{SNOWMAN}"])
def test_what_is_no_name_is_refused(run, name):
    """In one line that says what to give; no worker starts."""
    done = run("worker", "--until-idle", "--queue", name)
    assert done.code == 1
    assert "give a list of names of queues" in done.err
    assert "Traceback" not in done.err
