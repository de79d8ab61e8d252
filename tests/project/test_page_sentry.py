"""What the page about Sentry shows tells Sentry of each job that failed, once, with its tags."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from appfiles import write_app

pytest.importorskip("sentry_sdk", reason="needs sentry-sdk")

IN_PROCESS = ("loop 0", "loop 1", "thread")
RUNS = (*IN_PROCESS, "child")
# The class of what each job fails with at its last attempt, and that attempt.
LAST = {**dict.fromkeys(RUNS, ("ValueError", "2")), "pages_sentry.dies": ("ChildProcessDied", "1")}


@pytest.fixture
def events(
    environment: dict[str, str], python: Callable[..., str], tmp_path: Path
) -> Callable[[str], list[tuple[str, dict[str, Any]]]]:
    """Runs the program; what Sentry got, with the name of the job that its tags say."""

    def run(which: str) -> list[tuple[str, dict[str, Any]]]:
        program = write_app("sentry.md", tmp_path, "pages_sentry")
        environment["SENTRY_EVENTS"] = str(tmp_path / "events")
        names = json.loads(python(*program, which))
        lines = map(json.loads, (tmp_path / "events").read_text().splitlines())
        return [(names[event["tags"]["job.id"]], event) for event in lines]

    return run


def is_failure(event: dict[str, Any]) -> bool:
    return "exception" in event


def test_a_failed_job_was_told_once_and_its_retries_not_at_all(events: Callable[..., Any]) -> None:
    """On the loop, in a thread and in a child, with what the run itself had told Sentry; to cancel is no error."""
    got = events("last attempts only")
    failures = {name: event for name, event in got if is_failure(event)}
    assert Counter(name for name, event in got if is_failure(event)) == Counter(LAST.keys())
    for name, event in failures.items():
        kind, attempt = LAST[name]
        assert (event["exception"]["values"][-1]["type"], event["tags"]["job.attempt"]) == (kind, attempt)
        assert (event["level"], event["contexts"]["chancy"]["attempt"]) == ("error", int(attempt))
    for name in IN_PROCESS:
        crumbs = [crumb["message"] for crumb in failures[name]["breadcrumbs"]["values"]]
        assert (failures[name]["user"], crumbs) == ({"id": name}, [f"the crumb of {name}"])
    # And what jobs say themselves has their tags, in children too.
    said = Counter((event["message"], name, event["tags"]["job.attempt"]) for name, event in got if "message" in event)
    assert said == Counter((f"said by {name}", name, attempt) for name in RUNS for attempt in ("1", "2"))


def test_retries_were_told_as_well_when_somebody_asked(events: Callable[..., Any]) -> None:
    """As warnings, beside the errors."""
    failures = Counter((name, event["level"]) for name, event in events("retries") if is_failure(event))
    assert failures == Counter((name, level) for name in IN_PROCESS for level in ("warning", "error"))
