"""A relay between a program and its PostgreSQL, which can be told to misbehave in the ways that networks do.

```python
with Relay(dsn) as relay:
    worker_uses(relay.dsn)
    relay.stall("chancy finish")               # acknowledged, and never answered
    relay.release("chancy finish")             # what was held back is delivered now
    relay.cut()                                # every connection, by a reset
```

Connections are told apart by the application_name of their startup packet: "chancy claim", "chancy finish",
"chancy heartbeat", "chancy" (the pool of an application). Without names, a verb means all of them. A stall or a delay
also holds for connections that are opened later, unless it is told not to (`new=False`). It works in a thread with a
loop of its own, so verbs may be called from anywhere, and return once they have taken effect.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chaos.links import BOTH, DOWN, UP, Link, Rule, Way, end_side, obey, startup

_CONTROL_TIMEOUT_S = 30.0
# CLONE_NEWNET of <linux/sched.h>.
_NETWORK = 0x40000000


class Relay:
    """A relay to the server of a DSN. Opens with the block, and cuts all connections at its end.

    Args:
        dsn: where the server is; by TCP or by a unix socket.
        host: the address to listen on.
        namespace: of the network, in which it stands; this process's own by default.

    Attributes:
        dsn: the same database, through the relay.
        port: where it listens.
    """

    def __init__(self, dsn: str, *, host: str = "127.0.0.1", namespace: str | None = None) -> None:
        self._upstream = dsn
        self._namespace = namespace
        self._host = host
        self._links: set[Link] = set()
        self._rules: list[Rule] = []
        self._numbers = itertools.count(1)
        self._opened: list[str] = []
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CONTROL_TIMEOUT_S)
        self._loop.close()

    def _run(self) -> None:
        if self._namespace is not None:
            # This thread enters it, and no other one of the process does.
            with Path(f"/run/netns/{self._namespace}").open() as place:
                if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), _NETWORK):
                    raise OSError(ctypes.get_errno(), "the relay cannot enter its namespace")
        self._loop.run_forever()

    @property
    def dsn(self) -> str:
        """The database, through the relay."""
        given = conninfo_to_dict(self._upstream)
        plain = {"sslmode": "disable", "gssencmode": "disable", "channel_binding": "disable"}
        given.pop("requirepeer", None)
        given.pop("hostaddr", None)
        return make_conninfo("", **{**given, **plain, "host": self._host, "port": self.port})

    # -- verbs -----------------------------------------------------------------------------

    def stall(self, *names: str, directions: Iterable[str] = BOTH, new: bool = True) -> int:
        """Go on reading and forward nothing: the peers see what they send acknowledged. How many connections that are.

        Args:
            names: whose connections; none: all.
            directions: UP, DOWN, or both.
            new: whether connections that are opened later are stalled as well.
        """

        async def act() -> int:
            return self._apply(Rule(frozenset(names), tuple(directions), None), new=new)

        return self._do(act)

    def delay(self, seconds: float, *names: str, directions: Iterable[str] = BOTH, new: bool = True) -> int:
        """Forward each piece so much later than it came. `pass_all` ends it."""

        async def act() -> int:
            return self._apply(Rule(frozenset(names), tuple(directions), seconds), new=new)

        return self._do(act)

    def release(self, *names: str, deliver: bool = True) -> int:
        """End a stall. How many bytes had been held back.

        Args:
            names: whose connections; none: all.
            deliver: False: what was held back is lost, and the connections with it, as after a long outage.
        """

        async def act() -> int:
            self._forget(names)
            held = 0
            for link in self._chosen(names):
                held += sum(way.bytes for way in link.ways.values())
                if not deliver:
                    link.end(reset=True, client=True, server=True)
                for way in link.ways.values():
                    if not deliver:
                        way.drop()
                    way.open = True
                    way.change()
            return held

        return self._do(act)

    def pass_all(self, *names: str) -> None:
        """Be a good relay again: deliver what was held, forward at once, take new connections."""

        async def act() -> None:
            self._forget(names)
            for link in self._chosen(names):
                for way in link.ways.values():
                    way.delay_s, way.open = 0.0, True
                    way.change()
            await self._accept()

        self._do(act)

    def cut(self, *names: str, reset: bool = True, client: bool = True, server: bool = True) -> int:
        """End connections. How many.

        Args:
            names: whose; none: all.
            reset: by RST; False: by FIN, as a program ends that closes its socket.
            client: whether the side of the program is ended.
            server: whether the side of the server is; a server that hears nothing keeps its session, and its locks.
                What was held back for it is still delivered by `release`.
        """

        async def act() -> int:
            chosen = self._chosen(names)
            for link in chosen:
                link.end(reset=reset, client=client, server=server)
            return len(chosen)

        return self._do(act)

    def half_close(self, *names: str, towards: str = "client") -> int:
        """Tell one side ("client" or "server") that nothing more comes, and let it go on sending. How many."""

        async def act() -> int:
            chosen = self._chosen(names)
            for link in chosen:
                with suppress(OSError):
                    (link.client if towards == "client" else link.server).write_eof()
            return len(chosen)

        return self._do(act)

    def refuse(self) -> None:
        """Take no new connections: whoever tries is refused. `accept` and `pass_all` end it."""
        self._do(self._stop_listening)

    def accept(self) -> None:
        """Take new connections again."""
        self._do(self._accept)

    def lead_to(self, dsn: str) -> None:
        """From now on, new connections lead to another server, as behind a moved address."""

        async def act() -> None:
            self._upstream = dsn

        self._do(act)

    # -- what can be seen ------------------------------------------------------------------

    def count(self, *names: str) -> int:
        """How many connections there are now."""

        async def act() -> int:
            return len(self._chosen(names))

        return self._do(act)

    def held(self, *names: str, direction: str = UP) -> int:
        """How many bytes are held back in a direction."""

        async def act() -> int:
            return sum(link.ways[direction].bytes for link in self._chosen(names))

        return self._do(act)

    @property
    def opened(self) -> list[str]:
        """The names of all connections that have been opened so far, in order."""

        async def act() -> list[str]:
            return list(self._opened)

        return self._do(act)

    # -- inside the loop -------------------------------------------------------------------

    def _do(self, act: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(_CONTROL_TIMEOUT_S)

    def _chosen(self, names: Iterable[str]) -> list[Link]:
        wanted = set(names)
        return [link for link in self._links if not wanted or link.name in wanted]

    def _apply(self, rule: Rule, *, new: bool) -> int:
        if new:
            self._rules.append(rule)
        chosen = [link for link in self._links if rule.concerns(link.name)]
        for link in chosen:
            obey(link, rule)
        return len(chosen)

    def _forget(self, names: Iterable[str]) -> None:
        gone = set(names)
        self._rules = [rule for rule in self._rules if gone and not rule.names & gone]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, self._host, self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _accept(self) -> None:
        if self._server is None:
            await self._listen()

    async def _close(self) -> None:
        await self._stop_listening()
        for link in list(self._links):
            link.end(reset=True, client=True, server=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # A connection that is over, at the latest when the relay is.
            end_side(writer, reset=True)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name, packet = await startup(reader, writer)
        self._opened.append(name)
        server_reader, server_writer = await self._connect()
        server_writer.write(packet)
        ways = {UP: Way(reader, server_writer), DOWN: Way(server_reader, writer)}
        link = Link(next(self._numbers), name, writer, server_writer, ways)
        for rule in self._rules:
            if rule.concerns(name):
                obey(link, rule)
        self._links.add(link)
        try:
            link.tasks = [asyncio.create_task(step) for way in ways.values() for step in (way.fill(), way.empty())]
            await asyncio.gather(*link.tasks)
        finally:
            for each in link.tasks:
                each.cancel()
            self._links.discard(link)
            server_writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        given = conninfo_to_dict(self._upstream)
        host, port = str(given.get("host") or "127.0.0.1"), int(given.get("port") or 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(Path(host, f".s.PGSQL.{port}"))
        return await asyncio.open_connection(host, port)
