"""The settings: every wrong file is answered in words, every right one means what it says."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from psycopg import Error
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support import captured_events

from chancy_core.config import Settings, WorkerSettings, describe, load_settings, redacted
from chancy_core.errors import ConfigError
from chancy_core.values.queue import Executor, Queue

FULL = """
[chancy]
dsn = "postgresql://ann:hunter2@db.example:5433/app"
schema = "jobs"
functions = ["app.jobs.*"]
payload_limit_bytes = 1_000

[worker]
name = "big"
tags = ["gpu"]
lease_s = 20

[queues.default]
concurrency = 7
executor = "threaded"

[queues."mails.out"]

[plugins.cron]
[[plugins.cron.schedules]]
name = "nightly"
cron = "0 3 * * *"

[plugins.report]
api_token = "t0p"
nested = { password = "s3cret", level = 3 }

[plugins.empty]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's directory, where a search for files ends."""
    (tmp_path / ".git").mkdir()
    return tmp_path


def write(folder: Path, text: str | bytes, name: str = "chancy.toml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def settings(folder: Path, environ: dict[str, str] | None = None, **arguments: Any) -> Settings:
    return load_settings(environ=environ or {}, directory=folder, **arguments)


def refusal(folder: Path, environ: dict[str, str] | None = None, **arguments: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(folder, environ, **arguments)
    return str(caught.value)


# -- what is set ---------------------------------------------------------------------------


def test_without_a_file_the_defaults_hold(folder):
    """Nothing has to be written to begin."""
    found = settings(folder)
    assert found == Settings(sources=found.sources)
    assert set(found.sources.values()) == {"default"}
    assert (found.file, found.dsn, found.worker) == (None, None, WorkerSettings())


def test_a_file_sets_everything_it_names(folder):
    """Each table of a chancy.toml arrives typed in the value that is named after it."""
    file = write(folder, FULL)
    found = settings(folder)
    assert found.file == file
    assert found.schema == "jobs"
    assert found.functions == ["app.jobs.*"]
    assert found.payload_limit_bytes == 1000
    assert found.worker == WorkerSettings(name="big", tags=["gpu"], lease_s=20.0)
    assert isinstance(found.worker.lease_s, float)
    assert found.queues == {
        "default": {"concurrency": 7, "executor": Executor.Threaded},
        "mails.out": {},
    }
    assert found.plugins["cron"] == {"schedules": [{"name": "nightly", "cron": "0 3 * * *"}]}
    assert found.plugins["empty"] == {}


def test_the_queues_of_a_file_make_queues(folder):
    """The fields that were given are those of a Queue, ready to build one."""
    write(folder, '[queues.a]\ntags = ["gpu", "x.*"]\npolling_interval = 1\nexecutor = "my.own.Ex"')
    [(name, fields)] = settings(folder).queues.items()
    assert Queue(name, **fields) == Queue("a", None, ["gpu", "x.*"], "my.own.Ex", {}, 1.0)


def test_pyproject_holds_the_same_tree_below_tool_chancy(folder):
    """In pyproject.toml the settings of [chancy] stand straight in [tool.chancy]."""
    text = FULL.replace("[chancy]", "[tool.chancy]")
    text = re.sub(r"^(\[+)(worker|queues|plugins)", r"\1tool.chancy.\2", text, flags=re.MULTILINE)
    write(folder, text, "pyproject.toml")
    shared = settings(folder)
    write(folder, FULL)
    own = settings(folder)
    assert shared.sources["schema"] == "pyproject.toml"
    for name in ("dsn", "schema", "functions", "worker", "queues", "plugins"):
        assert getattr(shared, name) == getattr(own, name)


def test_a_byte_order_mark_and_windows_lines_are_read_over(folder):
    """A file saved by an editor on Windows is as good as any."""
    write(folder, b"\xef\xbb\xbf" + b'[chancy]\r\nschema = "jobs"\r\n')
    assert settings(folder).schema == "jobs"


def test_settings_cannot_be_changed():
    """Who holds the settings can rely on them."""
    with pytest.raises(AttributeError):
        Settings().schema = "other"  # type: ignore[misc]


def test_two_settings_share_no_list():
    """A default is nobody else's."""
    assert Settings().plugin_order is not Settings().plugin_order
    assert Settings().worker.tags is not Settings().worker.tags


# -- who wins ------------------------------------------------------------------------------


def test_argument_wins_over_variable_wins_over_file_wins_over_default(folder):
    """Each layer overrides the ones below it, key by key, and is named as the source."""
    write(folder, '[chancy]\nschema = "a"\npool_max_size = 3\ndiscover = false\n[worker]\nlease_s=9')
    environ = {"CHANCY_SCHEMA": "b", "CHANCY_POOL_MAX_SIZE": "4", "CHANCY_WORKER_LEASE_S": "8"}
    found = settings(folder, environ, schema="c", worker_lease_s=7)
    assert (found.schema, found.pool_max_size, found.discover) == ("c", 4, False)
    assert found.worker.lease_s == 7
    assert {key: found.sources[key] for key in ("schema", "pool_max_size", "discover", "dsn")} == {
        "schema": "argument",
        "pool_max_size": "CHANCY_POOL_MAX_SIZE",
        "discover": "chancy.toml",
        "dsn": "default",
    }
    assert found.sources["worker.lease_s"] == "argument"


def test_an_argument_that_is_none_does_not_count(folder):
    """A caller may pass on what it was given, set or not."""
    assert settings(folder, {"CHANCY_SCHEMA": "b"}, schema=None, dsn=None).schema == "b"


def test_tables_as_arguments_win_key_by_key(folder):
    """An argument for one key of a table leaves the others as the file has them."""
    write(folder, "[queues.a]\nconcurrency = 3\npolling_interval = 2\n[plugins.p]\nx = 1\ny = 2")
    found = settings(
        folder,
        queues={"a": {"concurrency": 5}},
        plugins={"p": {"y": 3}},
        worker={"lease_s": 5, "grace_s": 6},
        worker_grace_s=7,
    )
    assert found.queues == {"a": {"concurrency": 5, "polling_interval": 2.0}}
    assert found.plugins == {"p": {"x": 1, "y": 3}}
    assert (found.worker.lease_s, found.worker.grace_s) == (5.0, 7.0)
    assert found.sources["queues.a.concurrency"] == "argument"
    assert found.sources["queues.a.polling_interval"] == "chancy.toml"


# -- which file ----------------------------------------------------------------------------


def test_the_search_climbs_to_the_repository_and_no_further(tmp_path):
    """The nearest file counts, and none above the directory that has a .git."""
    write(tmp_path, '[chancy]\nschema = "outside"')
    repository = tmp_path / "repository"
    deep = repository / "a" / "b"
    deep.mkdir(parents=True)
    assert settings(deep).schema == "outside"
    (repository / ".git").mkdir()
    assert settings(deep).schema == "chancy"
    write(repository, '[tool.chancy]\nschema = "inside"', "pyproject.toml")
    assert settings(deep).schema == "inside"


def test_the_search_ends_at_home(tmp_path, monkeypatch):
    """What lies above the home directory belongs to others."""
    write(tmp_path, '[chancy]\nschema = "outside"')
    home = tmp_path / "home"
    project = home / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    assert settings(project).schema == "chancy"
    write(home, '[chancy]\nschema = "mine"')
    assert settings(project).schema == "mine"


def test_the_search_does_not_enter_a_directory_that_anyone_may_write_to(tmp_path):
    """A stranger's file in /tmp does not decide which database jobs come from."""
    write(tmp_path, '[chancy]\nschema = "stranger"')
    project = tmp_path / "project"
    project.mkdir()
    tmp_path.chmod(0o1777)
    assert settings(project).schema == "chancy"
    assert settings(tmp_path).schema == "stranger"


def test_a_pyproject_that_is_not_about_us_is_passed_over(folder):
    """The search goes on past other projects' files, even broken ones."""
    write(folder, '[chancy]\nschema = "ours"')
    write(folder, "[tool.ruff]\n", "inner/pyproject.toml")
    write(folder, "not toml", "inner/most/pyproject.toml")
    assert settings(folder / "inner" / "most").schema == "ours"


def test_a_broken_pyproject_that_mentions_us_is_an_error(folder):
    """Settings that cannot be read are not silently left out."""
    write(folder, "[tool.chancy]\nschema = jobs", "pyproject.toml")
    assert "pyproject.toml is not valid TOML: Invalid value (at line 2" in refusal(folder)


def test_chancy_toml_wins_over_pyproject_and_says_so(folder):
    """Of two files in one directory the one of our own counts; the other is named in a warning."""
    write(folder, '[chancy]\nschema = "own"')
    shared = write(folder, '[tool.chancy]\nschema = "shared"', "pyproject.toml")
    with captured_events() as logs:
        assert settings(folder).schema == "own"
    [entry] = logs
    assert (entry["event"], entry["log_level"]) == ("config_table_ignored", "warning")
    assert entry["file"] == str(shared)


@pytest.mark.parametrize("shared", ["[tool.ruff]\n", "[tool.chancy]\n", "broken"])
def test_a_pyproject_without_settings_earns_no_warning(folder, shared):
    """There is nothing to warn of when nothing is ignored."""
    write(folder, '[chancy]\nschema = "own"')
    write(folder, shared, "pyproject.toml")
    with captured_events() as logs:
        settings(folder)
    assert logs == []


def test_a_named_file_is_read_whatever_it_is_called(folder):
    """The path given wins over CHANCY_CONFIG, which wins over the search; both may be relative."""
    write(folder, '[chancy]\nschema = "found"')
    write(folder, '[chancy]\nschema = "variable"', "conf/prod.toml")
    file = write(folder, '[chancy]\nschema = "argument"', "conf/test.toml")
    environ = {"CHANCY_CONFIG": "conf/prod.toml"}
    by_variable = settings(folder, environ)
    assert (by_variable.schema, by_variable.sources["schema"]) == ("variable", "prod.toml")
    assert by_variable.file == folder / "conf" / "prod.toml"
    assert load_settings(file, environ=environ).schema == "argument"
    assert load_settings("conf/test.toml", environ=environ, directory=folder).schema == "argument"


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("missing.toml", "missing.toml, named by CHANCY_CONFIG, cannot be read: No such file"),
        (".git", "cannot be read: Is a directory"),
        ("a\0b", "cannot be read: embedded null byte"),
        (" ", "CHANCY_CONFIG is empty: give the path of a file, or leave it out"),
        ("pyproject.toml", "pyproject.toml, named by CHANCY_CONFIG, has no table [tool.chancy]"),
    ],
)
def test_a_named_file_that_cannot_serve_is_an_error(folder, name, fragment):
    """Whoever names a file wants that file and no other."""
    write(folder, "[tool.other]\n", "pyproject.toml")
    assert fragment in refusal(folder, {"CHANCY_CONFIG": name})
    if name.strip():
        assert "named by the argument path" in refusal(folder, path=name)


