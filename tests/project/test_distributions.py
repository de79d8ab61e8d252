"""What the distributions say of themselves, before they are built; `make release-check` builds and installs them."""

from __future__ import annotations

import re
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from release import checks, installing
from release.installing import Python
from release.projects import Project, Wheel, all_projects

PROJECTS = all_projects()
each_project = pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)


def hook(project: Project) -> dict[str, Any]:
    return project.settings["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]


def page(project: Project, text: str) -> str:
    """What the index gets of a README."""
    for one in hook(project)["substitutions"]:
        text = re.sub(one["pattern"], one["replacement"], text)
    return text


def test_versions_bounds_and_pythons_of_the_distributions_agree():
    """One version for all, bounds on both sides among ours, a lower one for what others make."""
    assert list(checks.of_settings(PROJECTS)) == []


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"version": "0.2.0"}, "chancy-cron is version 0.2.0, and chancy-core is 0.1.0."),
        ({"dependencies": ["chancy-core>=0.1"]}, "chancy-core>=0.1 needs a bound on both sides"),
        ({"dependencies": ["chancy-core>=0.2,<0.3"]}, "leaves out the version that is built here, 0.1.0."),
        ({"dependencies": ["tzdata"]}, "tzdata has no lower bound"),
        ({"dependencies": ["psycopg>=3.2,<4"]}, "has an upper bound without a reason"),
        ({"optional-dependencies": {"more": ["chancy-limits"]}}, "chancy-limits needs a bound on both sides"),
        ({"classifiers": ["Programming Language :: Python :: 3.9"]}, "Programming Language :: Python :: 3.9"),
        ({"requires-python": ">=3.12"}, "chancy-cron requires Python >=3.12, unlike chancy-core."),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_agree_is_told(change, wrong):
    """With the name of the distribution, and the value."""
    (cron,) = [project for project in PROJECTS if project.name == "chancy-cron"]
    changed = Project(cron.folder)
    changed.settings["project"].update(change)
    said = list(checks.of_settings([*PROJECTS, changed]))
    assert any(wrong in one for one in said), said


@each_project
def test_a_readme_has_no_link_that_leads_nowhere_on_an_index(project):
    """There its links to files are their text, and its code is as it was; all are treated in one way."""
    text = (project.folder / "README.md").read_text()
    shown = page(project, text)
    assert list(checks.of_page(shown)) == []
    assert checks.FENCED.findall(shown) == checks.FENCED.findall(text)
    assert hook(project) == hook(PROJECTS[0])


def test_a_link_that_leads_nowhere_is_found():
    """A page, a picture, an anchor, a picture in HTML; not one to the web, and not what code looks like."""
    text = '# A\n[a](b.md) ![p](q.png) [c](#d) [w](https://example.org) <picture><img src="p.png"></picture>\n'
    assert len(list(checks.of_page(f"{text}```\nx[0](y)\n```\n"))) == 4
    assert page(PROJECTS[0], text) == "# A\na  c [w](https://example.org) "


def test_the_oldest_is_asked_of_all_that_ours_need(tmp_path: Path):
    """Also of what the kernel needs of others, when a plugin is installed: extras are followed, markers heard."""
    (core, plugin) = (Wheel(tmp_path / "core.whl"), Wheel(tmp_path / "plugin.whl"))
    for wheel, name, needed in (
        (core, "chancy-core", ["psycopg>=3.2", "click>=8.1; extra == 'cli'", "rich>=13; extra == 'cli'"]),
        (plugin, "chancy-plug", ["chancy-core[cli]<1", "tasks>=1; python_version < '3.12'", "tests; extra == 'dev'"]),
    ):
        wheel.__dict__["metadata"] = metadata = Message()  # as if it had been read
        metadata["Name"] = name
        for one in needed:
            metadata["Requires-Dist"] = one
    asked = [Requirement("chancy-plug")]
    found = installing.requirements(asked, [core, plugin], Python("3.12", Path()))
    ours = [f"chancy-core[cli] @ {core.path.as_uri()}", f"chancy-plug @ {plugin.path.as_uri()}"]
    assert found == [*ours, "click>=8.1", "psycopg>=3.2", "rich>=13"]
    older = installing.requirements(asked, [core, plugin], Python("3.11", Path()))
    assert older == [*ours, "click>=8.1", "psycopg>=3.2", "rich>=13", "tasks>=1"]
