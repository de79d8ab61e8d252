"""What proxies say of the request that they pass on, where they are trusted."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from chancy.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_OURS: Final = (
    b"forwarded",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-forwarded-prefix",
    b"x-real-ip",
)


class Proxies:
    """The proxies that are believed.

    Args:
        addresses: their addresses or networks, such as `10.0.0.0/8`.

    Raises:
        ConfigError: one of them is no address.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        if isinstance(addresses, str):
            addresses = [addresses]
        try:
            self._networks: Final[list[Network]] = [ipaddress.ip_network(one, strict=False) for one in addresses]
        except ValueError as error:
            raise ConfigError(f"trusted_proxies: {error}. Give addresses or networks, such as 10.0.0.0/8.") from None

    def seen_through(self, scope: Scope) -> Scope:
        """The request as its sender sent it, if a trusted proxy has passed it on; otherwise as it is."""
        client = scope.get("client")
        if not self._networks or client is None or not self._trusts(client[0]):
            return scope
        headers = Headers(scope=scope)
        scope = dict(scope)
        forwarded = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
        # The last one that no trusted proxy wrote is the sender's own; those before it he may have made up.
        sender = next((one for one in reversed(forwarded) if not self._trusts(one)), None)
        if sender is not None:
            scope["client"] = (sender, 0)
        if headers.get("x-forwarded-proto") in ("http", "https"):
            scope["scheme"] = headers["x-forwarded-proto"]
        prefix = headers.get("x-forwarded-prefix", "").rstrip("/")
        if prefix.startswith("/") and not prefix.startswith("//") and prefix.isprintable():
            scope["root_path"] = prefix + scope.get("root_path", "")
        kept = [(name, value) for name, value in scope["headers"] if name not in (*_OURS, b"host")]
        host = headers.get("x-forwarded-host", headers.get("host", "")).split(",")[0].strip()
        scope["headers"] = [*kept, (b"host", host.encode("latin-1", "replace"))]
        return scope

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)