# -- wrong files ---------------------------------------------------------------------------

WRONG: list[tuple[str | bytes, str]] = [
    # names
    ('[chancy]\ndns = "x"', "chancy.toml: chancy.dns is unknown. Did you mean 'dsn'?"),
    ("[chancy]\nxyz = 1", "chancy.xyz is unknown. Known: 'auto_migrate'"),
    ("[worker]\nlease = 3", "worker.lease is unknown. Did you mean 'lease_s'?"),
    ("[workers]\nlease_s = 3", "workers is unknown. Did you mean 'worker'?"),
    ("[queue.default]\n", "queue is unknown. Did you mean 'queues'?"),
    ("[plugin.cron]\n", "plugin is unknown. Did you mean 'plugins'?"),
    ("[queues.a]\nconcurency = 3", "queues.a.concurency is unknown. Did you mean 'concurrency'?"),
    ('[queues.a]\nname = "b"', "queues.a.name is unknown. Known: 'concurrency'"),
    ('dsn = "postgresql://x"', "dsn is unknown. It belongs in [chancy]."),
    ("[chancy]\nlease_s = 3", "chancy.lease_s is unknown. It belongs in [worker]."),
    ('[worker]\nschema = "x"', "worker.schema is unknown. It belongs in [chancy]."),
    ("[chancy.worker]\n", "chancy.worker is unknown. Its settings belong in [worker]."),
    ('[queues.a]\nstate = "paused"', "queues.a.state cannot be set here: pause and resume"),
    # types
    ("[chancy]\ndsn = 5432", "chancy.dsn is an integer: give a connection string such as"),
    ('[chancy]\nfunctions = "app.*"', "chancy.functions is 'app.*': give a list of dotted names"),
    ("[chancy]\nschema = true", "chancy.schema is a boolean, true: give the name of a schema"),
    ('[chancy]\npooler = "yes"', "chancy.pooler is 'yes': give true or false"),
    ("[chancy]\npooler = 1", "chancy.pooler is an integer, 1: give true or false"),
    ('[chancy]\nauto_migrate = "no"', "chancy.auto_migrate is 'no': give true or false"),
    ("[chancy]\nplugin_order = [1]", "chancy.plugin_order[0] is an integer, 1: give a list of nam"),
    ('[worker]\ntags = "gpu"', "worker.tags is 'gpu': give a list of words"),
    ('[worker]\ntags = ["a", 5]', "worker.tags[1] is an integer, 5: give a list of words"),
    ("[worker]\nconcurrency = 1.5", "worker.concurrency is a float, 1.5: give a whole number"),
    ('[worker]\nlease_s = "15s"', "worker.lease_s is '15s': give seconds from 1 to 3,600"),
    (
        "[worker]\nlease_s = 2026-01-01",
        "worker.lease_s is of type date: give seconds from 1 to 3,600",
    ),
    ("[queues.a]\nconcurrency = true", "queues.a.concurrency is a boolean, true: give a whole num"),
    ('[queues.a]\ntags = "x"', "queues.a.tags is 'x': give a list of regular expressions"),
    ("[queues.a]\nexecutor_options = 1", "executor_options is an integer, 1: give a table of keyw"),
    # tables
    ("[chancy.dsn]\nhost = 1", "chancy.dsn is a table: give a connection string such as"),
    ("[worker.lease_s]\n", "worker.lease_s is a table: give seconds from 1 to 3,600"),
    ("worker = 3", "worker is an integer: make it a table, [worker]."),
    ('chancy = "postgresql://x"', "chancy is a string: make it a table, [chancy]."),
    ("[queues]\ndefault = 10", "queues.default is an integer: make it a table, [queues.default]."),
    ("[[queues]]\n", "queues is a list: make it a table, [queues]."),
    ("[plugins]\ncron = true", "plugins.cron is a boolean: make it a table, [plugins.cron]."),
    ('[plugins]\n"a.b" = 1', 'plugins."a.b" is an integer: make it a table, [plugins."a.b"].'),
    ("[[plugins.cron]]\n", "plugins.cron is a list: make it a table, [plugins.cron]."),
    # ranges
    ("[worker]\nlease_s = 0.5", "worker.lease_s is a float, 0.5: give seconds from 1 to 3,600"),
    ("[worker]\nlease_s = 4000", "worker.lease_s is an integer, 4000: give seconds from 1 to 3,600"),
    ("[worker]\nlease_s = nan", "worker.lease_s is nan: give seconds from 1 to 3,600"),
    ("[worker]\ngrace_s = inf", "worker.grace_s is inf: give seconds from 0 to"),
    ("[worker]\ngrace_s = -1", "worker.grace_s is an integer, -1: give seconds from 0 to"),
    (
        "[worker]\nconcurrency = 0",
        "worker.concurrency is an integer, 0: give a whole number from 1",
    ),
    ("[chancy]\npayload_limit_bytes = 0", "payload_limit_bytes is an integer, 0: give whole bytes"),
    (f"[chancy]\nresult_limit_bytes = {10**25}", "give whole bytes from 1 to 1,073,741,824 (1 GB)"),
    ("[chancy]\npool_max_size = -2", "chancy.pool_max_size is an integer, -2: give a whole number"),
    ("[queues.a]\nconcurrency = 0", "queues.a.concurrency: concurrency is 0; give a whole number"),
    ("[queues.a]\npolling_interval = 0", "polling_interval is 0.0; give seconds above 0"),
    ("[queues.a]\npolling_interval = nan", "polling_interval is nan; give seconds above 0"),
    # texts
    ('[chancy]\ndsn = ""', "chancy.dsn is empty: give a connection string"),
    ('[chancy]\ndsn = "  "', "chancy.dsn is a string: give a connection string"),
    ('[chancy]\nschema = ""', "chancy.schema is empty: give the name of a schema"),
    ('[worker]\nname = "a\\u0000b"', "worker.name is 'a\\x00b': give a name"),
    (
        '[chancy]\nfunctions = ["app:job"]',
        "chancy.functions[0] is 'app:job': give a list of dotted",
    ),
    (
        '[chancy]\nfunctions = ["a.*", "a..b"]',
        "chancy.functions[1] is 'a..b': give a list of dotte",
    ),
    ('[queues.a]\ntags = ["("]', "queues.a.tags: tag '(' is not a regular expression: missing )"),
    ('[queues."a b"]\n', "queues.\"a b\": Queue name 'a b': use 1 to 100 letters, digits"),
    ('[queues.a]\nexecutor = "thread"', "neither one that comes with Chancy nor the import path"),
    ('[queues.a]\nexecutor = "threadd"', "Did you mean 'threaded'?"),
    ('[queues.a]\nexecutor = "a.b:C"', "queues.a.executor: executor 'a.b:C' is neither"),
    ("[queues.a.executor_options]\nx = nan", "queues.a.executor_options: executor_options['x'] is"),
    # not TOML
    (
        "[chancy]\nschema = jobs",
        "chancy.toml is not valid TOML: Invalid value (at line 2, column 10)",
    ),
    ("[chancy\n", "is not valid TOML: Expected ']' at the end of a table declaration (at line 1"),
    (
        '[chancy]\nschema = "a"\nschema = "b"',
        "(at line 3, column 13). Something is defined there for",
    ),
    (
        "[worker]\n[chancy]\n[worker]\n",
        "(at line 3, column 8). Something is defined there for the se",
    ),
    (
        b'[chancy]\n\nx = "\xff"',
        "byte 0xff is not UTF-8 (at line 3, column 6). Save the file as UTF",
    ),
    ("[chancy]\n".encode("utf-16"), "is not UTF-8 (at line 1, column 1)"),
    ("x = " + "[" * 100_000, "is not valid TOML: nested too deeply"),
    ("[worker]\nconcurrency = " + "9" * 5000, "is not valid TOML: Exceeds the limit"),
]


