"""The hooks `pages`, `panels` and `columns`: what plugins bring to a dashboard; a mistake takes nothing from others."""

from __future__ import annotations

import pytest

from chancy import Chancy
from chancy.plugin import Cell, Plugin, WebAction, WebColumn, WebPage, WebPanel, hookimpl


async def load(visit):
    return None


def page(path, **more):
    return WebPage(path=path, title=path, load=load, template="acme.pages/x.html", **more)


def plugin(name, **hooks):
    return type(name, (Plugin,), {"name": name, **{hook: hookimpl(call) for hook, call in hooks.items()}})()


def brought(*plugins):
    return Chancy(plugins=plugins, discover=False).plugins.web()


def test_pages_and_panels_come_in_plugin_order():
    """With whose they are."""
    panel = WebPanel(page="mail", name="p", title="P", load=load, template="acme/p.html")
    column = WebColumn(name="c", title="C", load=load)
    found = brought(
        plugin("b", pages=lambda self: [page("mail")], columns=lambda self: [column]),
        plugin("a", panels=lambda self: [panel]),
    )
    assert [(whose, one.path) for whose, one in found.pages] == [("b", "mail")]
    assert found.panels == [("a", panel)]
    assert found.columns == [("b", column)]
    assert found.problems == []


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        (lambda self: 1 / 0, "division by zero"),
        (lambda self: ["mail"], "return a list of objects of the type WebPage"),
        (lambda self: None, "NoneType"),
        (lambda self: [page("taken")], "'taken' is taken by a"),
        (lambda self: [page("twice"), page("twice")], "'twice' is taken by b"),
        (lambda self: [page("api/x")], "the first is none of api"),
    ],
)
def test_a_page_that_cannot_be_used_is_left_out_and_told(pages, told):
    """The others are there."""
    found = brought(plugin("a", pages=lambda self: [page("taken")]), plugin("b", pages=pages))
    assert ("a", "taken") in [(whose, one.path) for whose, one in found.pages]
    ((whose, problem),) = found.problems
    assert whose == "b"
    assert told in problem


@pytest.mark.parametrize(
    "path", ["Mail", "mail/", "/mail", "mail//x", "../x", "{name}", "do/x", "a b", "a?b", "{x:path}/y"]
)
def test_a_path_that_is_none_is_refused(path):
    """Also what would hide the dashboard's own addresses."""
    with pytest.raises(ValueError, match="WebPage"):
        page(path)


def test_a_name_or_a_template_that_is_none_is_refused():
    """Of actions, panels, columns and pages."""
    with pytest.raises(ValueError, match="WebAction"):
        WebAction(name="Pause it", permission="pause", run=load)
    with pytest.raises(ValueError, match="WebPanel"):
        WebPanel(page="", name="a/b", title="", load=load, template="acme/x.html")
    with pytest.raises(ValueError, match="WebColumn"):
        WebColumn(name="", title="", load=load)
    with pytest.raises(ValueError, match="template"):
        WebPage(path="x", title="", load=load, template="../../etc/passwd")


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "//else.where", "/\\else.where", "/\t/else.where", "data:x", "", "x"]
)
def test_a_cell_leads_to_no_script_and_to_no_disguised_place(link):
    """Whatever stands in a job may become its link."""
    with pytest.raises(ValueError, match="Cell"):
        Cell("here", link)
    assert Cell("here", "/jobs").link == "/jobs"


def test_a_column_that_cannot_be_used_is_left_out_and_told():
    """Also one whose name the plugin has given to another."""
    twice = [WebColumn(name="c", title="C", load=load)] * 2
    found = brought(plugin("a", columns=lambda self: twice), plugin("b", columns=lambda self: ["c"]))
    assert [whose for whose, _ in found.columns] == ["a"]
    assert [whose for whose, _ in found.problems] == ["b", "a"]
