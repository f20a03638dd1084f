"""Parsing of hosts, ports and IP addresses, and the rules for which of them may be contacted.

Only public hosts and hosts in the operator's allowlist may be contacted.
"""

import re
from contextlib import suppress
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

import idna
import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAX_HOST_LENGTH: Final = 253

# `host` or `host:port`; an IPv6 address is in brackets.
AUTHORITY: Final = re.compile(
    r"(\[(?P<ipv6>[^\[\]]*)\]|(?P<name>[^\[\]:]+))(:(?P<port>[^\[\]:]*))?"
)
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_INTERNAL_NAMES: Final = (".localhost", ".local", ".internal", ".home.arpa")

# The special-purpose networks in IANA's registries. `is_global` alone is not enough: its result
# depends on the Python version, and it includes multicast and relays.
_SPECIAL_NETWORKS: Final[tuple[Network, ...]] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            # A cloud provider's internal service, though the address is public.
            "168.63.129.16/32",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            # Everything outside 2000::/3, the only network that public addresses are assigned from.
            "::/3",
            "4000::/2",
            "8000::/1",
            # Includes Teredo. Like 6to4 (2002::/16) it leads to an arbitrary IPv4 address.
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "3fff::/20",
        ),
    )
)
# IPv4-mapped and NAT64 addresses: the last 32 bits are the IPv4 address that is contacted.
_IPV4_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_IPV4_IN_IPV6: Final = (_IPV4_MAPPED, IPv6Network("64:ff9b::/96"))

_ORIGIN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<host>[a-z0-9_.-]+))"
    r"(:(?P<port>[0-9]+))?"
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

INVALID_PORT: Final = "must have a port between 1 and 65535"


def parse_origins(text: str) -> frozenset[str]:
    """Parse origins of web pages, separated by commas, or `*`, which stands for all of them.

    Raises ValueError with a message for the operator.
    """
    origins = frozenset(filter(None, map(str.strip, text.split(","))))
    for origin in origins:
        if origin == "*" and len(origins) > 1:
            raise ValueError("* allows all origins: leave out the others.")
        if origin != "*" and not _is_origin(origin):
            raise ValueError(
                f"{origin!r} is not an origin. Expected: scheme://host or scheme://host:port in "
                "lower case, without a path, a final slash or the scheme's default port, for "
                "example https://app.example.com. To allow all origins, set *."
            )
    return origins


def _is_origin(text: str) -> bool:
    """Return True if browsers can send the text as an Origin: they compare it byte by byte."""
    parts = _ORIGIN.fullmatch(text)
    if parts is None:
        return False
    try:
        port = None if parts["port"] is None else parse_port(parts["port"])
        host = parse_ipv6(parts["ipv6"]) if parts["ipv6"] else parse_host(parts["host"])
    except ValueError:
        return False
    return str(host) in (parts["ipv6"], parts["host"]) and (
        port is None or (str(port) == parts["port"] and _DEFAULT_PORTS.get(parts["scheme"]) != port)
    )


def parse_network(text: str) -> Network:
    """Parse an IPv4 or IPv6 address or network. IPv4-mapped ones become IPv4.

    Raises ValueError with a message for the operator.
    """
    network = None
    with suppress(ValueError):
        network = ip_network(text.strip(), strict=False)
    # A zone is an interface of one machine.
    if network is None or "%" in text:
        raise ValueError(
            f"{text!r} is neither an address nor a network. Expected, for example: 203.0.113.7, "
            "10.0.0.0/8 or 2001:db8::/32."
        )
    if "/" in text and network.network_address != ip_address(text.strip().partition("/")[0]):
        raise ValueError(f"{text} has bits outside the network. Did you mean {network}?")
    if isinstance(network, IPv6Network) and network.subnet_of(_IPV4_MAPPED):
        address = unmapped(network.network_address)
        return ip_network((address, network.prefixlen - _IPV4_MAPPED.prefixlen))
    return network


def parse_networks(text: str) -> tuple[Network, ...]:
    """Parse networks separated by commas. Raises ValueError with a message for the operator."""
    return tuple(parse_network(entry) for entry in text.split(",") if entry.strip())


