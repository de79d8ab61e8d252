"""`on_open` and `on_close`: told once an opening, with asyncio and without, and what follows when they fail."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import jobs
import pytest
from making import plugin

from chancy import Job, Worker
from chancy_core.app import Chancy
from chancy_core.errors import NotOpen, PluginError
from chancy_core.plugins import calling, host

# What is tested is how tables are made: none of an earlier test.
pytestmark = pytest.mark.new_tables

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


class Diary:
    """Plugins that write down what they are told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def plugin(self, name: str = "diary", *, opens: Callable[[Any], Any] | None = None) -> Any:
        async def on_open(_, chancy):
            self.told.append(("open", name))
            if opens is not None:
                await opens(chancy)

        def on_close(_, chancy):
            self.told.append(("close", name))

        return plugin(name, on_open=on_open, on_close=on_close)

    @property
    def words(self) -> list[str]:
        return [word for word, _ in self.told]


@pytest.fixture
def diary() -> Diary:
    return Diary()


async def look(chancy: Chancy) -> None:
    """Asks the database in both ways that are awaited."""
    assert await chancy.count_jobs() == {}
    async with chancy.pool.connection() as connection:
        await connection.execute("SELECT")
    await (await chancy.push(ECHO)).cancel()


async def test_on_open_and_on_close_are_told_once_in_order(new_chancy, diary):
    """In plugin order when it opens, in the opposite order when it closes; the hook may use what is open."""
    async with new_chancy(plugins=[diary.plugin("b", opens=look), diary.plugin("a")]):
        assert diary.told == [("open", "a"), ("open", "b")]
    assert diary.told[2:] == [("close", "b"), ("close", "a")]


def test_on_open_is_told_without_asyncio(new_chancy, diary):
    """The same hook works in code without asyncio: what it awaits is open to it, and only to it."""
    with new_chancy(plugins=[diary.plugin(opens=look)]) as chancy:
        assert diary.words == ["open"]
        with pytest.raises(NotOpen, match="not open in this event loop"):
            chancy.pool  # noqa: B018 -- raises
        chancy.sync_push(ECHO)
    assert diary.words == ["open", "close"]


async def test_on_open_is_told_without_asyncio_where_a_loop_runs(new_chancy, diary):
    """A thread with an event loop may open it with plain `with`, as notebooks and some frameworks do."""
    with new_chancy(plugins=[diary.plugin(opens=look)]):
        assert diary.words == ["open"]
    assert diary.words == ["open", "close"]


async def test_on_open_is_told_once_for_both_sides(new_chancy, diary):
    """With asyncio and without at once is one opening, which ends with the last of them, whichever that is."""
    chancy = new_chancy(plugins=[diary.plugin()])
    await chancy.open()
    chancy.sync_open()
    await chancy.close()
    await chancy.close()
    assert diary.words == ["open"]
    await chancy.open()
    assert diary.words == ["open"]
    chancy.sync_close()
    chancy.sync_close()
    assert diary.words == ["open"]
    await chancy.close()
    assert diary.words == ["open", "close"]
    async with chancy:
        assert diary.words == ["open", "close", "open"]


async def test_on_open_comes_before_on_start(new_chancy, diary):
    """A worker's process is an application, too."""

    async def on_start(_, worker):
        diary.told.append(("start", "s"))

    async with new_chancy(plugins=[diary.plugin(), plugin("s", on_start=on_start)]) as chancy, Worker(chancy):
        pass
    assert diary.words == ["open", "start", "close"]


async def refuse(chancy: Chancy) -> None:
    raise RuntimeError("no room")


async def test_on_open_that_raises_closes_what_was_opened(new_chancy, diary, query):
    """Opening fails and names the plugin; others hear that it closes; nothing stays open, and it can be tried again."""
    chancy = new_chancy(plugins=[diary.plugin("a"), diary.plugin("b", opens=refuse), diary.plugin("c")])
    with pytest.raises(PluginError, match="'b' did not open: RuntimeError: no room"):
        await chancy.open()
    assert diary.told == [("open", "a"), ("open", "b"), ("close", "c"), ("close", "b"), ("close", "a")]
    assert chancy.plugins.failures == {("b", "on_open"): 1}
    with pytest.raises(PluginError, match="'b' did not open: RuntimeError: no room"):
        await chancy.push(ECHO)
    with pytest.raises(PluginError, match="'b' did not open: RuntimeError: no room"):
        chancy.sync_open()
    with pytest.raises(PluginError, match="'b' did not open: RuntimeError: no room"):
        chancy.sync_push(ECHO)
    assert diary.words == ["open", "open", "close", "close", "close"] * 4
    assert not chancy.connections.sides
    assert chancy.connections.sync_side is None


