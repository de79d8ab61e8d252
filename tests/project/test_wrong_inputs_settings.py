"""Wrong settings, in code, in the file and in the environment: each is refused in words to act on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from configuring import refusal, settings, write
from support import captured_events
from wrong_inputs import Row, check_text, each, refused

from chancy import Chancy, Plugin, Queue, Worker
from chancy.errors import ConfigError, PluginError


class Audit(Plugin):
    """Somebody's plugin."""

    name = "audit"

    keep_days: int = 30
    api_token: str | None = None
    queues: list[str] = msgspec.field(default_factory=list)
    mail: dict[str, int] = msgspec.field(default_factory=dict)


NAMES = {
    "Chancy": lambda *args, **given: Chancy(*(args or ("postgresql://localhost/app",)), **{"discover": False, **given}),
    "Worker": Worker,
    "Queue": Queue,
    "Audit": Audit,
    "Plugin": Plugin,
    "Path": Path,
    "SimpleNamespace": SimpleNamespace,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's directory, where a search for files ends."""
    (tmp_path / ".git").mkdir()
    return tmp_path


ARGUMENTS: list[Row] = [
    ("Chancy(5)", ConfigError, "argument dsn is an integer … give a connection string such as postgresql://"),
    ("Chancy('')", ConfigError, "argument dsn is empty … or leave it out for the embedded database"),
    ("Chancy('  ')", ConfigError, "argument dsn is a string … give a connection string"),
    ("Chancy(b'postgresql://x')", ConfigError, "argument dsn is of type bytes … a connection string"),
    ("Chancy(Path('/tmp'))", ConfigError, "argument dsn is of type PosixPath … a connection string"),
    ("Chancy({'host': 'x'})", ConfigError, "argument dsn is a table … a connection string"),
    ("Chancy({'NAME': 'x', 'ENGINE': 'django.db.backends.mysql'})", ConfigError, "ENGINE 'django.db.backends.mysql'"),
    ("Chancy(schema='')", ConfigError, 'argument schema is empty … such as "chancy"'),
    ("Chancy(schema=5)", ConfigError, "argument schema is an integer, 5 … the name of a schema"),
    ("Chancy(schema='my app')", ConfigError, "schema is 'my app' … lower-case letters, digits and underscores"),
    ("Chancy(schema='Chancy')", ConfigError, "schema is 'Chancy' … lower-case letters"),
    ("Chancy(schema='pg_chancy')", ConfigError, "schema is 'pg_chancy' … Give another"),
    ("Chancy(schema='information_schema')", ConfigError, "'information_schema' … for itself. Give another"),
    ("Chancy(schema='x' * 64)", ConfigError, "use 1 to 48"),
    ("Chancy(shema='x')", ConfigError, "argument shema is unknown. Did you mean 'schema'?"),
    ("Chancy(prefix='chancy_')", ConfigError, "argument prefix is unknown. Known: 'auto_migrate'"),
    ("Chancy(lease_s=3)", ConfigError, "argument lease_s is unknown. Did you mean 'worker_lease_s'?"),
    ("Chancy(worker_lease_s=0)", ConfigError, "argument worker_lease_s is an integer, 0 … seconds from 1 to 3,600"),
    ("Chancy(worker_tags='gpu')", ConfigError, "argument worker_tags is 'gpu' … a list of words"),
    ("Chancy(worker=5)", ConfigError, "argument worker is an integer … give a dict of names to values"),
    ("Chancy(worker={'lease': 5})", ConfigError, "argument worker.lease is unknown. Did you mean 'lease_s'?"),
    ("Chancy(queues=[Queue('mail')])", ConfigError, "argument queues is a list … give a dict"),
    ("Chancy(queues={'mail': {'concurrency': 0}})", ConfigError, "queues.mail.concurrency … concurrency is 0 … from 1"),
    ("Chancy(queues={'my mail': {}})", ConfigError, "Queue name 'my mail' … letters, digits"),
    (
        "Chancy(queues={'mail': {'rate_limit': 5}})",
        ConfigError,
        "queues.mail.rate_limit is 5 … pip install chancy-limits",
    ),
    ("Chancy(pool_max_size=0)", ConfigError, "argument pool_max_size is an integer, 0 … from 1 to 10,000"),
    ("Chancy(pool_max_size='5')", ConfigError, "argument pool_max_size is '5' … a whole number"),
    ("Chancy(functions='app.*')", ConfigError, "argument functions is 'app.*' … a list of dotted names"),
    ("Chancy(functions=[print])", ConfigError, "argument functions[0] is of type builtin_function … a list of dotted"),
    ("Chancy(notifications='no')", ConfigError, "argument notifications is 'no' … true or false"),
    ("Chancy(auto_migrate='yes')", ConfigError, "argument auto_migrate is 'yes' … true or false"),
    ("Chancy(log_format='xml')", ConfigError, 'argument log_format is \'xml\' … "auto", "json" or "console"'),
    ("Chancy(payload_limit_bytes='1MB')", ConfigError, "argument payload_limit_bytes is '1MB' … whole bytes from 1"),
    ("Chancy(plugin_order='cron')", ConfigError, "argument plugin_order is 'cron' … a list of names of plugins"),
    ("Chancy(plugin_order=['nope'])", ConfigError, "plugin_order names 'nope', which is no plugin"),
    (
        "Chancy(config='/nonexistent/chancy.toml')",
        ConfigError,
        "named by the argument config, cannot be read: No such file",
    ),
    ("Chancy(config='/tmp')", ConfigError, "/tmp, named by the argument config, cannot be read: Is a directory"),
    ("Chancy(config={})", ConfigError, "the argument config is of type dict … the path of a file"),
    ("Chancy(config='')", ConfigError, "the argument config is empty … or leave it out"),
    ("Chancy(plugins='cron')", PluginError, "plugins='cron' … give a list of instances"),
    ("Chancy(plugins=None)", PluginError, "plugins=None … give a list of instances"),
    ("Chancy(plugins=Audit())", PluginError, "give a list of instances, as in plugins=[Audit()]"),
    (
        "Chancy(plugins=['cron'])",
        PluginError,
        "plugins=['cron'] … give instances of classes derived from chancy.Plugin",
    ),
    ("Chancy(plugins=[Audit])", PluginError, "plugins=[Audit] gives the class … give an instance, Audit()"),
    ("Chancy(plugins=[Queue('mail')])", PluginError, "plugins=[Queue( … give instances of classes derived from"),
    ("Chancy(plugins=[Audit(), Audit()])", PluginError, "audit: there are two of that name"),
    ("Audit(keep_dais=7)", ConfigError, "Audit(keep_dais=…) is unknown. Did you mean 'keep_days'?"),
    ("Audit(keep_days='7')", ConfigError, "The plugin 'audit' (Audit in … keep_days is '7': give a whole number"),
    ("Audit(queues='mail')", ConfigError, "queues is 'mail': give a list"),
    ("Audit(mail={'a': 'b'})", ConfigError, "mail is {'a': 'b'}, and [...] in it: give a whole number"),
    ("Audit(api_token=5)", ConfigError, "api_token is ***: give a text, or leave it out"),
    ("Audit(interval=0)", ConfigError, "interval is 0 … seconds from 0.01"),
    ("Worker('chancy')", ConfigError, "Worker(chancy) is of type str … give it a Chancy"),
    ("Worker(Chancy(), lease_s=0)", ConfigError, "Worker(lease_s=…) is an integer, 0 … seconds from 1 to 3,600"),
    ("Worker(Chancy(), lease_s='15s')", ConfigError, "Worker(lease_s=…) is '15s' … seconds"),
    ("Worker(Chancy(), grace_s=-1)", ConfigError, "Worker(grace_s=…) is an integer, -1 … seconds from 0"),
    ("Worker(Chancy(), concurrency='4')", ConfigError, "Worker(concurrency=…) is '4' … a whole number from 1"),
    ("Worker(Chancy(), tags='gpu')", ConfigError, "Worker(tags=…) is 'gpu' … a list of words, such as [\"gpu\"]"),
    ("Worker(Chancy(), tags=[1])", ConfigError, "Worker(tags=…)[0] is an integer, 1 … a list of words"),
    ("Worker(Chancy(), tags={'gpu': 1})", ConfigError, "Worker(tags=…) is a table … a list of words"),
    ("Worker(Chancy(), name=5)", ConfigError, "Worker(name=…) is an integer, 5 … a name of 1 to 255 characters"),
    ("Worker(Chancy(), name='')", ConfigError, "Worker(name=…) is empty … a name of 1 to 255"),
]


@each(ARGUMENTS)
def test_a_wrong_argument_is_refused(written: str, error: type[BaseException], says: str) -> None:
    """With its name, its value, and what to give."""
    refused(written, error, says, NAMES)


VARIABLES = [
    ("CHANCY_DSN", "", "CHANCY_DSN is empty … give a connection string"),
    ("CHANCY_SCHEMA", "", "CHANCY_SCHEMA is empty … the name of a schema"),
    ("CHANCY_POOL_MAX_SIZE", "many", "CHANCY_POOL_MAX_SIZE is 'many' … a whole number from 1 to 10,000"),
    ("CHANCY_POOL_MAX_SIZE", "0", "CHANCY_POOL_MAX_SIZE is an integer, 0 … from 1 to 10,000"),
    ("CHANCY_POOL_MAX_SIZE", "", "CHANCY_POOL_MAX_SIZE is empty … a whole number"),
    ("CHANCY_NOTIFICATIONS", "maybe", "CHANCY_NOTIFICATIONS is 'maybe' … true or false"),
    ("CHANCY_POOLER", "2", "CHANCY_POOLER is '2' … true or false"),
    ("CHANCY_AUTO_MIGRATE", "perhaps", "CHANCY_AUTO_MIGRATE is 'perhaps' … true or false"),
    ("CHANCY_DISCOVER", "nope", "CHANCY_DISCOVER is 'nope' … true or false"),
    ("CHANCY_LOG_FORMAT", "xml", "CHANCY_LOG_FORMAT is 'xml' … \"json\""),
    ("CHANCY_PAYLOAD_LIMIT_BYTES", "1MB", "CHANCY_PAYLOAD_LIMIT_BYTES is '1MB' … whole bytes"),
    ("CHANCY_FUNCTIONS", "a b", "CHANCY_FUNCTIONS[0] is 'a b' … a list of dotted names"),
    ("CHANCY_FUNCTIONS", "app.jobs.*, 5x", "CHANCY_FUNCTIONS[1] is '5x' … dotted names"),
    ("CHANCY_WORKER_LEASE_S", "5m", "CHANCY_WORKER_LEASE_S is '5m' … seconds from 1 to 3,600"),
    ("CHANCY_WORKER_LEASE_S", "nan", "CHANCY_WORKER_LEASE_S is nan … seconds from 1"),
    ("CHANCY_WORKER_CONCURRENCY", "1.5", "CHANCY_WORKER_CONCURRENCY is '1.5' … a whole number"),
    ("CHANCY_WORKER_NAME", "a\nb", "CHANCY_WORKER_NAME is 'a\\nb' … none of them a control character"),
    ("CHANCY_WORKER_GRACE_S", "-1", "CHANCY_WORKER_GRACE_S is a float, -1.0 … seconds from 0"),
    ("CHANCY_CONFIG", "nope.toml", "nope.toml, named by CHANCY_CONFIG, cannot be read: No such file"),
    ("CHANCY_CONFIG", ".", "named by CHANCY_CONFIG, cannot be read: Is a directory"),
    ("CHANCY_CONFIG", " ", "CHANCY_CONFIG is empty … or leave it out"),
]


@pytest.mark.parametrize(("variable", "value", "says"), VARIABLES)
def test_a_wrong_variable_is_refused(folder, variable, value, says):
    """With its name, its value, and what to give."""
    check_text(refusal(folder, {variable: value}), says)


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("CHANCY_POOLMAXSIZE", "Did you mean 'CHANCY_POOL_MAX_SIZE'?"),
        ("CHANCY_WORKER_GRACE", "Did you mean 'CHANCY_WORKER_GRACE_S'?"),
        ("CHANCY_PLUGINS_METRICS_PORT", "CHANCY_PLUGINS__NAME__SETTING"),
        ("CHANCY_PLUGIN__METRICS__PORT", "CHANCY_PLUGINS__NAME__SETTING"),
        ("CHANCY_PLUGINS__METRICS", "CHANCY_PLUGINS__NAME__SETTING"),
        ("CHANCY_plugins__metrics__port", "Known: 'CHANCY_AUTO_MIGRATE'"),
        ("CHANCY_QUEUES__MAIL__CONCURRENCY", "Queues are set in a file, [queues.NAME], or by chancy queue declare."),
    ],
)
def test_a_variable_that_sets_nothing_is_told(folder, variable, says):
    """Others may use the prefix, so it is a warning, which says how it would be spelled."""
    with captured_events() as events:
        settings(folder, {variable: "5"})
    (told,) = [event for event in events if event["event"] == "variable_ignored"]
    assert (told["variable"], told["log_level"]) == (variable, "warning")
    assert says in told["hint"]


