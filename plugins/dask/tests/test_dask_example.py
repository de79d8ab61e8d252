"""The example, run as its reader does, on the local cluster that it starts; and what cannot be declared."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chancy import Queue, Worker
from chancy_dask import Dask, troubles

EXAMPLES = Path(__file__).parents[1] / "examples"


async def test_the_example_counts_words_on_a_cluster_of_its_own(dsn, schema, monkeypatch):
    """Real files, and the same numbers as without a cluster."""
    monkeypatch.syspath_prepend(EXAMPLES)
    sys.modules.pop("count_words", None)
    import count_words

    found = await count_words.main(most=6, dsn=dsn, schema=schema)
    alone = [count_words.count_words(folder=folder) for folder in count_words.library()[:6]]
    assert found == {name: sum(one[name] for one in alone) for name in ("files", "words")}
    assert found["words"] > 0
    assert troubles.first() is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"adress": "tcp://a:1"}, "address"),
        ({"address": " "}, "give the scheduler's"),
        ({"workers": 0}, "at least 1"),
        ({"workers": 2, "address": "tcp://a:1"}, "has its own"),
        ({"restart_workers": "yes"}, "true or false"),
        ({"grace_s": -1}, "from 0 to 3600"),
        ({"resources": {"GPU": "one"}}, "GPU"),
    ],
)
async def test_a_wrong_option_is_told_before_a_job_is_claimed(new_chancy, until, options, told):
    """With the option, the value, and what to give."""
    async with new_chancy() as chancy:
        await chancy.declare(Queue("heavy", executor="dask", executor_options=options))
        async with Worker(chancy) as worker:
            (unserved,) = await until(lambda: worker.unserved)
    assert unserved.queue == "heavy"
    assert told in unserved.problem


def test_a_wrong_setting_is_told_when_the_plugin_is_made():
    """As of any plugin."""
    with pytest.raises(ValueError, match="has its own"):
        Dask(workers=2, address="tcp://a:1")


async def test_a_cluster_that_is_away_is_found(new_chancy, until):
    """By whoever asks what is wrong, in another process too; and no job is claimed for it."""
    async with new_chancy(dask=Dask(address="tcp://127.0.0.1:9")) as chancy:
        await chancy.declare(Queue("heavy", executor="dask"))
        async with Worker(chancy) as worker:
            await until(troubles.first)
            (status,) = [one for one in chancy.plugins.status().plugins if one.name == "dask"]
            assert worker.name
    assert "tcp://127.0.0.1:9 cannot be reached" in status.error
    assert troubles.first() is None