@pytest.mark.parametrize(("text", "fragment"), WRONG, ids=[fragment[:40] for _, fragment in WRONG])
def test_a_wrong_file_is_refused_in_words_to_act_on(folder, text, fragment):
    """The error names the file, the place, and what to write there instead."""
    file = write(folder, text)
    message = refusal(folder)
    assert message.startswith(str(file))
    assert fragment in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (
            "[tool.chancy]\ndns = 1",
            "pyproject.toml: tool.chancy.dns is unknown. Did you mean 'dsn'?",
        ),
        ("[tool]\nchancy = 3", "tool.chancy is an integer: make it a table, [tool.chancy]."),
        ("[tool.chancy.chancy]\n", "unknown. Its settings belong in [tool.chancy]."),
        ("[tool.chancy]\nlease_s = 1", "It belongs in [tool.chancy.worker]."),
        ("[tool.chancy.worker]\nlease_s = 0", "tool.chancy.worker.lease_s is an integer, 0: give"),
        ("[tool.chancy.queues]\na = 1", "make it a table, [tool.chancy.queues.a]."),
    ],
)
def test_a_wrong_pyproject_is_answered_in_its_own_paths(folder, text, fragment):
    """A key path in an error is the one that stands in that file."""
    write(folder, text, "pyproject.toml")
    assert fragment in refusal(folder)


