"""The pages about pushing by SQL and through sessions: what they show works."""

from __future__ import annotations

from docpages import BLOCK, ROOT

PAGE = ROOT / "docs/how-to/push-by-sql.md"


def test_the_trigger_of_the_page_pushes(new_chancy, query, schema):
    """The statements as they stand, in one go; the row that they insert has its job."""
    (script,) = (code for kind, title, _, code in BLOCK.findall(PAGE.read_text()) if (kind, title) == ("sql", "whole"))
    with new_chancy() as chancy:
        chancy.sync_migrate()
        query(script.replace("chancy.", "{s}."))
        found = query("SELECT func, kwargs, unique_key FROM {s}.jobs")
        assert found == [("app.mail.confirm", {"order": 1}, "order-1")]


def test_the_page_lists_the_parameters_of_the_function(new_chancy, query):
    """In their order, with their types and their defaults; those that stand in one row share these."""
    with new_chancy() as chancy:
        chancy.sync_migrate()
        ((made,),) = query("SELECT pg_get_function_arguments('{s}.push'::regproc)")
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    listed = [
        (name.strip("`"), kind, default.strip("`").replace("none", ""))
        for names, kind, default, *_ in (row for row in rows if len(row) > 2)
        for name in names.split(", ")
    ]
    types = {"timestamp with time zone": "timestamptz"}
    found = []
    for one in made.split(", "):
        declared, _, default = one.partition(" DEFAULT ")
        name, _, kind = declared.partition(" ")
        default = default.partition("::")[0]
        found.append((name, types.get(kind, kind), default))
    assert found == listed
    assert len(found) > 15
