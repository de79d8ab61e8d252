"""The hook `gauges`: what plugins tell of themselves in numbers."""

from __future__ import annotations

import asyncio

import pytest
from hosting import RAISED
from making import plugin

from chancy.plugin import Gauge
from chancy_core.plugins import host


def saying(name, answer):
    """A plugin whose gauges are this."""

    async def gauges(self, chancy):
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return plugin(name, gauges=gauges)


GOOD = Gauge(name="chancy_good_letters", text="Letters.", labels=("state",), values={("new",): 1})


@pytest.mark.parametrize("answer", [*RAISED, None, "nothing", [None], GOOD], ids=repr)
async def test_gauges_that_cannot_be_told_are_missing_and_the_others_are_there(new_chancy, answer):
    """Whatever a plugin raises or returns; its failure is counted."""
    async with new_chancy(plugins=[saying("broken", answer), saying("good", [GOOD])]) as chancy:
        assert await chancy.plugins.gauges(chancy) == [("good", GOOD)]
        assert chancy.plugins.failures["broken", "gauges"] == 1


async def test_gauges_that_take_too_long_are_not_waited_for(new_chancy, monkeypatch):
    """They are missing, and the others are there."""
    monkeypatch.setattr(host, "GAUGES_S", 0.1)

    async def hangs(self, chancy):
        await asyncio.sleep(3600)

    async with new_chancy(plugins=[plugin("slow", gauges=hangs), saying("good", [GOOD])]) as chancy:
        assert await chancy.plugins.gauges(chancy) == [("good", GOOD)]
        assert chancy.plugins.failures["slow", "gauges"] == 1


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": "letters"}, "use chancy_"),
        ({"name": "chancy_Letters"}, "use chancy_"),
        ({"labels": ("a b",)}, "the label 'a b'"),
        ({"values": {("a", "b"): 1}}, "for each of the labels"),
        ({"values": {("x" * 101,): 1}}, "up to 100 characters"),
        ({"values": {(str(n),): n for n in range(101)}}, "100 is the most"),
        ({"values": {("new",): "one"}}, "is no number"),
    ],
)
def test_a_gauge_that_cannot_be_shown_is_refused_where_it_is_made(changed, told):
    """With its name, what is wrong, and what to do: a label that users make up would be series for ever."""
    with pytest.raises(ValueError, match=told):
        Gauge(**{"name": "chancy_good_letters", "text": "Letters.", "labels": ("state",), "values": {}, **changed})
