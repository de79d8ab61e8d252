"""What each key does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Final

import psycopg

from chancy import Acted, Chancy
from chancy.errors import ChancyError
from chancy.plugin import text_of
from chancy_doctor.top.acting import Action, cancel_waiting, pause_or_resume, retry_failed, told
from chancy_doctor.top.picture import Picture
from chancy_doctor.top.view import View

# What a terminal sends for a key that has no character: an escape, and what follows.
_KEY: Final = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
_UP: Final = frozenset({"\x1b[A", "\x1bOA", "k"})
_DOWN: Final = frozenset({"\x1b[B", "\x1bOB", "j"})
_ENTER: Final = frozenset({"\r", "\n"})
_RUBOUT: Final = frozenset({"\x7f", "\b"})
ESCAPE: Final = "\x1b"
# What changes the view, or looks again, whatever is seen.
_ON_VIEW: Final = frozenset({"?", "s", "/", " "})


def keys_in(text: str) -> Iterator[str]:
    """The keys in what a terminal sent."""
    return (found[0] for found in _KEY.finditer(text))


class Keys:
    """Heeds keys.

    Args:
        chancy: whose queues and jobs are acted upon.
        view: what is shown.
        changed: told when what is shown has changed by itself.
    """

    def __init__(self, chancy: Chancy, view: View, changed: Callable[[], None]) -> None:
        self._chancy = chancy
        self._view = view
        self._changed = changed
        self._action: Action | None = None
        self._acting: asyncio.Task[None] | None = None
        self._stop = False

    async def press(self, key: str, picture: Picture | None) -> bool | None:
        """Do what a key is for.

        Returns:
            Whether to look again at once; None: it is the end.
        """
        if self._acting is not None:
            return self._meanwhile(key)
        self._view.said = ""
        if self._action is not None:
            return self._answer(key, self._action)
        if self._view.typing is not None:
            self._type(key, self._view.typing)
            return False
        if key == "q":
            return None
        return self._on_view(key) if key in _ON_VIEW or picture is None else await self._on_picture(key, picture)

    def _on_view(self, key: str) -> bool:
        view = self._view
        if key == "?":
            view.help = not view.help
        elif key == "s":
            view.next_sort()
        elif key == "/":
            view.typing = view.filter
        return key == " "

    def _type(self, key: str, typed: str) -> None:
        view = self._view
        if key in _ENTER:
            view.typing = None
            return
        if key == ESCAPE:
            view.typing, view.filter, view.chosen = None, "", 0
            return
        typed = typed[:-1] if key in _RUBOUT else typed + (key if key.isprintable() else "")
        view.typing = view.filter = typed
        view.chosen = 0

    def _answer(self, key: str, action: Action) -> bool:
        self._action = self._view.asking = None
        if key not in ("y", "Y"):
            self._view.said = "Nothing was done."
            return False
        self._stop = False
        self._acting = asyncio.create_task(self._act(action))
        return False

    async def _act(self, action: Action) -> None:
        """Act beside everything else, which may take minutes."""
        try:
            self._view.said = str(await action.act(self._heard))
        except (ChancyError, psycopg.Error, OSError) as error:
            # What was done so far is told by its note.
            self._view.said = " ".join([text_of(error), *getattr(error, "__notes__", ())])
        finally:
            self._acting = None
            self._changed()

    def _heard(self, acted: Acted) -> bool:
        self._view.said = told(acted)
        self._changed()
        return not self._stop

    def _meanwhile(self, key: str) -> bool | None:
        """What a key does while jobs are acted upon: the screen goes on, and nothing else is begun."""
        self._stop = self._stop or key in (ESCAPE, "q")
        return None if key == "q" else False

    async def end(self) -> None:
        """End what is going on, between two batches."""
        self._stop = True
        if self._acting is not None:
            await asyncio.gather(self._acting, return_exceptions=True)

    async def _on_picture(self, key: str, picture: Picture) -> bool:
        view = self._view
        if key in _UP or key in _DOWN:
            view.move(picture, 1 if key in _DOWN else -1)
            return False
        queue, failure = view.chosen_queue(picture), view.chosen_failure(picture)
        if key == "p":
            if queue is None:
                view.said = "Choose a queue first, with the arrow keys."
                return False
            view.said = await pause_or_resume(self._chancy, queue)
            return True
        if key == "r":
            if failure is None:
                view.said = "Choose a function under FAILING first, with the arrow keys."
            else:
                self._ask(await retry_failed(self._chancy, failure))
        elif key == "c" and (queue or failure):
            self._ask(await cancel_waiting(self._chancy, queue, failure))
        return False

    def _ask(self, action: Action) -> None:
        if action.question:
            self._action, self._view.asking = action, action.question
        else:
            self._view.said = "There are no such jobs."
