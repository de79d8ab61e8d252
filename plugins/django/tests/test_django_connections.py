"""A worker's threads, its loop and its children use Django's connections as requests do, and only so many of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

HERE = Path(__file__).parent
WITHIN_S = 300


@pytest.fixture
def limited(dsn, site):
    """The DSN of a role that may connect 40 times."""
    name = f"{site}_limited"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 40".encode())
        database = connection.info.dbname
        connection.execute(f'GRANT CREATE ON DATABASE "{database}" TO {name}'.encode())
        connection.execute(f"GRANT ALL ON SCHEMA {site} TO {name}".encode())
        connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {site} TO {name}".encode())
        connection.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {site} TO {name}".encode())
        yield psycopg.conninfo.make_conninfo(dsn, user=name)
        connection.execute(b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [name])
        connection.execute(f"DROP OWNED BY {name} CASCADE".encode())
        connection.execute(f"DROP ROLE {name}".encode())


def manage(*words, **variables):
    """Start the site's `manage.py`."""
    return subprocess.Popen(
        [sys.executable, str(HERE / "manage.py"), *words],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_three_hundred_jobs_in_a_hundred_threads_share_few_connections_and_outlive_the_loss_of_all(
    tasks, orders, limited, schema, dsn, query
):
    """Each thread with one of its own used up the server's, no outcome could be recorded, and everything hung."""
    from chancy_django.applications import backend_of, passing
    from chancy_django.compat import task_backends
    from shop.tasks import order_and_wait

    with passing(backend_of().settings, dsn=limited, discover=True) as chancy:
        chancy.sync_migrate()
    keyed = order_and_wait.using(max_attempts=5, backoff=0.1)
    results = task_backends["default"].enqueue_all((keyed, (f"number {n}",), {"seconds": 0.3}) for n in range(300))
    worker = manage("chancy", "worker", "--until-idle", "--due-within=60", SHOP_DSN=limited, SHOP_CHANCY=schema)
    role, most, dropped = psycopg.conninfo.conninfo_to_dict(limited)["user"], 0, 0
    count = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
    drop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
    output = []
    reading = threading.Thread(target=lambda: output.append(worker.communicate(timeout=WITHIN_S)[0]))
    reading.start()
    with psycopg.connect(dsn, autocommit=True) as connection:
        while reading.is_alive():
            # Until they are dropped: for a moment afterwards the server counts those that end, beside the new ones.
            if not dropped:
                most = max(most, connection.execute(count, [role]).fetchone()[0])
            if not dropped and query("SELECT count(*) FROM {s}.finished_jobs WHERE state = 'succeeded'")[0][0] > 50:
                dropped = len(connection.execute(drop, [role]).fetchall())
            time.sleep(0.01)
    reading.join()
    assert worker.returncode == 0, output
    states = query("SELECT state, count(*) FROM {s}.finished_jobs GROUP BY state")
    assert states == [("succeeded", 300)], output
    assert len(results) == 300
    assert dropped > 5
    assert 5 < most <= 35
    assert orders.values("customer").distinct().count() == 300


def test_a_child_process_sets_django_up_and_coroutines_share_one_connection(tasks, orders, drain):
    """Models could not be imported in children, and each coroutine's thread kept a connection."""
    from django.db import connections

    from shop.tasks import apay, pay

    tasks(QUEUES=["default", "apart"], queues={"apart": {"executor": "process", "concurrency": 1}})
    ordered = [orders.create(customer=f"{n}") for n in range(20)]
    apart = pay.using(queue_name="apart").enqueue(ordered[0].pk)
    others = [apay.enqueue(order.pk) for order in ordered[1:]]
    connections.close_all()
    drain([apart.id, *(one.id for one in others)])
    apart.refresh()
    assert apart.return_value["by"] != os.getpid()
    assert orders.filter(paid=True).count() == 20
    assert apay.get_result(others[0].id).return_value == "1"


def test_a_connection_that_a_job_has_broken_is_not_left_to_the_next_one(tasks, orders, drain):
    """After the server had dropped connections, jobs of the same threads failed with "the connection is closed"."""
    from shop.tasks import drop_own, pay

    tasks(queues={"default": {"concurrency": 1, "executor": "threaded"}})
    order = orders.create(customer="Ada")
    broken, good = drop_own.enqueue(), pay.enqueue(order.pk)
    states = [job.state for job in drain([broken.id, good.id])]
    assert states == ["failed", "succeeded"]
