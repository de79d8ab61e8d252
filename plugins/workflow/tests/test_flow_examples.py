"""The examples, and that of the README, run as they stand."""

import importlib
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from chancy import Worker
from chancy_workflow import Run, Workflow

HERE = Path(__file__).resolve().parent.parent
TIMEOUT = 60


@pytest.fixture(autouse=True)
def importable(monkeypatch, tmp_path):
    """The examples, and what the README has, as modules."""
    monkeypatch.syspath_prepend(str(HERE / "examples"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("import_files", "order", "nightly", "readme_flow"):
        sys.modules.pop(name, None)


async def test_an_import_of_files_writes_its_sums_or_nothing(chancy, tmp_path):
    """A file for each job; one that cannot be read fails the run; once it is mended, the retry reads only that one."""
    example = importlib.import_module("import_files")
    target = tmp_path / "sums.json"
    (tmp_path / "a.csv").write_text("customer,amount\nada,1.5\nbob,2\n")
    (tmp_path / "b.csv").write_text("customer,amount\nada,oops\n")
    async with Worker(chancy):
        run = await chancy.push(example.import_flow(str(tmp_path), str(target)))
        ended = await run.wait(timeout=TIMEOUT)
        assert (
            ended.steps["read"].note
            == "1 of its 2 jobs failed; read[1]: ValueError: could not convert string to float: 'oops'"
        )
        assert ended.steps["undo"].state == "succeeded"
        assert not target.exists()
        before = ended.steps["list"].job_id
        (tmp_path / "b.csv").write_text("customer,amount\nada,2.5\n")
        await run.retry("below")
        ended = await run.wait(timeout=TIMEOUT)
    assert (ended.state, ended.result("write"), ended.steps["list"].job_id) == ("succeeded", 2, before)
    assert json.loads(target.read_text()) == {"ada": 4.0, "bob": 2.0}


async def test_an_order_is_sent_when_it_is_paid_and_put_back_when_it_is_not(chancy):
    """A payment comes as a signal, from the transaction of whoever hears of it."""
    example = importlib.import_module("order")
    async with Worker(chancy):
        paid = await chancy.push(example.order_flow(1, "lamp"))
        late = await chancy.push(example.order_flow(2, "lamp", timedelta(0)))
        async with chancy.pool.transaction() as connection:
            await paid.signal("paid", {"by": "ada"}, connection=connection)
        assert (await paid.wait(timeout=TIMEOUT)).result("send") == "lamp to ada"
        assert (await late.wait(timeout=TIMEOUT)).steps["put back"].state == "succeeded"
    assert example.STOCK == {"lamp": 2}


async def test_a_nightly_report_is_started_by_a_job(chancy):
    """As cron pushes it: a workflow in the workflow for each customer, and their results come up."""
    example = importlib.import_module("nightly")
    async with Worker(chancy):
        started = await (await chancy.push(example.start.job.with_kwargs(customers=["ada", "bob", "eve"]))).wait(
            timeout=TIMEOUT
        )
        ended = await Run(chancy, started.result).wait(timeout=TIMEOUT)
    assert ended.result("report") == "ada: 7\nbob: 10\neve: 0"


async def test_the_readme_runs_as_it_stands(chancy, tmp_path):
    """Its workflow, started in a transaction and approved by its id."""
    text = (HERE / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    (tmp_path / "readme_flow.py").write_text(text)
    readme = importlib.import_module("readme_flow")
    async with Worker(chancy):
        async with chancy.pool.transaction() as connection:
            run_id = await readme.start(chancy, connection)
        assert await readme.approve(chancy, run_id) == 21
    assert Workflow.from_json(readme.import_flow("eu").to_json()) == readme.import_flow("eu")
