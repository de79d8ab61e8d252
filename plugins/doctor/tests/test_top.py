"""`chancy top`: in a terminal, where keys are pressed, and without one."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading

import pytest
from conftest import COMMAND
from psycopg.conninfo import make_conninfo

from chancy import Job, Queue

ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])")


def sizeless(environment):
    """Without what would be another terminal's size."""
    return {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}


class Terminal:
    """A terminal in which a command runs; what it shows is in `text`, without colours, the newest at the end."""

    def __init__(self, arguments, environment, folder, size=(30, 100)):
        self._main, child = pty.openpty()
        self.size(*size)
        self.before = termios.tcgetattr(child)
        self._child = child
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=child, stdout=child, stderr=child, cwd=folder, start_new_session=True,
            env={**sizeless(environment), "TERM": "xterm"},
        )  # fmt: skip
        self._raw = bytearray()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            while part := os.read(self._main, 65536):
                self._raw += part
        except OSError:
            pass

    @property
    def text(self):
        return ESCAPES.sub("", self._raw.decode(errors="replace"))

    @property
    def frame(self):
        """What was shown last: a frame begins at the top of the screen."""
        return ESCAPES.sub("", self._raw.decode(errors="replace").rpartition("\x1b[H")[2])

    def press(self, keys):
        os.write(self._main, keys.encode())

    def size(self, rows, columns):
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self):
        return termios.tcgetattr(self._child)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._child)


@pytest.fixture
def terminal(environment, folder):
    started = []

    def start(*arguments, size=(30, 100), **changed):
        started.append(Terminal(arguments, {**environment, **changed}, folder, size))
        return started[-1]

    yield start
    for one in started:
        one.end()


async def test_without_a_terminal_it_prints_once(chancy, cli):
    """In a pipe it is text, whole, and it ends."""
    await chancy.push(Job(func="shop_jobs.ok"))
    said = cli("top")
    assert said.code == 0
    assert "no worker is alive" in said.out
    assert re.search(r"^default +active +1 ", said.out, re.MULTILINE)
    assert "\x1b" not in said.out


async def test_keys_pause_sort_filter_cancel_and_end(chancy, terminal, until, query):
    """What is chosen is acted upon; what changes jobs is asked first, with their number; the terminal is as before."""
    await chancy.declare(Queue("letters"))
    await chancy.push_many([Job(func="shop_jobs.ok", queue="letters")] * 3)
    top = terminal("top", "--every", "0.5")
    await until(lambda: "letters" in top.frame)
    top.press("?")
    await until(lambda: "pause the chosen queue, or resume it" in top.frame)
    top.press("?")
    await until(lambda: "letters" in top.frame)
    top.press("p")
    await until(lambda: query("SELECT state FROM {s}.queues WHERE name = 'letters'") == [("paused",)])
    await until(lambda: "The queue letters was paused" in top.text)
    await until(lambda: re.search(r"letters +paused", top.frame))
    top.press("p")
    await until(lambda: query("SELECT state FROM {s}.queues WHERE name = 'letters'") == [("active",)])
    top.press("s")
    await until(lambda: "OLDEST↓" in top.frame)
    top.press("/def\r")
    await until(lambda: "default" in top.frame and not re.search(r"letters +active", top.frame))
    top.press("/\x1b")
    await until(lambda: re.search(r"letters +active", top.frame))
    top.press("c")
    await until(lambda: "Cancel 3 waiting jobs of letters? [y/n]" in top.frame)
    top.press("n")
    await until(lambda: "Nothing was done." in top.text)
    assert query("SELECT count(*) FROM {s}.jobs") == [(3,)]
    top.press("c")
    await until(lambda: "Cancel 3 waiting jobs" in top.frame)
    top.press("y")
    await until(lambda: "cancelled 3" in top.text)
    assert query("SELECT count(*) FROM {s}.jobs") == [(0,)]
    top.press("q")
    await until(lambda: top.process.poll() is not None)
    assert top.process.returncode == 0
    assert top.modes() == top.before


async def test_failed_jobs_are_run_again_by_a_key(chancy, terminal, until, query, worker):
    """The function is chosen below the queues; its failed jobs are counted first."""
    running = await worker()
    for reference in await chancy.push_many([Job(func="shop_jobs.fails")] * 6):
        await reference.wait(timeout=120)
    running.end()
    top = terminal("top", "--every", "0.5", size=(50, 140))
    await until(lambda: re.search(r"shop_jobs.fails +6 +100%", top.frame))
    top.press("\x1b[B" * 20)
    top.press("r")
    await until(lambda: "Run 6 failed jobs of shop_jobs.fails again? [y/n]" in top.frame)
    top.press("y")
    await until(lambda: "retried 6" in top.text)
    assert query("SELECT count(*) FROM {s}.jobs") == [(6,)]


async def test_a_lost_database_is_shown_and_not_a_traceback(chancy, terminal, until, query, dsn, schema):
    """What was seen before stays there; it goes on when the database is back."""
    role = f"viewer_{schema}"
    query(f"CREATE ROLE {role} LOGIN SUPERUSER")
    try:
        top = terminal("top", "--every", "0.5", CHANCY_DSN=make_conninfo(dsn, user=role))
        await until(lambda: "nothing is wrong" in top.frame)
        query(f"ALTER ROLE {role} NOLOGIN")
        query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", role)
        await until(lambda: "The database does not answer" in top.frame)
        assert "default" in top.frame
        query(f"ALTER ROLE {role} LOGIN")
        await until(lambda: "The database does not answer" not in top.frame and "nothing is wrong" in top.frame)
        assert "Traceback" not in top.text
    finally:
        query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", role)
        query(f"DROP ROLE {role}")


async def test_it_follows_the_size_of_the_terminal(chancy, terminal, until):
    """A narrow one cuts lines, and none is longer than it is wide."""
    await chancy.push(Job(func="shop_jobs.ok"))
    top = terminal("top", "--every", "60", size=(30, 160))
    await until(lambda: "no worker is alive." in top.frame)
    top.size(20, 50)
    os.kill(top.process.pid, signal.SIGWINCH)
    await until(lambda: max(map(len, top.frame.splitlines())) <= 50 and "QUEUE" in top.frame)


async def test_a_database_that_is_not_there_at_first_is_waited_for(terminal, until, dsn):
    """The screen is there at once, and says why it is empty."""
    top = terminal("top", CHANCY_DSN=make_conninfo(dsn, host="/nowhere"))
    await until(lambda: "The database does not answer" in top.frame)
    top.press("q")
    await until(lambda: top.process.poll() == 0)
