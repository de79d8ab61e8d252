"""The settings: which file is read, who wins, variables and arguments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from configuring import FULL, refusal, settings, write
from support import captured_events

from chancy_core.config import Settings, WorkerSettings, load_settings
from chancy_core.values.queue import Executor, Queue


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
        assert "named by the argument config" in refusal(folder, path=name)


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
