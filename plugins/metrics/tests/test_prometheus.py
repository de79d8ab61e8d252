"""What Prometheus itself makes of it."""

import asyncio
import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

import metrics_jobs
import pytest
from metrics_jobs import fetch

from chancy import Backoff, Job, Queue, Worker

PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
DEBIAN = "is not installed; on Debian: apt-get install prometheus"


@pytest.fixture
async def busy(chancy, metrics, until):
    """A worker for which every metric has something to say."""
    await chancy.declare(Queue("team-a/mail:v1.2@eu"))
    failing = Job.from_func(metrics_jobs.fail).with_max_attempts(2).with_backoff(Backoff(base_s=0.01))
    async with Worker(chancy) as worker:
        jobs = [failing, *[Job.from_func(metrics_jobs.nothing)] * 20]
        await chancy.wait_for_jobs(await chancy.push_many(jobs), timeout=60)
        await chancy.push("team-a/mail:v1.2@eu", Job.from_func(metrics_jobs.nothing))
        await until(lambda: metrics._reading)
        yield worker


@pytest.mark.skipif(PROMTOOL is None, reason=f"promtool {DEBIAN}")
async def test_promtool_finds_nothing_to_complain_of(busy, metrics):
    """Names, units, types and help keep Prometheus' own conventions."""
    _, page = await fetch(metrics.address, "/metrics")
    assert "chancy_queue_jobs{" in page
    found = await asyncio.to_thread(
        subprocess.run, [PROMTOOL, "check", "metrics"], input=page, text=True, capture_output=True, timeout=60
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "", ""), found


@pytest.mark.skipif(PROMETHEUS is None, reason=f"prometheus {DEBIAN}")
async def test_a_real_prometheus_scrapes_it(busy, metrics, tmp_path, until):
    """A real Prometheus finds the worker up, and answers with the numbers that the worker counted."""
    (tmp_path / "prometheus.yml").write_text(
        "scrape_configs:\n- job_name: chancy\n  scrape_interval: 1s\n"
        f"  static_configs:\n  - targets: ['127.0.0.1:{metrics.address[1]}']\n"
    )
    port = _free_port()
    process = subprocess.Popen(  # noqa: ASYNC220 -- it returns at once
        [
            PROMETHEUS,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    async def ask(expression):
        return await asyncio.to_thread(_query, port, expression)

    async def told(expression, wanted):
        return await ask(expression) == wanted

    try:
        await until(lambda: told("up", "1"))
        await until(lambda: told('chancy_jobs_finished_total{queue="default",outcome="succeeded"}', "20"))
        await until(lambda: told('chancy_jobs_finished_total{outcome="failed",queue="default"}', "1"))
        await until(lambda: told('chancy_jobs_retried_total{queue="default"}', "1"))
        await until(lambda: told("chancy_leader", "1"))
        quantile = await ask('histogram_quantile(0.5, chancy_job_wait_seconds_bucket{queue="default"})')
        assert 0 < float(quantile) < 30
    finally:
        process.kill()
        process.wait()


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def _query(port, expression):
    url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(expression)}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            found = json.load(answer)["data"]["result"]
    except OSError:
        return None
    return found[0]["value"][1] if found else None
