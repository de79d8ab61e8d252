"""No template shows anything unescaped, and no page has a script or a style in it."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from chancy_dashboard.showing.rendering import new_environment

WORKSPACE = Path(__file__).parents[2]
# Whatever any plugin of this workspace brings.
TEMPLATES = sorted((path for path in WORKSPACE.glob("*/src/**/*.html")), key=str)
# Where text becomes markup: each of these fills in what it is given escaped, or is a template's output.
MARKUP = {"formats.py", "jsons.py", "life.py", "svg.py", "views.py"}
FORBIDDEN = {
    "a script in the page": r"<script(?![^>]*\ssrc=)",
    "a style in the page": r"<style|\sstyle\s*=",
    "a handler": r"\son[a-z]+\s*=",
    "a value without quotes": r"=\s*\{\{",
    # Its quotes are not escaped, because text has none that end.
    "JSON in an attribute": r"=\"[^\"<>]*\|\s*tojson",
    "an address of another host": r"(?:src|href|action)\s*=\s*[\"'](?:https?:)?//",
}


def test_there_are_templates():
    """Of the dashboard, and they are found."""
    names = {path.name for path in TEMPLATES}
    assert {one.name for one in files("chancy_dashboard.templates").iterdir() if one.name.endswith(".html")} <= names
    assert len(names) > 5


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_escapes_whatever_it_fills_in(path: Path):
    """None of them says of anything that it is safe, or turns escaping off; and attributes have quotes."""
    text = path.read_text()
    assert _unescaped(new_environment(), text) == []
    # What a comment says is not sent.
    sent = re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)
    for what, pattern in FORBIDDEN.items():
        found = re.search(pattern, sent, re.IGNORECASE)
        assert found is None, f"{what}: …{sent[max(0, found.start() - 40) : found.end() + 40]}…"


@pytest.mark.parametrize(
    "text",
    [
        "{{ x | safe }}",
        "{{ x | upper | safe | trim }}",
        "{% autoescape false %}{{ x }}{% endautoescape %}",
        "{% filter safe %}{{ x }}{% endfilter %}",
        "{{ x | xmlattr }}",
        "{{ Markup(x) }}",
    ],
)
def test_what_escapes_nothing_is_found(text: str):
    """The walk over templates finds each way to leave the escaping out."""
    assert _unescaped(new_environment(), text)


def _unescaped(environment: Environment, text: str) -> list[str]:
    tree = environment.parse(text)
    found = [f"| {one.name}" for one in tree.find_all(nodes.Filter) if one.name in {"safe", "forceescape", "xmlattr"}]
    found += [one.name for one in tree.find_all(nodes.Name) if one.name in {"Markup", "safe"}]
    found += [
        "autoescape" for one in tree.find_all((nodes.ScopedEvalContextModifier, nodes.EvalContextModifier)) if one
    ]
    return found


def test_everything_is_escaped_by_default():
    """Also in a template whose name says nothing, as those of plugins."""
    environment = new_environment()
    assert environment.from_string("{{ x }}").render(x="<b>") == "&lt;b&gt;"
    assert environment.autoescape is True


def test_text_becomes_markup_in_few_places():
    """Where Python makes markup of text: a new place is to be looked at, and then named here."""
    for package in sorted(WORKSPACE.glob("*/src/*")):
        for path in package.rglob("*.py"):
            if re.search(r"\bMarkup\b", path.read_text()):
                assert path.name in MARKUP, f"{path} makes markup: does it escape?"


def test_markup_is_made_of_fixed_text():
    """What is filled in comes by `.format`, which escapes; no f-string, no sum, no variable becomes markup."""
    for name in MARKUP - {"views.py"}:
        text = files("chancy_dashboard.showing").joinpath(name).read_text()
        for found in re.finditer(r"Markup\(\s*(.)", text):
            assert found[1] in "\"'", f"{name}: Markup({text[found.end() - 1 : found.end() + 40]}"
