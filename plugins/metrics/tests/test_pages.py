"""The pages, to those who ask nicely and to those who do not."""

import asyncio
import json
import socket

import metrics_jobs
import pytest
from metrics_jobs import fetch, send

from chancy import Chancy, Job, Worker
from chancy.errors import PluginError
from chancy.plugins.metrics import Metrics
from chancy.testing import WITHIN_S
from chancy_metrics import health, server


async def test_the_pages_of_a_running_worker(chancy, metrics):
    """Metrics in Prometheus' text format, alive and ready; anything else is not there."""
    async with Worker(chancy):
        answer = await send(metrics.address, b"GET /metrics?x=1 HTTP/1.1\r\n\r\n")
        assert b"\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n" in answer
        assert b"# TYPE chancy_jobs_pushed_total counter" in answer
        assert (await fetch(metrics.address, "/health/live"))[0] == 200
        for path in ("/health", "/health/ready"):
            status, body = await fetch(metrics.address, path)
            assert (status, json.loads(body)) == (200, {"ready": True, "problems": [], "unable": []})
        assert (await fetch(metrics.address, "/"))[0] == 404
    assert metrics.address is None


async def test_nothing_listens_unless_asked(new_chancy):
    """Without a port there is no server."""
    metrics = Metrics()
    async with new_chancy(metrics) as chancy, Worker(chancy):
        assert metrics.address is None
        assert metrics._server is None


async def test_two_workers_on_one_machine_both_start(new_chancy, caplog):
    """With the same port in their settings: the second takes the next free one, serves it, and says which."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        metrics = Metrics(port=port)
        async with new_chancy(metrics) as chancy, Worker(chancy):
            assert port < metrics.address[1] < port + server.PORTS_TRIED
            assert (await fetch(metrics.address, "/health/live"))[0] == 200
            (said,) = [one.fields for one in caplog.records if getattr(one, "event", None) == "metrics_port_taken"]
            assert (said["wanted"], said["port"]) == (port, metrics.address[1])


async def test_a_port_in_use_is_named(new_chancy, monkeypatch):
    """If no port may be tried but one, the worker refuses to start, and says which it could not have and what to do."""
    monkeypatch.setattr(server, "PORTS_TRIED", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with new_chancy(Metrics(port=port)) as chancy:
            with pytest.raises(PluginError, match=rf"(?s)'metrics' did not start.*port {port} of 127\.0\.0\.1.*free"):
                await Worker(chancy).start()


async def test_a_host_that_is_not_ours_is_named(new_chancy):
    """An address that this machine does not have is refused in words too."""
    async with new_chancy(Metrics(port=0, host="192.0.2.1")) as chancy:
        with pytest.raises(PluginError, match=r"port 0 of 192\.0\.2\.1"):
            await Worker(chancy).start()


async def test_two_workers_in_one_process_share_the_port(chancy, metrics, until):
    """The second worker does not take the port twice, and the page lives until the last one stops."""
    first, second = Worker(chancy), Worker(chancy)
    await first.start()
    address = metrics.address
    await second.start()
    assert metrics.address == address
    await first.stop()
    assert (await fetch(address, "/health/ready"))[0] == 200
    await second.stop()
    assert metrics.address is None


async def test_a_stopping_worker_is_alive_and_not_ready(chancy, metrics, until):
    """While running jobs end, readiness says no and metrics are still there."""
    metrics_jobs.gate = asyncio.Event()
    worker = Worker(chancy)
    await worker.start()
    await chancy.push(Job.from_func(metrics_jobs.wait_at_gate))
    await until(lambda: worker.running)
    stopping = asyncio.ensure_future(worker.stop())
    await until(lambda: worker.stopping)
    status, body = await fetch(metrics.address, "/health/ready")
    assert status == 503
    assert "is stopping" in body
    assert (await fetch(metrics.address, "/health/live"))[0] == 200
    assert (await fetch(metrics.address, "/metrics"))[0] == 200
    metrics_jobs.gate.set()
    await stopping


async def test_a_worker_without_its_lease_is_not_ready(chancy, metrics, until):
    """A worker whose lease ran out claims nothing, and says so."""
    async with Worker(chancy, lease_s=1) as worker:
        assert worker.lease_held
        next(task for task in worker._duties if task.get_name() == "heartbeat").cancel()
        await worker._parts.standby.stop()
        await until(lambda: not worker.lease_held)
        status, body = await fetch(metrics.address, "/health/ready")
    assert status == 503
    assert "does not hold its lease" in body


async def test_a_worker_that_does_no_work_though_it_should_is_not_ready(chancy, metrics, monkeypatch):
    """It holds its lease and the database answers; why it stands still is its own word. It is alive all the same."""
    monkeypatch.setattr(Worker, "hindered", "nothing was recorded for 15 s")
    async with Worker(chancy):
        status, body = await fetch(metrics.address, "/health/ready")
        assert (status, "nothing was recorded for 15 s" in body) == (503, True)
        assert (await fetch(metrics.address, "/health/live"))[0] == 200
        monkeypatch.setattr(Worker, "hindered", None)
        assert (await fetch(metrics.address, "/health/ready"))[0] == 200


async def test_a_worker_that_cannot_run_a_function_is_ready_and_names_it(chancy, metrics, until):
    """The page lists the function with its queue, and not why; the worker is ready for everything else."""
    async with Worker(chancy) as worker:
        await chancy.push(Job("nowhere.f"))
        await until(lambda: worker.unable)
        status, body = await fetch(metrics.address, "/health/ready")
    assert (status, json.loads(body)) == (
        200,
        {"ready": True, "problems": [], "unable": [{"queue": "default", "func": "nowhere.f"}]},
    )


async def test_the_page_does_not_wait_for_a_connection_that_does_not_let_go(chancy, metrics, monkeypatch):
    """To ask the database is given up, and what comes of that is nobody's to wait for."""
    monkeypatch.setattr(health, "ANSWER_WITHIN_S", 0.05)
    let_go = asyncio.Event()

    async def deaf(self):
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    async with Worker(chancy):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Chancy, "get_all_queues", deaf)
            status, body = await asyncio.wait_for(fetch(metrics.address, "/health/ready"), 60)
            assert (status, "did not answer within" in body) == (503, True)
        let_go.set()


