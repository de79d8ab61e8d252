"""How often somebody may guess a password: by where he comes from, and by whose name he guesses."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable
from ipaddress import IPv6Address, ip_address
from typing import Final

# So many wrong passwords from one address within a minute, and it has to wait.
TRIES: Final = 5
WITHIN_S: Final = 60.0
# Whoever has very many addresses may guess one name's password so often, from all of them together.
TRIES_OF_NAME: Final = 50
NAME_WITHIN_S: Final = 3_600.0
# What is remembered of addresses and names that somebody makes up must not grow for ever.
KEPT: Final = 10_000
# Whoever has one address of IPv6 has all that begin alike.
IPV6_BITS: Final = 64


class Tries:
    """Counts wrong passwords.

    A name that is guessed from everywhere stays open to the addresses from which its password was right before:
    otherwise anybody could lock its owner out.
    """

    def __init__(self) -> None:
        self._of_address: Final[OrderedDict[Hashable, list[float]]] = OrderedDict()
        self._of_name: Final[OrderedDict[Hashable, list[float]]] = OrderedDict()
        self._proved: Final[OrderedDict[Hashable, None]] = OrderedDict()

    def may(self, address: str, name: str) -> bool:
        """Whether a password of this name may be tried from there now."""
        place = _place(address)
        if _lately(self._of_address, place, WITHIN_S) >= TRIES:
            return False
        return (name, place) in self._proved or _lately(self._of_name, name, NAME_WITHIN_S) < TRIES_OF_NAME

    def wrong(self, address: str, name: str) -> None:
        """It was wrong."""
        place = _place(address)
        _note(self._of_address, place)
        if (name, place) not in self._proved:
            _note(self._of_name, name)

    def right(self, address: str, name: str) -> None:
        """It was right. What was wrong before from there stays so: who knows one password may guess others."""
        place = _place(address)
        self._proved[name, place] = None
        self._proved.move_to_end((name, place))
        while len(self._proved) > KEPT:
            self._proved.popitem(last=False)


def _place(address: str) -> str:
    """An address, or the part of it that its owner cannot choose."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return f"{int(found) >> (128 - IPV6_BITS):x}/{IPV6_BITS}"
    return str(found)


def _lately(noted: OrderedDict[Hashable, list[float]], key: Hashable, within_s: float) -> int:
    now = time.monotonic()
    found = [at for at in noted.get(key, ()) if now - at < within_s]
    if found:
        noted[key] = found
    else:
        noted.pop(key, None)
    return len(found)


def _note(noted: OrderedDict[Hashable, list[float]], key: Hashable) -> None:
    noted.setdefault(key, []).append(time.monotonic())
    noted.move_to_end(key)
    while len(noted) > KEPT:
        noted.popitem(last=False)
