"""The configuration files that the pages of how-to show: read by what reads them, as far as that can be had here."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from docpages import BLOCK, ENDS_WITHIN_S, ROOT

from chancy_core.cli.group import chancy as command
from chancy_core.config.settings import WorkerSettings
from chancy_core.worker.stopping import STOP_JOBS_WITHIN_S

HOW_TO = ROOT / "docs" / "how-to"
# What a worker may take from SIGTERM to its exit, with its usual settings.
STOPS_WITHIN_S = WorkerSettings().grace_s + STOP_JOBS_WITHIN_S


def files(page: str) -> dict[str, str]:
    """The files that a page shows, by their names."""
    return {Path(title).name: code for _, title, _, code in BLOCK.findall((HOW_TO / page).read_text()) if title}


UNITS = {name: text for name, text in files("systemd.md").items() if name.endswith((".service", ".timer"))}


def typed(line: str) -> list[str]:
    """What is given to `chancy` in a line of a file; variables before it, `exec` and its folder do not matter."""
    words = shlex.split(line)
    while words[0] == "exec" or re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        del words[0]
    assert Path(words[0]).name == "chancy", line
    return words[1:]


def check_understood(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if there is no such command, or if it has no such option."""
    monkeypatch.setenv("CHANCY_DISCOVER", "true")
    found: click.Command | None = command
    context = click.Context(command)
    while isinstance(found, click.Group):
        _, (name, *arguments), _ = found.make_parser(context).parse_args(arguments)
        found = found.get_command(context, name)
        context = click.Context(found or command, parent=context)
    assert found is not None
    found.parse_args(context, arguments)


def section(text: str, name: str) -> dict[str, str]:
    """A section of a unit of systemd."""
    parser = configparser.RawConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return dict(parser[name])


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
def test_a_unit_of_systemd_starts_no_command_that_there_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service starts is understood."""
    check_understood(typed(section(UNITS[name], "Service")["ExecStart"]), monkeypatch)


def test_systemd_killed_a_worker_that_handed_back_its_jobs() -> None:
    """It waits for longer than the worker takes, and signals no program that a job has started."""
    service = section(UNITS["chancy-worker.service"], "Service")
    assert int(service["TimeoutStopSec"]) >= STOPS_WITHIN_S + 5
    assert service["KillMode"] == "mixed"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_did_not_understand_the_units(tmp_path: Path) -> None:
    """All of them at once; the programs and the user of the page need not be here."""
    for name, text in UNITS.items():
        (tmp_path / name).write_text(text.replace("/srv/app/venv/bin/chancy", shutil.which("true")))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if str(tmp_path) in line or line.startswith("chancy-")]
    assert told == [], done.stderr


def test_the_file_of_heroku_names_no_command_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The release migrates, and the worker works; whoever starts it is replaced by it."""
    lines = dict(line.split(": ", 1) for line in files("heroku-fly.md")["Procfile"].splitlines())
    assert lines.keys() == {"release", "web", "worker"}
    for name, words in (("release", ["migrate"]), ("worker", ["worker"])):
        assert " exec chancy " in lines[name]
        assert typed(lines[name]) == words
        check_understood(words, monkeypatch)


def test_the_file_of_fly_killed_a_worker_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for as long as a worker takes, and its commands are understood."""
    found = tomllib.loads(files("heroku-fly.md")["fly.toml"])
    assert found["kill_timeout"] >= STOPS_WITHIN_S + 5
    assert found["http_service"]["processes"] == ["web"]
    for line in (found["deploy"]["release_command"], found["processes"]["worker"]):
        check_understood(typed(line), monkeypatch)


def test_the_image_keeps_signals_from_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry point and its arguments are lists, so that no shell stands between."""
    (image,) = (
        c for kind, _, _, c in BLOCK.findall((HOW_TO / "docker-kubernetes.md").read_text()) if kind == "dockerfile"
    )
    given = dict(re.findall(r"^(ENTRYPOINT|CMD) (.*)$", image, re.MULTILINE))
    words = [*json.loads(given["ENTRYPOINT"]), *json.loads(given["CMD"])]
    check_understood(typed(shlex.join(words)), monkeypatch)


def documents() -> Iterator[tuple[str, str]]:
    """Every document in YAML, with its page."""
    for page in sorted(HOW_TO.glob("*.md")):
        for number, (kind, _, _, code) in enumerate(BLOCK.findall(page.read_text()), 1):
            if kind == "yaml":
                yield f"{page.stem}-{number}", code


def values(found: Any, key: str) -> Iterator[Any]:
    """Every value of a key, however deep it stands."""
    if isinstance(found, dict):
        yield from ([found[key]] if key in found else [])
        for inner in found.values():
            yield from values(inner, key)
    elif isinstance(found, list):
        for inner in found:
            yield from values(inner, key)


def test_a_document_in_yaml_was_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each can be read; what it starts is understood, and what it stops has the time for it."""
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    commands, times = [], []
    for name, text in documents():
        found = yaml.safe_load(text)
        assert isinstance(found, dict), name
        # Those of containers go to the entry point of the image, `chancy`; those of Render are lines.
        commands += [*values(found, "args"), *(v for v in values(found, "command") if isinstance(v, list))]
        commands += [typed(v) for key in ("startCommand", "preDeployCommand") for v in values(found, key)]
        keys = ("terminationGracePeriodSeconds", "maxShutdownDelaySeconds", "stop_grace_period")
        times += [int(str(v).rstrip("s")) for key in keys for v in values(found, key)]
    for words in commands:
        check_understood(words, monkeypatch)
    assert len(commands) >= 5
    assert len(times) == 3
    assert min(times) >= STOPS_WITHIN_S + 5


METRIC = re.compile(r"\bchancy_\w+")


def test_the_page_of_monitoring_names_a_metric_that_is_none() -> None:
    """Each is listed by the plugin, whose own tests hold that list to what there is."""
    listed = set(METRIC.findall((ROOT / "plugins/metrics/README.md").read_text()))
    page = (HOW_TO / "monitoring.md").read_text()
    assert set(METRIC.findall(page)) - listed == set()
    alerts = (ROOT / "plugins/metrics/src/chancy_metrics/boards/alerts.yml").read_text()
    for name in ("ChancyNoWorker", "ChancyJobsWait", "ChancyJobsFail", "ChancyWorkersLost", "ChancyOldTransaction"):
        assert f"alert: {name}\n" in alerts  # what "worth an alarm" is about


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_prometheus_did_not_understand_its_files(tmp_path: Path) -> None:
    """The configuration, with the rules that it names, and the rule of one's own."""
    for name, text in files("monitoring.md").items():
        (tmp_path / name).write_text(text)
    shutil.copy(ROOT / "plugins/metrics/src/chancy_metrics/boards/alerts.yml", tmp_path / "chancy-alerts.yml")
    for kind, name in (("config", "prometheus.yml"), ("rules", "shop-alerts.yml")):
        done = subprocess.run(
            ["promtool", "check", kind, str(tmp_path / name)],
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout
