"""Address of the client of a request, also behind trusted proxies."""

from collections.abc import Sequence
from ipaddress import ip_address

from litestar.types import HTTPScope

from domains.kernel.core.network import AUTHORITY, Address, Network, parse_port, unmapped

_HEADER = b"x-forwarded-for"


def client_address(scope: HTTPScope, trusted: Sequence[Network]) -> Address | None:
    """Return the address of the client; None if the connection has none, such as a Unix socket.

    It is the peer of the connection. If that is a trusted proxy, it is the right-most address in
    X-Forwarded-For that is no trusted proxy, because clients may send the header with addresses of
    their choice, to which proxies append. If the header is malformed, it is the peer.
    """
    client = scope.get("client")
    peer = None if client is None else _parse(client[0])
    if peer is None or not _is_in(peer, trusted):
        return peer
    # Several headers count as one list: a proxy may add a header of its own.
    lines = [value for name, value in scope["headers"] if name == _HEADER]
    return _forwarded(b",".join(lines).decode("latin-1"), trusted) or peer


def is_allowed(address: Address | None, allowed: Sequence[Network]) -> bool:
    """Return True if the address is in one of the networks."""
    return address is not None and _is_in(address, allowed)


def _forwarded(header: str, trusted: Sequence[Network]) -> Address | None:
    """The client in X-Forwarded-For: None if malformed, the first if all are trusted."""
    address: Address | None = None
    for entry in reversed(header.split(",")):
        address = _parse(entry.strip())
        if address is None or not _is_in(address, trusted):
            return address
    return address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _parse(text: str) -> Address | None:
    """Parse an address, IPv6 in brackets or not, with or without a port. None if malformed."""
    try:
        return unmapped(ip_address(text))
    except ValueError:
        pass
    parts = AUTHORITY.fullmatch(text)
    if parts is None:
        return None
    try:
        if parts["port"] is not None:
            parse_port(parts["port"])
        return unmapped(ip_address(parts["ipv6"] or parts["name"] or ""))
    except ValueError:
        return None
