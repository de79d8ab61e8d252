"""The Grafana boards and the alert rules: they name what there is, and their questions can be answered."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import metrics_jobs
import psycopg
import pytest
from boards import METRIC, filled, panels, targets
from click.testing import CliRunner
from psycopg.sql import SQL, Identifier

from chancy import Backoff, Chancy, Job, Worker
from chancy_metrics import commands
from chancy_metrics.commands import read, with_schema

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed; on Debian: apt-get install prometheus"
)
BOARDS = ("prometheus.json", "postgresql.json")
VIEW = re.compile(r'"\$\{schema:raw\}"\.(\w+)')
# What a histogram is queried by.
PARTS = ("_bucket", "_sum", "_count")


def promtool(*arguments):
    return subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
async def names(chancy, metrics, until):
    """Every metric of a worker that has done a bit of everything."""
    failing = Job.from_func(metrics_jobs.fail).with_max_attempts(2).with_backoff(Backoff(base_s=0.01))
    async with Worker(chancy):
        await chancy.wait_for_jobs(await chancy.push_many([failing, Job.from_func(metrics_jobs.nothing)]), timeout=60)
        await until(lambda: metrics._reading)
        families = list(metrics.registry.collect())
    found = set()
    for family in families:
        suffixes = {"counter": ("_total",), "histogram": PARTS}.get(family.type, ("",))
        found |= {family.name + suffix for suffix in suffixes}
    return found


async def test_every_metric_of_the_boards_and_the_alerts_exists(names):
    """No panel stays empty and no alert silent because the plugin calls it otherwise; and no metric is forgotten."""
    board = " ".join(expression for _, expression in targets("prometheus.json", "expr"))
    rules = " ".join(line for line in read("alerts.yml").splitlines() if not line.lstrip().startswith("#"))
    named = set(METRIC.findall(board))
    assert named - names == set()
    assert set(METRIC.findall(rules)) - names - {"chancy_metrics"} == set()
    assert len(named) > 20
    # Of a histogram one part is enough.
    unseen = {name for name in names - named if not name.endswith(PARTS)}
    assert unseen == set()


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_is_one_that_grafana_can_lay_out(name):
    """Each panel has its own number and its own place, a title, a data source that can be chosen, and a question."""
    board = json.loads(read(name))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    for panel in panels(name):
        assert panel["title"]
        assert panel["targets"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
    kinds = {variable["name"]: variable["type"] for variable in board["templating"]["list"]}
    assert kinds["datasource"] == "datasource"
    assert {name for name in re.findall(r"\$\{?(\w+)", read(name)) if not name.startswith("__")} <= set(kinds)


@needs_promtool
def test_promtool_understands_every_question(tmp_path):
    """The rules, and each expression of the board as Grafana would ask it."""
    (tmp_path / "alerts.yml").write_text(read("alerts.yml"))
    rules = [
        {"record": f"panel:{number}", "expr": filled(expression)}
        for number, (_, expression) in enumerate(targets("prometheus.json", "expr"))
    ]
    # JSON is YAML.
    (tmp_path / "board.yml").write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    done = promtool("check", "rules", tmp_path / "alerts.yml", tmp_path / "board.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


HEALTHY = {
    'chancy_slots{instance="a",queue="mail"}': "100x120",
    'chancy_slots_used{instance="a",queue="mail"}': "100x120",
    'chancy_leader{instance="a"}': "1x120",
    'chancy_leader{instance="b"}': "0x120",
    'chancy_queue_oldest_runnable_seconds{queue="mail"}': "2x120",
    'chancy_queue_jobs{queue="mail",state="pending"}': "5000x120",
    'chancy_jobs_finished_total{queue="mail",outcome="succeeded"}': "0+600x120",
    'chancy_jobs_finished_total{queue="mail",outcome="failed"}': "0+6x120",
    'chancy_jobs_retried_total{queue="mail"}': "0+60x120",
    'chancy_jobs_rescued_total{queue="mail"}': "3x120",
    'chancy_outcomes_stale_total{queue="mail"}': "3x120",
    'chancy_hook_failures_total{plugin="cron",hook="on_tick"}': "3x120",
    "chancy_database_oldest_transaction_seconds": "3x120",
    "chancy_database_oldest_snapshot_transactions": "90000x120",
    'chancy_table_dead_rows{table="jobs"}': "90000x120",
    "chancy_database_reading_failures_total": "3x120",
}
# For each alert, what is otherwise than on a healthy day; None: it is not there.
PROVOKED = {
    "": {},
    "ChancyNoWorker": {
        'chancy_slots{instance="a",queue="mail"}': None,
        'chancy_slots_used{instance="a",queue="mail"}': None,
    },
    "ChancyJobsWait": {
        'chancy_queue_oldest_runnable_seconds{queue="mail"}': "0+60x120",
        'chancy_slots_used{instance="a",queue="mail"}': "0x120",
    },
    "ChancyBacklogGrows": {'chancy_queue_jobs{queue="mail",state="pending"}': "900+10x120"},
    "ChancyWorkersFull": {'chancy_queue_oldest_runnable_seconds{queue="mail"}': "100x120"},
    "ChancyJobsFail": {'chancy_jobs_finished_total{queue="mail",outcome="failed"}': "0+300x120"},
    "ChancyRetriesPileUp": {'chancy_jobs_retried_total{queue="mail"}': "0+1200x120"},
    "ChancyWorkersLost": {'chancy_jobs_rescued_total{queue="mail"}': "3x110 5x10"},
    "ChancyOutcomesStale": {'chancy_outcomes_stale_total{queue="mail"}': "3x110 5x10"},
    "ChancyHookFails": {'chancy_hook_failures_total{plugin="cron",hook="on_tick"}': "3x110 5x10"},
    "ChancyNoLeader": {'chancy_leader{instance="a"}': "0x120"},
    "ChancyOldTransaction": {"chancy_database_oldest_transaction_seconds": "0+60x120"},
    "ChancyDeadRows": {'chancy_table_dead_rows{table="jobs"}': "2000000x120"},
    "ChancyOldSnapshot": {"chancy_database_oldest_snapshot_transactions": "150000000x120"},
    "ChancyDatabaseNotRead": {"chancy_database_reading_failures_total": "0+1x120"},
}


@needs_promtool
@pytest.mark.parametrize("alert", PROVOKED)
def test_each_alert_is_heard_when_it_should_be_and_no_other(alert, tmp_path):
    """Two hours of what is wrong, evaluated by Prometheus itself; and a healthy day, on which nothing is heard."""
    (tmp_path / "alerts.yml").write_text(read("alerts.yml"))
    series = {**HEALTHY, **PROVOKED[alert]}
    heard = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if alert else []
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items() if values],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "118m",
                "exp_samples": heard,
            }
        ],
    }
    tests = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "test.yml").write_text(json.dumps(tests))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_provoked_and_described():
    """Each rule is among those that are provoked, says what to do, and stands in the README."""
    rules = read("alerts.yml")
    alerts = set(re.findall(r"- alert: (\w+)", rules))
    assert alerts == set(PROVOKED) - {""}
    assert rules.count("description:") == rules.count("summary:") == len(alerts)
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert alerts == set(re.findall(r"^\| `(Chancy\w+)`", readme, re.MULTILINE))


@pytest.fixture
async def with_history(new_chancy, dsn, schema):
    """A schema with the tables of chancy-history, and a role that may read what the README grants it, and no more."""
    history = pytest.importorskip("chancy_history", reason="needs chancy-history")
    role = f"grafana_{schema}"
    views = ("jobs_v1", "finished_jobs_v1", "queues_v1", "workers_v1", "history_v1", "history_depths_v1")
    async with (
        new_chancy(history.History()) as chancy,
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin,
    ):
        await chancy.migrate()
        async with Worker(chancy):
            await chancy.wait_for_jobs(await chancy.push_many([Job.from_func(metrics_jobs.fail)]), timeout=60)
        await admin.execute(SQL("CREATE ROLE {}").format(Identifier(role)))
        await admin.execute(SQL("GRANT USAGE ON SCHEMA {} TO {}").format(Identifier(schema), Identifier(role)))
        for view in views:
            await admin.execute(SQL("GRANT SELECT ON {} TO {}").format(Identifier(schema, view), Identifier(role)))
        await admin.execute(SQL("SET ROLE {}").format(Identifier(role)))
        yield admin
        await admin.execute("RESET ROLE")
        await admin.execute(SQL("DROP OWNED BY {}").format(Identifier(role)))
        await admin.execute(SQL("DROP ROLE {}").format(Identifier(role)))


async def test_every_sql_panel_runs_on_a_real_database(with_history, schema):
    """Each question, and the list of queues, as Grafana would ask it, by a role that may read the views alone."""
    board = json.loads(read("postgresql.json"))
    asked = list(targets("postgresql.json", "rawSql"))
    asked += [
        (variable["name"], variable["query"]) for variable in board["templating"]["list"] if variable["name"] == "queue"
    ]
    answers = {}
    for title, text in asked:
        sql = text.replace("${schema:raw}", schema).replace("$queue", "'default'")
        sql = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN now() - interval '3 hours' AND now()", sql)
        assert "$" not in sql, title
        cursor = await with_history.execute(sql.encode())
        columns = [column.name for column in cursor.description]
        answers[title] = [dict(zip(columns, row, strict=True)) for row in await cursor.fetchall()]
    formats = {panel["title"]: panel["targets"][0]["format"] for panel in panels("postgresql.json")}
    series = {title for title, kind in formats.items() if kind == "time_series"}
    for title in series:
        assert all(list(row) == ["time", "metric", "value"] for row in answers[title]), title
    assert [row["queue"] for row in answers["Queues"]] == ["default"]
    (failure,) = answers["What fails"]
    assert (failure["func"], failure["error_type"], failure["jobs"]) == ("metrics_jobs.fail", "ValueError", 1)
    assert answers["Ended, by queue"]
    assert {row["value"] for row in answers["Failing, by queue"]} == {1.0}


def test_the_sql_board_reads_views_only():
    """The tables are not public, and may change with any release."""
    named = {name for _, text in targets("postgresql.json", "rawSql") for name in VIEW.findall(text)}
    assert named == {"jobs_v1", "finished_jobs_v1", "queues_v1", "workers_v1", "history_v1", "history_depths_v1"}


def test_the_command_prints_them(dsn, schema):
    """Each file as it is; the SQL board with the schema of the settings; anything else is refused."""

    def run(*arguments, code=0):
        result = CliRunner().invoke(commands.metrics, arguments, obj=lambda: Chancy(dsn, schema=schema, discover=False))
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    assert run("prometheus") == read("prometheus.json")
    assert run("alerts") == read("alerts.yml")
    board = json.loads(run("postgresql"))
    assert [one["query"] for one in board["templating"]["list"] if one["name"] == "schema"] == [schema]
    assert "prometheus" in run("grafana", code=2)


def test_a_board_for_another_schema_differs_in_nothing_else():
    """Choosing the schema loses nothing of the board."""
    assert json.loads(with_schema(read("postgresql.json"), "chancy")) == json.loads(read("postgresql.json"))


async def test_a_worker_does_without_click():
    """The command's libraries are not a worker's."""
    code = "import sys; sys.modules['click'] = None; from chancy_metrics import Metrics; Metrics()"
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=False)
    assert done.returncode == 0
