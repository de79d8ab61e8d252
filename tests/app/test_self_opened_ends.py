"""When a `Chancy` that opened itself is closed: by `close`, by nobody, and at the end of the process."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading

import pytest
from opening_diary import Diary
from psycopg.conninfo import make_conninfo
from test_fork_and_loops import sessions

from chancy import Chancy, Job
from chancy_core.errors import DatabaseUnavailable, NotOpen

ECHO = Job(func="jobs.echo", kwargs={"value": 1})


async def test_open_stays_open_until_close_and_says_what_is_wrong_at_once(new_chancy, dsn):
    """`open` after a first use is the same opening; what was closed does not open itself again."""
    chancy = new_chancy()
    await chancy.push(ECHO)
    await chancy.open()
    with pytest.raises(NotOpen, match="open already"):
        await chancy.open()
    await asyncio.to_thread(chancy.sync_push, ECHO)
    await chancy.close()
    for use in (lambda: chancy.push(ECHO), lambda: asyncio.to_thread(chancy.sync_push, ECHO), chancy.count_jobs):
        with pytest.raises(NotOpen, match="has been closed"):
            await use()
    async with chancy:
        await asyncio.to_thread(chancy.sync_push, ECHO)
    with pytest.raises(DatabaseUnavailable):
        await Chancy(make_conninfo(dsn, host="/nowhere"), discover=False).open()


async def test_closing_closes_what_opened_itself_elsewhere(new_chancy, query, until):
    """Threads and their loops: what waits there is written, no connection stays, and no hook is told twice."""
    diary = Diary()
    chancy = new_chancy(plugins=[diary.plugin])
    stop = threading.Event()
    used = threading.Event()

    async def elsewhere() -> None:
        await chancy.push(ECHO)
        used.set()
        await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    await asyncio.to_thread(used.wait)
    await asyncio.to_thread(chancy.sync_push, ECHO)
    async with chancy:
        await chancy.push(ECHO)
    await until(lambda: sessions(query) == 0)
    stop.set()
    await asyncio.to_thread(thread.join)
    assert diary.words == ["open", "close"]


async def test_blocks_in_two_loops_at_once_do_not_close_each_other(new_chancy):
    """Each `async with` is for its own loop; the last one ends it."""
    chancy = new_chancy()
    async with chancy:

        async def elsewhere() -> None:
            async with chancy:
                await chancy.push(ECHO)

        await asyncio.to_thread(asyncio.run, elsewhere())
        await chancy.push(ECHO)
        await asyncio.to_thread(chancy.sync_push, ECHO)
    with pytest.raises(NotOpen):
        await chancy.push(ECHO)


@pytest.mark.filterwarnings("error")
async def test_one_that_nobody_closes_takes_its_connections_with_it(new_chancy, query, until):
    """Forgotten by everybody, it is collected without a warning, and no session is left."""

    def use() -> None:
        chancy = new_chancy()
        chancy.sync_push(ECHO)
        asyncio.run(chancy.push(ECHO))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    gc.collect()
    await until(lambda: sessions(query) == 0)


ENDS = {
    "sync": "chancy.sync_push(job)",
    "async": "asyncio.run(chancy.push(job))",
    "both": "chancy.sync_push(job); asyncio.run(chancy.push(job)); asyncio.run(chancy.push_many([job]))",
    "threads": "with ThreadPoolExecutor(4) as pool: list(pool.map(chancy.sync_push, [job] * 8))",
    "a thread that goes on": "threading.Thread(target=lambda: [chancy.sync_push(job) for _ in iter(int, 1)],"
    " daemon=True).start(); chancy.sync_push(job)",
    "a loop that goes on": "threading.Thread(target=asyncio.run, args=(ever(),), daemon=True).start();"
    " used.wait(); chancy.sync_push(job)",
    "an error": "chancy.sync_push(job); sys.exit(3)",
    "never used": "pass",
}


@pytest.mark.parametrize("use", ENDS.values(), ids=list(ENDS))
async def test_a_process_ends_without_a_word(dsn, schema, query, until, tmp_path, use):
    """At the end of the interpreter nothing hangs and nothing warns, plugins hear of it, and no session is left."""
    program = f"""
        import asyncio, sys, threading
        from concurrent.futures import ThreadPoolExecutor
        from chancy import Chancy, Job, Plugin, hookimpl

        class Closing(Plugin):
            name = "closing"

            @hookimpl
            async def on_open(self, chancy): pass

            @hookimpl
            def on_close(self, chancy): print("closed")

        chancy = Chancy({dsn!r}, schema={schema!r}, discover=False, plugins=[Closing()])
        job = Job(func="jobs.echo", kwargs={{"value": 1}})
        used = threading.Event()

        async def ever():
            await chancy.push(job)
            used.set()
            await asyncio.sleep(3600)

        {use}
        """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "always", "app.py"],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stderr == ""
    assert done.returncode == (3 if "exit" in use else 0)
    assert done.stdout == ("" if use == "pass" else "closed\n")
    # The server ends a session when it next reads from it, which may be after the process has gone.
    await until(lambda: sessions(query) == 0)
