"""What the pages for operators say is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chaos.__main__ import load_families
from chaos.scenario import SCENARIOS

from chancy_core.config.settings import WorkerSettings
from chancy_core.worker import Stopped
from chancy_core.worker.stopping import STOP_JOBS_WITHIN_S

ROOT = Path(__file__).parents[2]
CONTAINERS = (ROOT / "docs/how-to/docker-kubernetes.md").read_text()
GUARANTEES = (ROOT / "docs/explanation/guarantees.md").read_text()
PROMISES = re.findall(r"^\| [^|]+ \| [^|]+ \| ((?:`[\w-]+`(?:, )?)+) \|$", GUARANTEES, re.MULTILINE)


def test_a_worker_is_done_before_kubernetes_kills_it():
    """The default grace time, and what stopped jobs may take then, fit into Kubernetes' default with time to spare."""
    (killed_after_s,) = {int(found) for found in re.findall(r"terminationGracePeriodSeconds: (\d+) ", CONTAINERS)}
    assert WorkerSettings().grace_s + STOP_JOBS_WITHIN_S <= killed_after_s - 5


@pytest.mark.parametrize("how", Stopped)
def test_every_exit_code_is_explained_to_operators(how):
    """The page of containers has a row for each exit code of a worker."""
    assert re.search(rf"^\| {how.value} \|", CONTAINERS, re.MULTILINE)


def test_every_promise_names_what_attacks_it():
    """Each name in the table of guarantees is a fault of the chaos suite, or a test."""
    load_families()
    tests = {name for file in (ROOT / "tests").rglob("test_*.py") for name in
             re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)}  # fmt: skip
    named = {name for names in PROMISES for name in re.findall(r"`([\w-]+)`", names)}
    tables = GUARANTEES.partition("## When a job starts more than once")[0]
    rows = [row for row in re.findall(r"^\| .* \|$", tables, re.MULTILINE) if not row.startswith("| what happens |")]
    assert len(PROMISES) == len(rows) > 40
    assert named - tests - set(SCENARIOS) == set()
