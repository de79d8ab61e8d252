"""An import of real files: a job for each file, a sum, and an undo if anything failed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from chancy import job
from chancy_workflow import Workflow


@job
def list_files(*, folder: str) -> list[str]:
    """The files to be read."""
    return sorted(str(path) for path in Path(folder).glob("*.csv"))


@job(max_attempts=2)
def read_file(*, path: str) -> dict[str, float]:
    """The amounts of one file, by customer; a line that is none is an error."""
    with Path(path).open(newline="") as file:
        found: dict[str, float] = {}
        for line in csv.DictReader(file):
            found[line["customer"]] = found.get(line["customer"], 0.0) + float(line["amount"])
        return found


@job
def write_sums(*, sums: list[dict[str, float]], target: str) -> int:
    """Write one file with the sum of each customer; returns how many there are."""
    total: dict[str, float] = {}
    for one in sums:
        for customer, amount in one.items():
            total[customer] = total.get(customer, 0.0) + amount
    Path(target).write_text(json.dumps(total, sort_keys=True))
    return len(total)


@job
def remove(*, target: str) -> None:
    """Undo: what an import that failed had written."""
    Path(target).unlink(missing_ok=True)


def import_flow(folder: str, target: str) -> Workflow:
    """One import of a folder at a time; if a file cannot be read, what was written goes, and the run has failed."""
    flow = Workflow("import files", unique_key=f"import:{folder}")
    files = flow.add("list", list_files.job.with_kwargs(folder=folder))
    sums = flow.map("read", read_file.job, over=files, argument="path", max_in_flight=4)
    flow.add("write", write_sums.job.with_kwargs(sums=sums, target=target))
    flow.add("undo", remove.job.with_kwargs(target=target), after=sums, when="failed")
    return flow
