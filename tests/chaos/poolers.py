"""pgbouncer in between, and its own faults; and a network that drops packets."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chaos.cluster import USER, account, as_account, free_port, needs, needs_root
from chaos.harness import Arena
from chaos.scenario import HUNG_S, OUTAGE_S, scenario
from chaos.waiting import until


class Bouncer:
    """A pgbouncer before a database."""

    def __init__(self, arena: Arena, dsn: str, mode: str) -> None:
        needs("pgbouncer")()
        self.port = free_port()
        self.folder = arena.folder / "bouncer"
        self.folder.mkdir()
        self._account = account(self.folder)
        given = conninfo_to_dict(dsn)
        self._write(
            "pgbouncer.ini",
            f"[databases]\n{given['dbname']} = host={given['host']} port={given['port']}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {self.folder}/users.txt\n"
            f"pool_mode = {mode}\ndefault_pool_size = 10\nmax_client_conn = 200\n"
            "ignore_startup_parameters = extra_float_digits,options\n",
        )
        self._write("users.txt", f'"{USER}" ""\n')
        self.dsn = make_conninfo("", **{**given, "host": "127.0.0.1", "port": self.port, "user": USER})
        self.process: subprocess.Popen[bytes] | None = None
        arena.at_the_end(self.kill)

    def start(self) -> Bouncer:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["pgbouncer", str(self.folder / "pgbouncer.ini")], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": f"{os.environ['PATH']}:/usr/sbin"}, **as_account(self._account),
            )  # fmt: skip
        return self

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.send(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.write_text(text)
        for place in (file, self.folder):
            os.chown(place, self._account.uid, self._account.gid)


async def _behind_pgbouncer(arena: Arena, mode: str = "transaction") -> Bouncer:
    """A database, workers and an application behind pgbouncer; all in full swing."""
    dsn = await arena.database()
    bouncer = await asyncio.to_thread(Bouncer(arena, dsn, mode).start)
    pooler = mode == "transaction"
    for _ in range(2):
        await arena.worker(bouncer.dsn, **({"CHANCY_POOLER": "true"} if pooler else {}))
    await arena.push_steadily(bouncer.dsn, pooler=pooler)
    await arena.under_way()
    return bouncer


@scenario(within_s=OUTAGE_S)
async def behind_pgbouncer(arena: Arena) -> float:
    """Everything goes through pgbouncer with transaction pooling, and nothing else happens."""
    await _behind_pgbouncer(arena)
    await arena.under_way(50)
    return await arena.back()


@scenario(within_s=OUTAGE_S)
async def pgbouncer_killed(arena: Arena) -> float:
    """pgbouncer is killed, and started again."""
    bouncer = await _behind_pgbouncer(arena)
    await asyncio.to_thread(bouncer.kill)
    await asyncio.sleep(2)
    await asyncio.to_thread(bouncer.start)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def pgbouncer_stands_still(arena: Arena) -> float:
    """pgbouncer stands still for two leases: the system acknowledges, and nothing is answered."""
    bouncer = await _behind_pgbouncer(arena)
    bouncer.send(signal.SIGSTOP)
    await asyncio.sleep(2 * arena.lease_s)
    bouncer.send(signal.SIGCONT)
    return await arena.back()


@scenario(within_s=OUTAGE_S, lease_s=6)
async def pgbouncer_sessions_stand_still(arena: Arena) -> float:
    """pgbouncer with session pooling stands still for two leases."""
    bouncer = await _behind_pgbouncer(arena, "session")
    bouncer.send(signal.SIGSTOP)
    await asyncio.sleep(2 * arena.lease_s)
    bouncer.send(signal.SIGCONT)
    return await arena.back()


@scenario(within_s=HUNG_S)
async def server_behind_pgbouncer_hangs(arena: Arena) -> float:
    """What hangs is the connection between pgbouncer and the server, all that are open."""
    dsn = await arena.database()
    relay = arena.relay()
    through = make_conninfo("", **{**conninfo_to_dict(dsn), "host": "127.0.0.1", "port": relay.port})
    bouncer = await asyncio.to_thread(Bouncer(arena, through, "transaction").start)
    for _ in range(2):
        await arena.worker(bouncer.dsn, CHANCY_POOLER="true")
    await arena.push_steadily()
    await arena.under_way()
    relay.stall(new=False)
    return await arena.back()


@scenario(within_s=HUNG_S)
async def listening_hangs_behind_pgbouncer(arena: Arena) -> float:
    """Workers reach the server directly, with the pooler's settings; the connection that listens hangs."""
    await arena.database()
    relay = arena.relay()
    await arena.worker(relay.dsn, CHANCY_POOLER="true", CHANCY_NOTIFICATIONS="true")
    await arena.push_steadily()
    await arena.under_way()
    arena.expect(relay.stall("chancy listen", new=False), "nothing listens")
    return await arena.back()


# -- packets -------------------------------------------------------------------------------


def _namespace(arena: Arena) -> tuple[str, str]:
    """A network of its own, and the address by which it reaches this one."""
    needs_root()
    needs("ip")()
    name = f"chaos{secrets.token_hex(3)}"
    net = f"10.213.{secrets.randbelow(250)}"
    arena.at_the_end(_ip, "netns", "del", name)
    for command in (
        f"netns add {name}",
        f"link add {name} type veth peer name inside netns {name}",
        f"addr add {net}.1/30 dev {name}",
        f"link set {name} up",
        f"-n {name} addr add {net}.2/30 dev inside",
        f"-n {name} link set inside up",
        f"-n {name} link set lo up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    return name, f"{net}.1"


def _ip(*arguments: str) -> None:
    with suppress(OSError):
        subprocess.run(["ip", *arguments], check=False)


@scenario(within_s=OUTAGE_S, lease_s=6)
async def packets_dropped(arena: Arena) -> float:
    """Every packet between the workers and the server is dropped for two leases."""
    await arena.database()
    name, address = await asyncio.to_thread(_namespace, arena)
    relay = arena.relay(host=address)
    for _ in range(2):
        await arena.worker(relay.dsn, prefix=["ip", "netns", "exec", name])
    await arena.push_steadily()
    await arena.under_way()
    await asyncio.to_thread(_ip, "link", "set", name, "down")
    await asyncio.sleep(2 * arena.lease_s)
    await asyncio.to_thread(_ip, "link", "set", name, "up")
    await until(lambda: Path(f"/sys/class/net/{name}/operstate").read_text().strip() == "up", "the network is back")
    return await arena.back()


@scenario(within_s=HUNG_S)
async def one_worker_loses_its_packets(arena: Arena) -> float:
    """Every packet of one worker of two is dropped for two leases: it works again afterwards."""
    await arena.database()
    name, address = await asyncio.to_thread(_namespace, arena)
    relay = arena.relay(host=address)
    cut_off = await arena.worker(relay.dsn, prefix=["ip", "netns", "exec", name])
    await arena.worker()
    await arena.push_steadily()
    await arena.under_way()
    cut_off.written_off = True
    await asyncio.to_thread(_ip, "link", "set", name, "down")
    await asyncio.sleep(2 * arena.lease_s)
    await asyncio.to_thread(_ip, "link", "set", name, "up")
    return await arena.back()