def test_all_problems_are_reported_in_one_error(folder):
    """Nobody mends a file one error at a time; variables and arguments are in the same list."""
    write(
        folder,
        "[chancy]\ndns = 1\npooler = 3\n[worker]\nlease_s = 0\n"
        "[queues.a]\nconcurrency = 0\npolling_interval = 0\n[plugins]\nx = 1",
    )
    first, *lines = refusal(folder, {"CHANCY_POOL_MAX_SIZE": "many"}, scheme="x").splitlines()
    assert first == "8 settings are wrong:"
    assert len(lines) == 8
    for part in ("dns", "pooler", "lease_s", "a.concurrency", "a.polling_interval", "plugins.x"):
        assert sum(part in line for line in lines) == 1
    assert any("CHANCY_POOL_MAX_SIZE is 'many'" in line for line in lines)
    assert any("argument scheme is unknown. Did you mean 'schema'?" in line for line in lines)


def test_an_unreadable_pyproject_on_the_way_is_an_error(folder, monkeypatch):
    """It might hold our settings, so a default in their place would be a guess."""
    shared = write(folder, "[tool.chancy]\n", "pyproject.toml")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert f"{shared} cannot be read: Permission denied. Make it readable" in refusal(folder)


# -- variables -----------------------------------------------------------------------------