def unmapped(address: Address) -> Address:
    """Return the IPv4 address of an IPv4-mapped IPv6 address, or else the address itself."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


class FetchAllowlist(msgspec.Struct, frozen=True):
    """Internal hosts that may be contacted. A port of None means every port."""

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "FetchAllowlist":
        """Parse names, addresses and networks, separated by commas, each optionally with `:port`.

        An IPv6 address with a port is in brackets. Raises ValueError with a message for the
        operator.
        """
        entries = [_parse_entry(entry) for entry in filter(None, map(str.strip, text.split(",")))]
        names = frozenset((host, port) for host, port in entries if isinstance(host, str))
        networks = tuple((host, port) for host, port in entries if not isinstance(host, str))
        return cls(names, networks)

    def allows_name(self, host: str, port: int) -> bool:
        """Return True if the name is in the list, so that it may resolve to any address.

        The name must be in lower case and have no trailing dot.
        """
        return (host, port) in self.names or (host, None) in self.names

    def allows_address(self, address: Address, port: int) -> bool:
        """Return True if the address is public or in the list."""
        destination = _destination(address)
        return _is_public(destination) or any(
            allowed_port in (None, port) and (address in network or destination in network)
            for network, allowed_port in self.networks
        )


def parse_port(text: str) -> int:
    """Parse a port. Raises ValueError with INVALID_PORT."""
    # The length is limited because converting a very long number is slow.
    if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535:
        return int(text)
    raise ValueError(INVALID_PORT)


def parse_host(text: str) -> Address | str:
    """Parse an IPv4 address in any notation, or a host name, which is returned in ASCII.

    Raises ValueError.
    """
    if len(text) > _MAX_HOST_LENGTH + 1:
        raise ValueError("too long")
    # IDNA maps full-width digits and dots to ASCII, as resolvers do.
    ascii_text = text if text.isascii() else idna.encode(text, uts46=True).decode()
    name = ascii_text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > _MAX_HOST_LENGTH or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("not a host name")
    # No top-level domain is a number, so a host that ends in one must be an address.
    return _parse_ipv4(labels) if _NUMBER.fullmatch(labels[-1]) else name


def _parse_ipv4(labels: list[str]) -> IPv4Address:
    """Parse like `inet_aton`: one to four numbers, decimal, octal or hexadecimal."""
    if len(labels) > 4 or not all(map(_NUMBER.fullmatch, labels)):
        raise ValueError("not an address")
    *high, low = map(_parse_number, labels)
    if any(number > 255 for number in high) or low >= 256 ** (4 - len(high)):
        raise ValueError("not an address")
    return IPv4Address(low + sum(number << 24 - 8 * place for place, number in enumerate(high)))


def _parse_number(text: str) -> int:
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") else 10)


def parse_ipv6(text: str) -> IPv6Address:
    """Parse an IPv6 address. Raises ValueError, also for a zone (an interface of this machine)."""
    if "%" in text:
        raise ValueError("has a zone")
    return IPv6Address(text)


def is_public_name(host: str) -> bool:
    """Return False for single labels and for the top-level domains of internal networks."""
    return "." in host and not f".{host}".endswith(_INTERNAL_NAMES)


def _is_public(address: Address) -> bool:
    """Return True if the address is reachable, and denotes the same host, from everywhere."""
    return address.is_global and not any(address in network for network in _SPECIAL_NETWORKS)


def _destination(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address maps to, or else the address itself."""
    if any(address in network for network in _IPV4_IN_IPV6):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _parse_entry(entry: str) -> tuple[Network | str, int | None]:
    # An IPv6 address without brackets does not match, and has no port.
    parts = AUTHORITY.fullmatch(entry)
    host, digits = (parts["ipv6"] or parts["name"] or "", parts["port"]) if parts else (entry, None)
    try:
        port = None if digits is None else parse_port(digits)
    except ValueError as error:
        raise ValueError(f"{entry} {error}.") from None
    with suppress(ValueError):
        return ip_network(host), port
    if "/" in host:
        raise ValueError(f"{entry} is not a network such as 10.0.0.0/8.")
    with suppress(ValueError):
        name = parse_host(host)
        if isinstance(name, str):
            return name, port
    raise ValueError(f"{entry} is not a host name, an address or a network.")
