"""What is said about plugins that are not there: never to install what nobody here publishes."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import chancy.plugins
from chancy_core.errors import ConfigError
from chancy_core.plugins.known import BUILT_IN, ELSEWHERE, NOT_YET, OURS, advice
from chancy_core.plugins.load import load_plugins

ROOT = Path(__file__).parents[2]
INSTALL = re.compile(r"pip install \"?([\w-]+)")
WORDS = [
    ("recovery", "what recovery does is built in, every worker takes up the jobs of workers that were lost"),
    ("retry", "max_attempts, backoff"),
    ("recovry", "Did you mean 'recovery'? There is nothing to install"),
    ("prunner", "Did you mean 'pruner'? To install it: pip install chancy-pruner."),
    ("Pruner", "Did you mean 'pruner'?"),
    ("chancy-pruner", "Did you mean 'pruner'?"),
    ("chancy_cron", "Did you mean 'cron'?"),
    ("cron", "To install it: pip install chancy-cron."),
    ("sentry", "docs/how-to/sentry.md"),
    ("trigger", "docs/how-to/coming-from/chancy-0.md"),
    ("workflow", "To install it: pip install chancy-workflow."),
    ("web", "pip install chancy-dashboard"),
    ("dashbord", "Did you mean 'dashboard'? To install it: pip install chancy-dashboard."),
    ("acme", "install the distribution that brings it"),
    ("", "install the distribution that brings it"),
]


@pytest.mark.parametrize(("name", "told"), WORDS)
def test_a_plugin_that_is_not_there_is_explained_by_its_table(monkeypatch, name, told):
    """`[plugins.NAME]`, and plugin_order."""
    monkeypatch.setattr("importlib_metadata.entry_points", lambda **_: [])
    for tables, order in (({name: {}}, []), ({}, [name])):
        with pytest.raises(ConfigError) as caught:
            load_plugins(tables, [], order, discover=True, source="chancy.toml")
        assert told in str(caught.value)
        assert set(INSTALL.findall(str(caught.value))) <= {f"chancy-{ours}" for ours in OURS}


@pytest.mark.parametrize("name", ["recovery", "prunner", "acme", "trigger", "api", "retry"])
def test_a_plugin_that_is_not_there_is_explained_by_its_import(name):
    """`from chancy.plugins.NAME import …`, as the original's documentation has it."""
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module(f"chancy.plugins.{name}")
    assert f"There is no plugin {name!r} installed." in str(caught.value)
    assert set(INSTALL.findall(str(caught.value))) <= {f"chancy-{ours}" for ours in OURS}
    assert not hasattr(chancy.plugins, name)


def test_what_is_installed_comes_before_what_could_be():
    """The nearest of those that are there needs no installing."""
    assert advice("sizd", ["sized"]) == " Did you mean 'sized'?"
    assert advice("corn", ["cron"]) == " Did you mean 'cron'?"


def test_the_plugins_of_this_project_are_those_in_its_folder():
    """Nothing else is published as chancy-NAME, and no name is explained twice."""
    there = {path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")}
    assert set(OURS) == there
    told = [*OURS, *BUILT_IN, *ELSEWHERE, *NOT_YET]
    assert len(told) == len(set(told))
    assert not there & set(told[len(OURS) :])
    for name in there:
        assert f'name = "chancy-{name}"' in (ROOT / "plugins" / name / "pyproject.toml").read_text()


def test_nothing_in_the_code_advises_to_install_what_is_not_published():
    """Every `pip install` that the kernel and the plugins write names a distribution of this project."""
    published = {"chancy-core", *(f"chancy-{name}" for name in OURS)}
    pages = [*ROOT.glob("chancy*/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    for page in pages:
        for name in INSTALL.findall(page.read_text()):
            assert name in {*published, "chancy-", "--upgrade"}, page


@pytest.mark.parametrize("name", OURS)
def test_each_readme_says_how_to_install_without_an_index(name):
    """From a clone, and from a folder of wheels, as `make wheels` fills one."""
    text = (ROOT / "plugins" / name / "README.md").read_text()
    assert f"pip install . ./plugins/{name}" in text
    assert f"pip install --find-links dist chancy-{name}" in text