def test_a_variable_sets_every_scalar(folder):
    """Whatever a file can say of [chancy] and [worker], a variable can."""
    found = settings(
        folder,
        {
            "CHANCY_DSN": "host=db dbname=app",
            "CHANCY_FUNCTIONS": "app.jobs.*, app.mails.send",
            "CHANCY_PLUGIN_ORDER": "cron,pruner",
            "CHANCY_RESULT_LIMIT_BYTES": "10",
            "CHANCY_AUTO_MIGRATE": "off",
            "CHANCY_WORKER_NAME": "w1",
            "CHANCY_WORKER_TAGS": "gpu",
            "CHANCY_WORKER_CONCURRENCY": "5",
            "CHANCY_WORKER_GRACE_S": "0.5",
        },
    )
    assert found.dsn == "host=db dbname=app"
    assert found.functions == ["app.jobs.*", "app.mails.send"]
    assert found.plugin_order == ["cron", "pruner"]
    assert (found.result_limit_bytes, found.auto_migrate) == (10, False)
    assert found.worker == WorkerSettings(name="w1", tags=["gpu"], concurrency=5, grace_s=0.5)
    assert found.sources["plugin_order"] == "CHANCY_PLUGIN_ORDER"


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", "TRUE", " On "])
def test_words_for_true(folder, word):
    """A switch can be thrown in any of the usual words."""
    assert settings(folder, {"CHANCY_POOLER": word}).pooler is True