async def test_a_database_out_of_reach_is_not_ready(chancy, metrics, monkeypatch):
    """A database that does not answer is told without its name, after a bounded time."""
    monkeypatch.setattr(health, "ANSWER_WITHIN_S", 0.05)
    async with Worker(chancy):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Chancy, "get_all_queues", lambda _: asyncio.sleep(60))
            status, body = await fetch(metrics.address, "/health/ready")
            assert (status, "did not answer within" in body) == (503, True)
            assert (await fetch(metrics.address, "/health/live"))[0] == 200


async def test_readiness_is_no_load_on_the_database(chancy, metrics, monkeypatch):
    """Asked fifty times at once, it asks the database once."""
    asked = []
    real = Chancy.get_all_queues

    async def counted(self):
        asked.append(1)
        return await real(self)

    async with Worker(chancy):
        monkeypatch.setattr(Chancy, "get_all_queues", counted)
        monkeypatch.setattr(health, "GOOD_FOR_S", 60)
        for _ in range(5):
            answers = await asyncio.gather(*(fetch(metrics.address, "/health/ready") for _ in range(10)))
            assert {status for status, _ in answers} == {200}
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /metrics HTTP/2\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /\xff\xfe HTTP/1.1\r\n\r\n", b"404"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 8200, b"431"),
    ],
)
async def test_what_is_no_plain_get_is_refused(chancy, metrics, request_, status):
    """Other methods, other protocols, other paths and long heads get an answer that says so."""
    async with Worker(chancy):
        answer = await send(metrics.address, request_)
        assert answer.startswith(b"HTTP/1.1 " + status), answer[:100]
        assert (await fetch(metrics.address, "/health/live"))[0] == 200


async def test_slow_clients_are_cut_off_and_keep_nobody_waiting(chancy, metrics, monkeypatch):
    """Connections that say nothing are closed after a while; meanwhile others are served."""
    monkeypatch.setattr(server, "READ_WITHIN_S", 2)
    async with Worker(chancy):
        slow = [await asyncio.open_connection(*metrics.address) for _ in range(20)]
        slow[0][1].write(b"GET /metrics HTT")
        assert (await fetch(metrics.address, "/metrics"))[0] == 200
        async with asyncio.timeout(WITHIN_S):
            for reader, writer in slow:
                assert await _read_all(reader) == b""
                writer.close()


async def test_a_client_that_does_not_read_is_cut_off(chancy, metrics, monkeypatch, until):
    """An answer that nobody takes is given up after a while."""
    monkeypatch.setattr(server, "WRITE_WITHIN_S", 0.3)
    big = server.text(server.HTTPStatus.OK, "x" * 50_000_000)

    async def page():
        return big

    async with Worker(chancy):
        metrics._server._pages["/metrics"] = page
        _, writer = await asyncio.open_connection(*metrics.address, limit=1024)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        await until(lambda: metrics._server._clients)
        await until(lambda: not metrics._server._clients)
        writer.transport.abort()


async def test_more_connections_than_there_may_be_are_closed_at_once(chancy, metrics, until):
    """A crowd is turned away at the door, and once it has left there is service again."""
    async with Worker(chancy):
        crowd = [await asyncio.open_connection(*metrics.address) for _ in range(server.CONNECTIONS_MAX)]
        await until(lambda: len(metrics._server._clients) == server.CONNECTIONS_MAX)
        reader, writer = await asyncio.open_connection(*metrics.address)
        assert await _read_all(reader) == b""
        for _, each in [*crowd, (reader, writer)]:
            each.transport.abort()
        await until(lambda: not metrics._server._clients)
        assert (await fetch(metrics.address, "/health/live"))[0] == 200


async def test_a_page_that_fails_is_an_answer(chancy, metrics):
    """A page that cannot be made says so, and tells nothing of why."""

    async def broken():
        raise RuntimeError("secret")

    async with Worker(chancy):
        metrics._server._pages["/metrics"] = broken
        status, body = await fetch(metrics.address, "/metrics")
    assert status == 500
    assert "secret" not in body


async def test_stopping_does_not_wait_for_a_client(chancy, metrics, monkeypatch):
    """Somebody who holds a connection open does not hold up the worker's end."""
    monkeypatch.setattr(server, "READ_WITHIN_S", 3600)
    worker = Worker(chancy)
    await worker.start()
    _, writer = await asyncio.open_connection(*metrics.address)
    async with asyncio.timeout(WITHIN_S):
        await worker.stop()
    writer.close()


async def _read_all(reader):
    try:
        return await reader.read()
    except ConnectionError:
        return b""
