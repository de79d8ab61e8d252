"""A report each night: cron starts a job, which pushes a workflow with another one in it for each customer.

```toml
[[plugins.cron.schedules]]
name = "nightly"
cron = "0 3 * * *"
job = { func = "nightly.start", kwargs = { customers = ["ada", "bob"] } }
```
"""

from __future__ import annotations

from chancy import JobContext, job
from chancy_workflow import Workflow

SALES = {"ada": [3, 4], "bob": [10], "eve": []}


@job
async def read_sales(*, customer: str) -> list[int]:
    """What a customer bought."""
    return SALES[customer]


@job
async def sum_up(*, customer: str, sales: list[int]) -> dict[str, int | str]:
    """A customer's line of the report."""
    return {"customer": customer, "sum": sum(sales)}


@job
async def write_report(*, lines: list[dict[str, int | str]]) -> str:
    """The report."""
    return "\n".join(f"{line['customer']}: {line['sum']}" for line in lines)


def customer_flow(customer: str) -> Workflow:
    """What is done for one customer."""
    flow = Workflow(f"report of {customer}")
    sales = flow.add("read", read_sales.job.with_kwargs(customer=customer))
    flow.add("sum", sum_up.job.with_kwargs(customer=customer, sales=sales))
    return flow


def nightly_flow(customers: list[str]) -> Workflow:
    """All customers at the same time, and then the report."""
    flow = Workflow("nightly", unique_key="nightly")
    lines = [flow.include(customer, customer_flow(customer), result="sum") for customer in customers]
    flow.add("report", write_report.job.with_kwargs(lines=lines))
    return flow


@job
async def start(*, customers: list[str], context: JobContext) -> str:
    """What cron pushes: the id of the run."""
    return str(await context.chancy.push(nightly_flow(customers)))