@pytest.mark.parametrize("word", ["false", "0", "no", "off", "False"])
def test_words_for_false(folder, word):
    """A switch can be put back in any of the usual words."""
    assert settings(folder, {"CHANCY_DISCOVER": word}).discover is False


def test_an_empty_list_of_functions_allows_none(folder):
    """An empty variable closes the door rather than opening it."""
    assert settings(folder, {"CHANCY_FUNCTIONS": ""}).functions == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("CHANCY_POOLER", "maybe", "CHANCY_POOLER is 'maybe': give true or false."),
        ("CHANCY_POOLER", "", "CHANCY_POOLER is empty: give true or false."),
        ("CHANCY_WORKER_LEASE_S", "nan", "CHANCY_WORKER_LEASE_S is nan: give seconds from 1 to"),
        ("CHANCY_WORKER_LEASE_S", "15s", "CHANCY_WORKER_LEASE_S is '15s': give seconds from 1 to"),
        ("CHANCY_WORKER_CONCURRENCY", "1.5", "CHANCY_WORKER_CONCURRENCY is '1.5': give a whole"),
        ("CHANCY_PAYLOAD_LIMIT_BYTES", "-1", "CHANCY_PAYLOAD_LIMIT_BYTES is an integer, -1: give"),
        ("CHANCY_FUNCTIONS", "a.b,c:d", "CHANCY_FUNCTIONS[1] is 'c:d': give a list of dotted"),
        ("CHANCY_DSN", "", "CHANCY_DSN is empty: give a connection string"),
        ("CHANCY_SCHEMA", "caf\udce9", "CHANCY_SCHEMA is 'caf\\udce9': give the name of a schema"),
    ],
)
def test_a_wrong_variable_is_named(folder, name, text, message):
    """The error names the variable, as there is no file to look into."""
    assert refusal(folder, {name: text}).startswith(message)


def test_an_unknown_variable_earns_a_warning_with_the_nearest_name(folder):
    """Others may use the prefix, so it is no error; a typo is pointed out all the same."""
    with captured_events() as logs:
        settings(folder, {"CHANCY_SCHEME": "secret-value", "OTHER": "x"})
    [entry] = logs
    assert (entry["event"], entry["log_level"]) == ("variable_ignored", "warning")
    assert entry["variable"] == "CHANCY_SCHEME"
    assert entry["hint"] == "Did you mean 'CHANCY_SCHEMA'?"
    assert "secret-value" not in str(logs)


def test_reserved_variables_are_left_to_their_readers(folder):
    """What others of our own read is neither used nor warned of."""
    names = ("CHANCY_EMBEDDED_DIR", "CHANCY_TEST_DSN", "CHANCY_PLUGIN_CRON_X", "CHANCY_PLUGINS")
    with captured_events() as logs:
        found = settings(folder, dict.fromkeys(names, "x"))
    assert logs == []
    assert found == Settings(sources=found.sources)


# -- arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shema": "x"}, "argument shema is unknown. Did you mean 'schema'?"),
        ({"shema": None}, "argument shema is unknown. Did you mean 'schema'?"),
        ({"lease_s": 3}, "argument lease_s is unknown. Did you mean 'worker_lease_s'?"),
        ({"worker_lease_s": 0}, "argument worker_lease_s is an integer, 0: give seconds"),
        ({"worker": {"leas_s": 3}}, "argument worker.leas_s is unknown. Did you mean 'lease_s'?"),
        ({"worker": 3}, "argument worker is an integer: give a dict of names to values"),
        ({"queues": {"a": {"tags": ["("]}}}, "argument queues.a.tags: tag '(' is not a regular"),
        (
            {"plugins": {"cron": object()}},
            "argument plugins.cron is of type object: give a dict of names to values",
        ),
        ({"dsn": Path("x")}, "argument dsn is of type PosixPath: give a connection string"),
    ],
)
def test_a_wrong_argument_is_named(folder, arguments, message):
    """An argument is checked like a line of a file."""
    assert refusal(folder, **arguments).startswith(message)