async def never(chancy: Chancy) -> None:
    await asyncio.sleep(3600)


async def deaf(chancy: Chancy) -> None:
    """Swallows its cancellation, until the gate opens."""
    while not jobs.gate.is_set():
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue


@pytest.fixture
def hastened(monkeypatch) -> Any:
    monkeypatch.setattr(host, "ON_OPEN_S", 0.5)
    monkeypatch.setattr(calling, "LETS_GO_WITHIN_S", 0.2)
    jobs.gate.clear()
    yield
    jobs.gate.set()


@pytest.mark.parametrize("opens", [never, deaf])
@pytest.mark.parametrize("with_asyncio", [True, False])
async def test_on_open_that_does_not_end_keeps_it_from_opening(new_chancy, diary, hastened, until, opens, with_asyncio):
    """Its time is over, it is told so with its name, and nobody waits for it any longer."""
    chancy = new_chancy(plugins=[diary.plugin("slow", opens=opens)])
    with pytest.raises(PluginError, match=r"'slow' did not open: .*it took too long"):
        await (chancy.open() if with_asyncio else asyncio.to_thread(chancy.sync_open))
    assert diary.words == ["open", "close"]
    jobs.gate.set()
    await until(lambda: not calling._left)


async def test_on_open_that_is_cancelled_leaves_nothing_open(new_chancy, diary):
    """Whoever gives up opening while a hook runs has opened nothing."""
    began = asyncio.Event()

    async def slow(chancy: Chancy) -> None:
        began.set()
        await asyncio.sleep(3600)

    chancy = new_chancy(plugins=[diary.plugin(opens=slow)])
    opening = asyncio.create_task(chancy.open())
    await began.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert diary.words == ["open", "close"]
    assert not chancy.connections.sides


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()], ids=repr)
async def test_on_close_that_raises_closes_all_the_same(new_chancy, diary, error):
    """It is counted, others are told, and the Chancy is closed."""

    def on_close(_):
        raise error

    async with new_chancy(plugins=[diary.plugin("a"), plugin("z", on_close=on_close)]) as chancy:
        pass
    assert diary.words == ["open", "close"]
    assert chancy.plugins.failures == {("z", "on_close"): 1}
    assert not chancy.connections.sides


async def test_on_open_waits_until_the_schema_fits(new_chancy, diary):
    """Where only `migrate` works yet, the hook that needs its tables is called after that."""
    async with new_chancy(auto_migrate=False, plugins=[diary.plugin(opens=look)]) as chancy:
        assert diary.words == []
        await chancy.migrate()
        assert diary.words == ["open"]
        await chancy.migrate()
        assert diary.words == ["open"]
    assert diary.words == ["open", "close"]
    with new_chancy(plugins=[diary.plugin()], auto_migrate=False) as again:
        again.sync_migrate()
    assert diary.words == ["open", "close"] * 2


async def test_on_close_is_not_told_of_what_never_fitted(new_chancy, diary):
    """Who was not told that it opened is not told that it closes."""
    async with new_chancy(auto_migrate=False, plugins=[diary.plugin()]):
        pass
    assert diary.words == []


def test_on_close_is_told_of_a_loop_that_ended_without_closing(new_chancy, diary):
    """When it is opened in the next loop: once closed for the one that died, and opened again."""
    chancy = new_chancy(plugins=[diary.plugin()])
    asyncio.run(chancy.open())

    async def again() -> None:
        async with chancy:
            assert diary.words == ["open", "close", "open"]

    asyncio.run(again())
    assert diary.words == ["open", "close", "open", "close"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_on_close_is_not_told_in_a_child_of_what_its_parent_opened(new_chancy, diary):
    """A forked child that closes it, or opens it anew with asyncio, is told of its own openings only."""
    with new_chancy(plugins=[diary.plugin()]) as chancy:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            chancy.sync_push(ECHO)
            chancy.sync_close()
            before = " ".join(diary.words)

            async def anew() -> None:
                async with chancy:
                    pass

            asyncio.run(anew())
            os.write(writing, f"{before}; {' '.join(diary.words)}".encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            assert pipe.read() == "open; open open close"
        os.waitpid(child, 0)
    assert diary.words == ["open", "close"]
