"""The screen that goes on: it looks every few seconds, heeds keys, and outlives the database."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg
from rich.console import Console, Group
from rich.live import Live

from chancy import Chancy
from chancy.errors import ChancyError, SchemaError
from chancy.plugin import looked_at, text_of
from chancy_doctor.plugin import Doctor
from chancy_doctor.top.keys import Keys, keys_in
from chancy_doctor.top.picture import Picture, look_up
from chancy_doctor.top.screen import screen
from chancy_doctor.top.view import View

# Nobody waits longer for a look than this; meanwhile the last picture stands.
LOOK_WITHIN_S: Final = 4.0
# Where it prints once there is no last picture, and nobody who looks on: a busy machine may take its time.
ONCE_WITHIN_S: Final = 30.0
_STDIN: Final = 0


async def print_once(chancy: Chancy) -> str:
    """One look, as text. Raises ChancyError or psycopg.Error if the database is away."""
    async with chancy:
        chancy.check_schema()
        picture = await look_up(chancy, Doctor.of(chancy).thresholds, ONCE_WITHIN_S, None)
    # In a file nobody's lines need to be broken.
    console = Console(width=200, no_color=True, highlight=False)
    with console.capture() as caught:
        console.print(screen(looked_at(chancy), picture, View(), every_s=0, height=10_000))
    return "\n".join(line.rstrip() for line in caught.get().splitlines())


async def show(chancy: Chancy, every_s: float) -> None:
    """Show the screen until somebody ends it."""
    top = Top(chancy, every_s)
    with _keys_at_once(), Live(console=top.console, screen=True, auto_refresh=False) as live:
        await top.run(live)


class Top:
    """The screen, and what it knows.

    Args:
        chancy: the application; it is opened as soon as that works, and again after it was lost.
        every_s: seconds between two looks.
    """

    def __init__(self, chancy: Chancy, every_s: float) -> None:
        self.console = Console(highlight=False)
        self._chancy = chancy
        self._every_s = every_s
        self._view = View()
        self._picture: Picture | None = None
        self._lost = ""
        self._open = False
        self._changed = asyncio.Event()
        self._keys = Keys(chancy, self._view, self._changed.set)
        self._look_now = asyncio.Event()
        self._ended = False

    async def run(self, live: Live) -> None:
        """Show it on `live` until it is ended by a key."""
        loop = asyncio.get_running_loop()
        pressed: asyncio.Queue[str] = asyncio.Queue()
        loop.add_reader(_STDIN, lambda: _read(pressed))
        loop.add_signal_handler(signal.SIGWINCH, self._changed.set)
        tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._heed(pressed))]
        try:
            while not self._ended:
                live.update(self._screen(), refresh=True)
                await self._changed.wait()
                self._changed.clear()
                for task in tasks:
                    if task.done():
                        task.result()
        finally:
            loop.remove_reader(_STDIN)
            loop.remove_signal_handler(signal.SIGWINCH)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._keys.end()
            if self._open:
                await self._chancy.close()

    def _screen(self) -> Group:
        where = looked_at(self._chancy)
        return screen(
            where, self._picture, self._view, lost=self._lost, every_s=self._every_s, height=self.console.size.height
        )

    async def _look(self) -> None:
        thresholds = Doctor.of(self._chancy).thresholds
        everything = True
        while True:
            try:
                async with asyncio.timeout(2 * LOOK_WITHIN_S):
                    if not self._open:
                        await self._chancy.open()
                        self._open = True
                    self._chancy.check_schema()
                    self._picture = await look_up(
                        self._chancy, thresholds, LOOK_WITHIN_S, self._picture, everything=everything
                    )
                self._lost = ""
            except SchemaError as error:
                # Somebody may bring it up to date, and the next look is told of it.
                self._lost = text_of(error)
            except (ChancyError, psycopg.Error, OSError, TimeoutError) as error:
                # Told on the screen; the next look may find it again.
                self._lost = f"The database does not answer: {text_of(error)}"
            self._changed.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look_now.wait(), self._every_s)
            # Somebody has changed something, or wants to know; or the database is back.
            everything = self._look_now.is_set() or bool(self._lost)
            self._look_now.clear()

    async def _heed(self, pressed: asyncio.Queue[str]) -> None:
        while True:
            for key in keys_in(await pressed.get()):
                try:
                    again = await self._keys.press(key, self._picture)
                except (ChancyError, psycopg.Error, OSError) as error:
                    self._view.said, again = text_of(error), False
                if again is None:
                    self._ended = True
                elif again:
                    self._look_now.set()
            self._changed.set()


def _read(pressed: asyncio.Queue[str]) -> None:
    text = os.read(_STDIN, 1024).decode(errors="replace")
    # The terminal was closed.
    pressed.put_nowait(text or "q")


@contextmanager
def _keys_at_once() -> Iterator[None]:
    """Keys are heard as they are pressed, and not shown."""
    before = termios.tcgetattr(_STDIN)
    tty.setcbreak(_STDIN)
    try:
        yield
    finally:
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)


def is_terminal() -> bool:
    """Whether somebody looks, and can press keys."""
    return sys.stdout.isatty() and sys.stdin.isatty()