# -- secrets -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://ann:pw@db:5433/app", "postgresql://ann:***@db:5433/app"),
        ("postgres://ann:p@w@db/app", "postgres://ann:***@db/app"),
        ("postgresql://ann@db/app", "postgresql://ann@db/app"),
        ("postgresql://", "postgresql://"),
        ("postgresql:///app?host=/run/pg", "postgresql:///app?host=/run/pg"),
        ("postgresql://a:1@[::1]:5432,b:2/app", "postgresql://a:***@[::1]:5432,b:2/app"),
        ("postgresql://db/app?password=pw&user=a", "postgresql://db/app?password=***&user=a"),
        ("postgresql://db/app?pass%77ord=pw", "postgresql://db/app?pass%77ord=***"),
        ("postgresql://db/app?pasword=pw", "postgresql://db/app?pasword=***"),
        ("postgresql://ann:p/w@db/app", "***"),
        ("postgresql://ann:12/w@db/app", "***"),
        ("postgresql://ann:1?x=w@db/app", "postgresql://ann:***@db/app"),
        ("host=db user=ann password=pw", "host=db user=ann password=***"),
        ("host = db password = 'p w' port=1", "host=db password=*** port=1"),
        (r"password='it\'s' host=db", "password=*** host=db"),
        (r"password=p\ w host=db", "password=*** host=db"),
        ("password= host=pw", "password=***"),
        ("password=a\u00a0user=b", "password=***"),
        ("password='a'user=b", "***"),
        ("password=p w", "***"),
        ("sslpassword=pw host=db", "sslpassword=*** host=db"),
        ("dbname=postgresql://a:pw@db/x", "dbname=***"),
        ("pasword=pw", "pasword=***"),
        ("mysql://ann:pw@db/app", "***"),
        (" postgresql://ann:pw@db/app", "***"),
        ("postgresql+psycopg://ann:pw@db/app", "***"),
        ("hunter2", "***"),
        ("", "***"),
    ],
)
def test_redacted(dsn, shown):
    """A connection string is shown in its own form without what nobody should read."""
    assert redacted(dsn) == shown


SECRETS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).map(
    lambda text: f"§{text}§"
)


@given(SECRETS)
def test_no_part_of_a_password_is_shown_in_any_form(secret):
    """However it is written or mis-written, nothing of a password comes out."""
    for dsn in (
        make_conninfo(host="db", user="ann", password=secret, dbname="app"),
        f"host=db password='{secret}' user=ann",
        f"postgresql://ann:{quote(secret, safe='')}@db:5432/app",
        f"postgresql://ann:{secret}@db:5432/app",
        f"postgresql://db/app?user=ann&password={quote(secret, safe='')}",
    ):
        shown = redacted(dsn)
        assert "§" not in shown
        assert quote("§") not in shown


# What psycopg says of a string that is no connection string.
UNREADABLE = (Error, UnicodeDecodeError)
PIECES = st.lists(
    st.sampled_from([*"aw1:/@?=&'\\ ,[]%", "password=", "user=", "host=", "postgresql://", "%70"]),
    max_size=20,
).map("".join)


@given(PIECES, st.sampled_from(["", "password=", "postgresql://", "postgresql://u:"]))
@settings_of_hypothesis(max_examples=1000)
def test_libpq_finds_no_password_in_what_is_shown(text, prefix):
    """Whatever string is given, the only password libpq can read from what is shown is `***`."""
    shown = redacted(prefix + text)
    try:
        password = conninfo_to_dict(shown).get("password")
    except UNREADABLE:
        password = None
    assert password in (None, "***")
    with suppress(*UNREADABLE):
        if conninfo_to_dict(prefix + text).get("password"):
            assert "***" in shown


