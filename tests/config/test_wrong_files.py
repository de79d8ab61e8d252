"""Every wrong file is answered in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from configuring import refusal, write

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
