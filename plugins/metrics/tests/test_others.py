"""What other plugins tell of themselves is among the metrics, and none can take a name that is taken."""

from __future__ import annotations

from metrics_jobs import fetch

from chancy import Plugin, Worker, hookimpl
from chancy.plugin import Gauge


class Mailbox(Plugin):
    """Tells of its letters, and takes names that are not its own."""

    name = "mailbox"
    breaks: bool = False

    @hookimpl
    async def gauges(self, chancy):
        """Its gauges."""
        if self.breaks:
            raise ValueError("no mailbox")
        found = [
            Gauge(name=name, text="Letters by state.", labels=("state",), values={("new",): 3.0, ('"read"\n',): 7})
            for name in ("chancy_mailbox_letters", "chancy_queue_jobs", "chancy_leader")
        ]
        return [*found, found[0], Gauge(name="chancy_second_letters", text="Theirs.", values={(): 1})]


class Second(Plugin):
    """Tells of something by a name that another plugin has."""

    name = "second"

    @hookimpl
    async def gauges(self, chancy):
        """Its gauges."""
        return [Gauge(name="chancy_second_letters", text="Ours.", values={(): 2})]


async def test_gauges_of_other_plugins_are_shown_with_every_label_escaped(new_chancy, metrics, until, caplog):
    """Each once; a name of this plugin, or of a plugin before, is left out and logged."""
    async with new_chancy(metrics, Mailbox(), Second()) as chancy, Worker(chancy):

        async def shown():
            _, page = await fetch(metrics.address, "/metrics")
            return page if "chancy_mailbox_letters" in page else None

        page = await until(shown)
    assert 'chancy_mailbox_letters{state="new"} 3.0' in page
    assert 'chancy_mailbox_letters{state="\\"read\\"\\n"} 7.0' in page
    assert page.count("# TYPE chancy_mailbox_letters gauge") == page.count("# TYPE chancy_queue_jobs gauge") == 1
    assert "chancy_second_letters 1.0" in page
    assert "chancy_queue_jobs{state=" not in page
    left_out = [text for one in caplog.records if (text := one.getMessage()).startswith("gauge_left_out")]
    for name, plugin in (("queue_jobs", "mailbox"), ("leader", "mailbox"), ("second_letters", "second")):
        assert len([text for text in left_out if f"chancy_{name}'" in text and f"plugin='{plugin}'" in text]) == 1


async def test_a_plugin_that_cannot_tell_keeps_no_other_metric_away(new_chancy, metrics, until):
    """Its failure is counted where all of them are."""
    async with new_chancy(metrics, Mailbox(breaks=True), Second()) as chancy, Worker(chancy):

        async def shown():
            _, page = await fetch(metrics.address, "/metrics")
            return page if "chancy_second_letters" in page else None

        page = await until(shown)
    assert 'chancy_hook_failures_total{hook="gauges",plugin="mailbox"}' in page
