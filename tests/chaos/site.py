"""Three hosts, PostgreSQL on one of them, workers on all, an application that pushes on one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from chaos.cluster import USER, Cluster
from chaos.harness import Arena
from chaos.network import SUBNET, Host, Network
from chaos.waiting import until
from chaos.workerprocess import WorkerProcess

PASSWORD: Final = "chaos"


@dataclass
class Site:
    """What stands where.

    Attributes:
        arena: the scenario's.
        network: the hosts; the first one has the database.
        servers: the database, by its host; a standby beside it.
        dsn: by which everybody on a host reaches the database.
        workers: by their host.
    """

    arena: Arena
    network: Network
    servers: dict[Host, Cluster] = field(default_factory=dict)
    dsn: str = ""
    workers: dict[Host, list[WorkerProcess]] = field(default_factory=dict)

    @property
    def hosts(self) -> list[Host]:
        return self.network.hosts

    @classmethod
    async def made(cls, arena: Arena, hosts: int = 3) -> Site:
        """Hosts, and a database on the first one, which lets in whoever has a password."""
        network = await asyncio.to_thread(Network(hosts).__enter__)
        arena.at_the_end(network.__exit__)
        site = cls(arena, network)
        server = site._server(network.hosts[0], "db")
        await asyncio.to_thread(server.make)
        server.query(f"ALTER ROLE {USER} PASSWORD '{PASSWORD}'")
        with (server.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all {USER} {SUBNET} scram-sha-256\nhost replication {USER} {SUBNET} scram-sha-256\n")
        server.query("SELECT pg_reload_conf()")
        await arena.database(server.dsn())
        site.dsn = site.dsn_of(network.hosts[0])
        return site

    async def standby(self, host: Host) -> Cluster:
        """A synchronous standby on another host; the DSN has both from now on."""
        primary = self.servers[self.hosts[0]]
        standby = self._server(host, "standby")
        await asyncio.to_thread(standby.make_standby, primary, source=self.dsn_of(self.hosts[0]))
        primary.set(synchronous_standby_names="standby")
        await until(
            lambda: primary.query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), "the standby follows"
        )
        self.dsn = self.dsn_of(self.hosts[0], host, target_session_attrs="read-write")
        return standby

    def dsn_of(self, *hosts: Host, **more: str) -> str:
        """Reaches servers by their addresses."""
        return self.servers[hosts[0]].dsn(
            host=",".join(host.address for host in hosts),
            port=",".join(str(self.servers[host].port) for host in hosts),
            password=PASSWORD,
            **more,
        )

    async def in_full_swing(self, *hosts: Host, each: int = 2, pushes_on: Host | None = None) -> None:
        """Workers on these hosts, all by default; the test pushes past the network, an application on one host."""
        for host in hosts or self.hosts:
            for _ in range(1 if self.arena.short else each):
                await self.worker(host)
        await self.arena.push_steadily()
        if pushes_on is not None:
            await self.arena.application(self.dsn, pushes_on.prefix)
        await self.arena.under_way()

    async def worker(self, host: Host, dsn: str | None = None, **environ: str) -> WorkerProcess:
        """Start a worker on a host."""
        made = await self.arena.worker(dsn or self.dsn, prefix=host.prefix, **environ)
        self.workers.setdefault(host, []).append(made)
        return made

    def write_off(self, *hosts: Host) -> list[WorkerProcess]:
        """Others may rightly take the workers of these hosts for dead."""
        found = [worker for host in hosts for worker in self.workers.get(host, ())]
        for worker in found:
            worker.written_off = True
        return found

    def living(self, *without: Host) -> list[WorkerProcess]:
        """The workers of all hosts but these."""
        return [worker for host, workers in self.workers.items() if host not in without for worker in workers]

    def _server(self, host: Host, name: str) -> Cluster:
        made = self.arena.unmade_cluster(name, {"listen_addresses": host.address}, prefix=host.prefix)
        self.servers[host] = made
        return made
