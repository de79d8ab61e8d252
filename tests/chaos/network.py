"""Hosts: namespaces of the network, joined by a switch, each of which can be cut off in the ways that hosts are.

Nothing of it is in the network of this machine: the switch has a namespace of its own, too, so that addresses and names
collide with nothing, and everything is gone with the namespaces.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from chaos.cluster import Skipped, needs, needs_root

SUBNET: Final = "10.77.0.0/24"
# Their names say whose they are, so that the next run can remove what a killed one has left.
_NAME: Final = re.compile(r"chaos-(\d+)-[0-9a-f]+-\w+")
_NOBODY: Final = "02:00:00:00:00:ff"


def _ip(*words: str, check: bool = True) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Host:
    """One host: a namespace with an address, on a port of the switch."""

    def __init__(self, network: Network, number: int) -> None:
        self.network = network
        self.namespace = f"{network.name}-h{number}"
        self.address = f"10.77.0.{number}"
        self.mac = f"02:00:00:00:00:{number:02x}"
        self.port = f"p{number}"

    @property
    def prefix(self) -> list[str]:
        """Runs a command on this host; the process stays the same one."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}"]

    def run(self, *words: str) -> str:
        """Run a short command on this host; what it said."""
        done = subprocess.run([*self.prefix, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(f"{' '.join(words)} on {self.namespace}: {done.stderr.strip()}")
        return done.stdout

    # -- what may happen to it ---------------------------------------------------------------

    def unplug(self) -> None:
        """Its cable is pulled: there is no carrier, and nothing passes."""
        _ip("-n", self.network.switch, "link", "set", self.port, "down")

    def plug_in(self) -> None:
        _ip("-n", self.network.switch, "link", "set", self.port, "up")
        self.network.introduce()

    def switch_off_link(self) -> None:
        """Its own device is down: routes are gone, and whoever tries on this host is told so at once."""
        _ip("-n", self.namespace, "link", "set", "eth0", "down")

    def switch_on_link(self) -> None:
        _ip("-n", self.namespace, "link", "set", "eth0", "up")
        self.network.introduce()

    def fall_silent(self) -> None:
        """Everybody's packets are dropped without a sign: the carrier stays, nobody is told anything."""
        _ip("-n", self.network.switch, "link", "set", self.port, "nomaster")

    def speak_again(self) -> None:
        _ip("-n", self.network.switch, "link", "set", self.port, "master", "switch")

    def loses_what_it_sends(self, other: Host) -> None:
        """What it sends to another host gets lost, and what comes from there arrives."""
        self._knows(other, _NOBODY)

    def loses_nothing(self, other: Host) -> None:
        self._knows(other, other.mac)

    def narrow(self, rate: str = "8mbit") -> None:
        """Its line is narrow, both ways."""
        for namespace, device in ((self.namespace, "eth0"), (self.network.switch, self.port)):
            done = subprocess.run(
                ["tc", "-n", namespace, "qdisc", "add", "dev", device, "root",
                 "tbf", "rate", rate, "burst", "32kb", "latency", "400ms"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise Skipped(f"tc cannot make a line narrow here: {done.stderr.strip()}")

    def _knows(self, other: Host, mac: str) -> None:
        # Written, not asked for: a host that asks in vain is told that nobody is there, which no dropped packet tells.
        _ip("-n", self.namespace, "neigh", "replace", other.address, "lladdr", mac, "dev", "eth0", "nud", "permanent")


class Network:
    """A switch and hosts, which exist within the block.

    Args:
        number: how many hosts.

    Raises:
        Skipped: this machine does not let us make them; says why.
    """

    def __init__(self, number: int = 3) -> None:
        needs_root()
        needs("ip", "nsenter")()
        self.name = f"chaos-{os.getpid()}-{secrets.token_hex(3)}"
        self.switch = f"{self.name}-switch"
        self.hosts = [Host(self, each) for each in range(1, number + 1)]

    def __enter__(self) -> Self:
        sweep()
        try:
            self._make(self.switch)
        except AssertionError as error:
            self._remove()
            raise Skipped(f"namespaces of the network are not allowed here: {error}") from error
        try:
            self._join()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def introduce(self) -> None:
        """Tell each host the others' addresses."""
        for host in self.hosts:
            for other in self.hosts:
                if other is not host:
                    host._knows(other, other.mac)

    def _make(self, namespace: str) -> None:
        _ip("netns", "add", namespace)
        _ip("-n", namespace, "link", "set", "lo", "up")

    def _join(self) -> None:
        on_switch: Sequence[str] = ("-n", self.switch)
        _ip(*on_switch, "link", "add", "switch", "type", "bridge")
        _ip(*on_switch, "link", "set", "switch", "up")
        for host in self.hosts:
            self._make(host.namespace)
            _ip(*on_switch, "link", "add", host.port, "type", "veth",
                "peer", "name", "eth0", "address", host.mac, "netns", host.namespace)  # fmt: skip
            _ip(*on_switch, "link", "set", host.port, "master", "switch", "up")
            _ip("-n", host.namespace, "addr", "add", f"{host.address}/24", "dev", "eth0")
            _ip("-n", host.namespace, "link", "set", "eth0", "up")
        self.introduce()

    def _remove(self) -> None:
        for namespace in (*(host.namespace for host in self.hosts), self.switch):
            _ip("netns", "del", namespace, check=False)


def sweep() -> None:
    """Remove the networks of runs that were killed, and what still runs in them."""
    for namespace in [line.split()[0] for line in _ip("netns", "list", check=False).splitlines() if line]:
        found = _NAME.fullmatch(namespace)
        if found is None or Path(f"/proc/{found[1]}").exists():
            continue
        for pid in _ip("netns", "pids", namespace, check=False).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        _ip("netns", "del", namespace, check=False)
