"""What the page about logging shows puts the job's id into each line that is logged while it runs."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections import Counter
from pathlib import Path

import structlog
from appfiles import write_app
from docpages import BLOCK, ENDS_WITHIN_S, ROOT

FIELDS = {"job", "func", "queue", "attempt"}


def test_a_line_did_not_say_which_job_it_was_of(environment: dict[str, str], tmp_path: Path) -> None:
    """Of structlog and of the standard library, on the loop, in threads, in threads of a job's own, and in children."""
    program = (sys.executable, *write_app("logging.md", tmp_path, "pages_logging"))
    done = subprocess.run(
        program, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False
    )
    assert done.returncode == 0, done.stderr
    ids = json.loads(done.stdout)
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    said = [line for line in lines if line["event"].startswith("said by")]
    for line in said:
        name = line["event"].removeprefix("said by ")
        assert line.get("job") == ids.get(name), line
        assert line["level"] == "info"
        assert line.keys() >= FIELDS or (name == "nobody" and not FIELDS & line.keys())
    counted = Counter((line["event"].removeprefix("said by "), line["logger"]) for line in said)
    times = {"loop 0": 1, "loop 1": 1, "thread": 2, "child": 1, "nobody": 1}
    assert counted == Counter({(name, logger): n for name, n in times.items() for logger in ("library", "app")})


def test_a_line_of_text_had_no_id() -> None:
    """The filter of the page adds it, and a dash where there is none."""
    page = (ROOT / "docs" / "how-to" / "logging.md").read_text()
    (code,) = [code for _, title, _, code in BLOCK.findall(page) if title == "app/plain_logs.py"]
    names: dict = {}
    exec(code, names)
    record = logging.makeLogRecord({"msg": "charged"})
    assert names["add_job"](record)
    assert record.job == "-"
    with structlog.contextvars.bound_contextvars(job="01a2"):
        names["add_job"](record)
    assert logging.Formatter("[%(job)s] %(message)s").format(record) == "[01a2] charged"