FILES = [
    ("[chancy]\nfunctions = []\nfunctions = []", "is not valid TOML … at line 3 … for the second time: keep one"),
    ("[queues.mail]\n[queues.mail]", "is not valid TOML … at line 2 … for the second time: keep one"),
    ("[queues]\nmail.concurrency = 'x'", "queues.mail.concurrency is 'x' … a whole number from 1 to 10,000"),
    ("[queues.mail]\nrate_limit = 0", "queues.mail.rate_limit … rate_limit is 0 … from 1 to 1,000,000"),
    ("[queues.mail]\nrate_limit_window = '1m'", "queues.mail.rate_limit_window is '1m' … seconds from 0.1"),
    ("[queues.mail]\nglobal_concurrency = 2.5", "queues.mail.global_concurrency is a float, 2.5 … a whole number"),
    ("[queues.mail]\nexecutor = 5", "queues.mail.executor is an integer, 5 … the import path of an executor"),
    ("[queues.mail]\nresume_at = 2030-01-01T00:00:00Z", "queues.mail.resume_at cannot be set here: pause and resume"),
    ("[queues.mail.worker]\nlease_s = 5", "queues.mail.worker is unknown"),
    ("[queues.mail]\ntags = [1]", "queues.mail.tags[0] is an integer, 1 … a list of regular expressions"),
    ("[worker]\nqueue = 'mail'", "worker.queue is unknown"),
    ("[worker.tags]\ngpu = true", "worker.tags is a table … a list of words"),
    ("[plugins.audit]\nenabled = 1", "plugins.audit.enabled is 1 … true or false"),
    ("[plugins.audit]\nkeep_days = '7'", "plugins.audit.keep_days is '7' … give a whole number"),
    ("[plugins.audit]\nkeep_days = [7]", "plugins.audit.keep_days is a list … give a whole number"),
    ("[plugins.audit]\nqueues = ['mail', 3]", "plugins.audit.queues[1] is an integer, 3 … give a text"),
    ("[plugins.audit]\napi_token = 5", "plugins.audit.api_token is an integer: give a text, or leave it out"),
    ("[plugins.audit.mail]\na = 'x'", "plugins.audit.mail[...]: give a whole number"),
    ("[plugins.audit]\ninterval = 'often'", "plugins.audit.interval is 'often': give a number, or leave it out"),
    ("[plugins.audit]\nkeep_dais = 7", "plugins.audit.keep_dais is unknown. Did you mean 'keep_days'?"),
    ("[plugins.recovery]", "[plugins.recovery] is for a plugin that is not installed … built in"),
    ("[plugins.trigger]", "[plugins.trigger] is for a plugin that is not installed … coming-from/chancy-0.md"),
    ("[plugins.workflow]", "[plugins.workflow] is for a plugin that is not installed … pip install chancy-workflow"),
    ("[plugins.audti]", "[plugins.audti] is for a plugin that is not installed … Did you mean 'audit'?"),
    ("[chancy]\nplugin_order = ['audti']", "plugin_order names 'audti', which is no plugin … Did you mean 'audit'?"),
]


@pytest.fixture
def installed(monkeypatch):
    """Somebody's plugin is installed, and none else."""
    monkeypatch.setenv("CHANCY_DISCOVER", "true")
    point = SimpleNamespace(
        name="audit", value="audit:Audit", load=lambda: Audit, dist=SimpleNamespace(name="my-audit", version="1")
    )
    monkeypatch.setattr("importlib_metadata.entry_points", lambda **_: [point])


@pytest.mark.parametrize(("text", "says"), FILES, ids=[text for text, _ in FILES])
def test_a_wrong_file_is_refused(folder, installed, monkeypatch, text, says):
    """With the file's name, the place in it, the value, and what to write."""
    file = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        Chancy("dbname=nowhere", config=file)
    assert str(file) in str(caught.value)
    check_text(str(caught.value), says)


def test_a_file_that_is_a_folder_is_an_error(folder):
    """When somebody names it; the search goes by."""
    (folder / "chancy.toml").mkdir()
    assert settings(folder).file is None
    check_text(refusal(folder, path="chancy.toml"), "cannot be read: Is a directory")
