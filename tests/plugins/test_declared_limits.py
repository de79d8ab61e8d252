"""Limits across all workers: declared, kept with the queue, refused where nobody enforces them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner
from keepers import ECHO, keeper
from support import WITHIN_S, captured_events, until

from chancy import Chancy, Plugin, Queue, State, Worker
from chancy_core.cli.group import chancy as command
from chancy_core.errors import ConfigError, InvalidQueue, PluginError
from chancy_core.worker import heartbeat


async def test_limits_are_kept_with_the_queue(new_chancy):
    """What is declared is found; upsert changes limits and takes them away; a plain declaration leaves them."""
    api = Queue("api", rate_limit=50, rate_limit_window=0.5, global_concurrency=4)
    assert api.limited_by == ("rate_limit", "global_concurrency")
    async with new_chancy(plugins=[keeper()]) as chancy:
        assert await chancy.declare(api) == api == await chancy.get_queue("api")
        assert await chancy.declare(Queue("api")) == api
        assert await chancy.declare(Queue("api"), upsert=True) == Queue("api")
        assert Queue("api").limited_by == ()


@pytest.mark.parametrize("limit", [{"rate_limit": 50}, {"global_concurrency": 4}], ids=str)
async def test_a_limit_that_nobody_enforces_is_refused(new_chancy, limit, tmp_path, dsn, schema):
    """In code, with and without asyncio, in TOML and on the command line: refused, with what to install."""
    (name, value), *_ = limit.items()
    message = (
        f"{name} is {value}, and no plugin that is on here enforces it. To install one: pip install chancy-limits."
    )
    async with new_chancy() as chancy:
        with pytest.raises(InvalidQueue) as caught:
            await chancy.declare(Queue("api", **limit))
        assert str(caught.value) == f"Queue 'api': {message}"
        assert [queue.name for queue in await chancy.get_all_queues()] == ["default"]
    with new_chancy() as chancy, pytest.raises(InvalidQueue, match="chancy-limits"):
        chancy.sync_declare(Queue("api", **limit))
    file = tmp_path / "chancy.toml"
    file.write_text(f"[queues.api]\n{name} = {value}\n[queues.b]\n{name} = 7\n")
    with pytest.raises(ConfigError) as caught:
        Chancy(dsn, schema=schema, config=file, discover=False)
    assert str(caught.value).splitlines()[0].endswith(f"chancy.toml: queues.api.{message}")
    assert f"queues.b.{name} is 7" in str(caught.value)
    with pytest.raises(InvalidQueue, match="chancy-limits"):
        command_line(new_chancy, "queue", "declare", "api", f"--{name.replace('_', '-')}", str(value))


def command_line(new_chancy: Callable[..., Chancy], *arguments: str, **settings: Any) -> str:
    called = command.get_command(click.Context(command), arguments[0])
    assert called is not None
    # A command that only looks asks for less than it gets here.
    done = CliRunner().invoke(
        called, arguments[1:], obj=lambda **_looking: new_chancy(**settings), catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_line_declares_and_shows_limits(new_chancy):
    """`chancy queue declare` takes limits, and `chancy queue list` shows them."""
    limits = ("--rate-limit", "50", "--rate-limit-window", "0.5", "--global-concurrency", "4")
    declared = command_line(new_chancy, "queue", "declare", "api", *limits, plugins=[keeper()])
    assert declared == "queue api declared\n"
    with new_chancy() as chancy:
        assert chancy.sync_get_queue("api") == Queue("api", rate_limit=50, rate_limit_window=0.5, global_concurrency=4)
    shown = " ".join(command_line(new_chancy, "queue", "list").split())
    assert "50 in 0.5 s" in shown
    again = command_line(new_chancy, "queue", "declare", "api", "--rate-limit", "9", plugins=[keeper()])
    assert "exists otherwise" in again


def test_limits_in_toml_are_declared_by_a_worker(new_chancy, tmp_path, dsn, schema):
    """Where a plugin enforces them, limits in a file are accepted, and typed like the other fields."""
    file = tmp_path / "chancy.toml"
    file.write_text("[queues.api]\nrate_limit = 50\nrate_limit_window = 2\nglobal_concurrency = 4\n")
    chancy = Chancy(dsn, schema=schema, config=file, discover=False, plugins=[keeper()])

    async def main() -> Queue:
        async with chancy, Worker(chancy):
            return await chancy.get_queue("api")

    assert asyncio.run(main()) == Queue("api", rate_limit=50, rate_limit_window=2.0, global_concurrency=4)
    file.write_text("[queues.api]\nrate_limit = 0\nrate_limit_window = 'x'\n")
    with pytest.raises(ConfigError) as caught:
        Chancy(dsn, schema=schema, config=file, discover=False)
    assert "rate_limit is 0; give a whole number from 1 to 1,000,000" in str(caught.value)
    assert "give seconds from 0.1 to 86,400" in str(caught.value)


def test_what_a_plugin_says_it_enforces_is_checked(new_chancy):
    """A limit that does not exist, or a promise without the hook that keeps it, is refused when it is loaded."""
    empty = type("Empty", (Plugin,), {"name": "empty", "enforces": frozenset({"rate_limits"})})
    with pytest.raises(PluginError) as caught:
        new_chancy(plugins=[empty()])
    assert "enforces names 'rate_limits', which is no limit of a queue. Did you mean 'rate_limit'?" in str(caught.value)
    assert "no claim_budget(queue, wanted, connection) keeps the promise" in str(caught.value)


async def test_a_worker_that_cannot_enforce_a_limit_does_not_claim(new_chancy, monkeypatch):
    """It says so once, serves the other queues, stops when a limit is set, and serves when the limit is gone."""
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.05)
    async with new_chancy(plugins=[keeper()]) as able, new_chancy() as chancy:
        await able.declare(Queue("api", rate_limit=50))
        await able.declare(Queue("free"))
        waiting = await chancy.push("api", ECHO)
        with captured_events() as events:
            async with Worker(chancy):
                await (await chancy.push("free", ECHO)).wait(timeout=WITHIN_S)
                await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
                await asyncio.sleep(0.3)
                assert (await waiting.get()).state is State.PENDING
                said = [e for e in events if e["event"] == "queue_not_served"]
                assert len(said) == 1
                assert "rate_limit is 50, and no plugin" in said[0]["error"]
                await able.declare(Queue("api"), upsert=True)
                await waiting.wait(timeout=WITHIN_S)
                await able.declare(Queue("api", global_concurrency=1), upsert=True)
                await until(lambda: any(e["event"] == "queue_left" for e in events))
                stays = await chancy.push("api", ECHO)
                await (await chancy.push(ECHO)).wait(timeout=WITHIN_S)
                assert (await stays.get()).state is State.PENDING