@given(
    st.fixed_dictionaries(
        {"host": st.sampled_from(["db", "/run/pg", "::1"]), "port": st.integers(1, 65535)},
        optional={"dbname": st.sampled_from(["app", "it's", "two words"]), "user": st.just("ann")},
    )
)
def test_redaction_keeps_what_is_no_secret(parts):
    """Where the database is stays readable, and means the same as before."""
    dsn = make_conninfo("", **parts)
    assert conninfo_to_dict(redacted(dsn)) == conninfo_to_dict(dsn)


@pytest.mark.parametrize(
    "text",
    [
        'dsn = "postgresql://ann:hunter2@db/app"',
        '[chancy]\ndsn = ["postgresql://ann:hunter2@db/app"]',
        '[chancy]\ndns = "postgresql://ann:hunter2@db/app"',
        '[chancy]\nfunctions = "postgresql://ann:hunter2@db/app"',
        '[chancy]\nfunctions = ["password=hunter2"]',
        '[chancy]\npooler = "password=hunter2"',
        'chancy = "postgresql://ann:hunter2@db/app"',
        '[chancy]\ndsn = "postgresql://ann:hunter2@db/app',
        '[plugins]\npassword = "hunter2"',
    ],
)
def test_an_error_repeats_no_password(folder, text):
    """A connection string in the wrong place is complained of without being repeated."""
    write(folder, text)
    assert "hunter2" not in refusal(folder)


def test_the_repr_of_settings_holds_no_secrets(folder):
    """Settings may end up in a log or a traceback."""
    write(folder, FULL)
    shown = repr(settings(folder))
    assert "postgresql://ann:***@db.example:5433/app" in shown
    assert not re.search("hunter2|t0p|s3cret", shown)


# -- what is shown -------------------------------------------------------------------------


def test_describe_lists_every_setting_with_its_source(folder):
    """Path, value as TOML, and who set it, for what was set and what was not."""
    write(folder, FULL)
    rows = describe(settings(folder, {"CHANCY_WORKER_GRACE_S": "5"}, pooler=True))
    shown = {path: (value, source) for path, value, source in rows}
    assert len(shown) == len(rows)
    assert shown["dsn"] == ('"postgresql://ann:***@db.example:5433/app"', "chancy.toml")
    assert shown["functions"] == ('["app.jobs.*"]', "chancy.toml")
    assert shown["pooler"] == ("true", "argument")
    assert shown["auto_migrate"] == ("", "default")
    assert shown["worker.lease_s"] == ("20.0", "chancy.toml")
    assert shown["worker.grace_s"] == ("5.0", "CHANCY_WORKER_GRACE_S")
    assert shown["queues.default.executor"] == (f'"{Executor.Threaded.value}"', "chancy.toml")
    assert shown['queues."mails.out"'] == ("{}", "chancy.toml")
    assert shown["plugins.cron.schedules"] == (
        '[{ name = "nightly", cron = "0 3 * * *" }]',
        "chancy.toml",
    )
    assert shown["plugins.report.api_token"] == ('"***"', "chancy.toml")
    assert shown["plugins.report.nested"] == ('{ password = "***", level = 3 }', "chancy.toml")
    assert shown["plugins.empty"] == ("{}", "chancy.toml")


@pytest.mark.parametrize(
    "table",
    [
        '[plugins.p]\nAPI_KEY = "hunter2"',
        '[plugins.p]\ndsn = "postgresql://db/hunter2"',
        '[plugins.p]\nurl = "https://ann:hunter2@example.org"',
        '[plugins.p]\nurls = ["amqp://ann:hunter2@example.org"]',
        '[plugins.p]\nbase = "host=db password=hunter2"',
        '[[plugins.p.deep]]\nsecrets = { a = "hunter2" }',
        '[queues.q.executor_options]\ntoken = "hunter2"',
    ],
)
def test_describe_hides_secrets_at_any_depth(folder, table):
    """A value under a name that says secret, or that holds a login, is not printed."""
    write(folder, table)
    rows = describe(settings(folder))
    assert "hunter2" not in str(rows)
    assert '***"' in str(rows)


TOML_VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.text(st.characters(exclude_categories=["Cs"])).filter(lambda t: "@" not in t and "=" not in t),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc .\"'\n", min_size=1).map(lambda t: f"a{t}"), inner),
)


@given(TOML_VALUES)
def test_described_values_are_toml(value):
    """What `chancy config` prints can be put into a file and means the same there."""
    found = load_settings(environ={}, directory=Path("/"), plugins={"p": {"x": value}})
    [shown] = [text for path, text, _ in describe(found) if path == "plugins.p.x"]
    assert tomllib.loads(f"x = {shown}")["x"] == value
