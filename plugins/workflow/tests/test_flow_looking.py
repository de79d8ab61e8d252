"""Whoever looks at runs changes none."""

from types import SimpleNamespace

import psycopg
import pytest

from chancy_workflow import repairing
from chancy_workflow.pages.asking import ask


async def test_a_page_behind_a_pooler_could_have_changed_runs_and_looked_for_ever(chancy):
    """Nothing can be set for a connection there: each look is a transaction that says so."""
    visit = SimpleNamespace(chancy=chancy)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        await ask(visit, repairing.forget(0.0))
    assert await ask(visit, repairing.find_due()) == []
