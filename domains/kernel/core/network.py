"""Hosts and IP addresses that may be contacted: public ones, and those that an operator allows."""

import re
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

import idna
import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LONGEST_HOST: Final = 253

AUTHORITY: Final = re.compile(r"(\[(?P<six>[^\[\]]*)\]|(?P<name>[^\[\]:]+))(:(?P<port>[^\[\]:]*))?")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_INTERNAL_NAMES: Final = (".localhost", ".local", ".internal", ".home.arpa")

# By the registries of IANA, and narrower than `is_global`, whose answers change with Python's
# version and let multicast and relays through.
_CLOSED: Final[tuple[Network, ...]] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            # Answers to every machine of one cloud, though it looks public.
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
            # Addresses are given out of 2000::/3 alone: this is all the rest.
            "::/3",
            "4000::/2",
            "8000::/1",
            # Holds Teredo, and 2002::/16 is 6to4: both lead to an IPv4 address of the sender's
            # choice.
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "3fff::/20",
        ),
    )
)
# The last 32 bits are the IPv4 address that is reached: IPv4-mapped and the well-known NAT64.
_EMBEDDING: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))

INVALID_PORT: Final = "must have a port between 1 and 65535"


class FetchAllowlist(msgspec.Struct, frozen=True):
    """What may be fetched although it is internal. A port of None stands for every port."""

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "FetchAllowlist":
        """Names, addresses and networks, separated by commas, each with `:port` or without.

        An IPv6 address with a port stands in brackets. ValueError with a sentence.
        """
        names = set[tuple[str, int | None]]()
        networks = list[tuple[Network, int | None]]()
        for entry in filter(None, map(str.strip, text.split(","))):
            host, port = _allowed_entry(entry)
            if isinstance(host, str):
                names.add((host, port))
            else:
                networks.append((host, port))
        return cls(frozenset(names), tuple(networks))

    def allows_name(self, host: str, port: int) -> bool:
        """Whether this name may lead to any address. The name is in lower case, without its dot."""
        return (host, port) in self.names or (host, None) in self.names

    def allows_address(self, address: Address, port: int) -> bool:
        """Whether this address may be reached by whatever name: it is public or allowed."""
        reached = _reached(address)
        return _public(reached) or any(
            port == (only or port) and (address in network or reached in network)
            for network, only in self.networks
        )


def parse_port(text: str) -> int:
    # Not more digits than a port has: reading a long number takes long.
    if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535:
        return int(text)
    raise ValueError(INVALID_PORT)


def parse_host(text: str) -> Address | str:
    """An IPv4 address in any of its spellings, or a name in its ASCII form; ValueError."""
    if len(text) > _LONGEST_HOST + 1:
        raise ValueError("too long")
    # Full-width digits and dots become those that a resolver reads.
    ascii_text = text if text.isascii() else idna.encode(text, uts46=True).decode()
    name = ascii_text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > _LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("not a host name")
    # No top-level domain is a number: what ends in one is an address or nothing.
    return _ipv4(labels) if _NUMBER.fullmatch(labels[-1]) else name


def _ipv4(labels: list[str]) -> IPv4Address:
    """As `inet_aton` reads it on any system: one to four numbers, decimal, octal or hex."""
    if len(labels) > 4 or not all(map(_NUMBER.fullmatch, labels)):
        raise ValueError("not an address")
    *high, low = map(_number, labels)
    if any(number > 255 for number in high) or low >= 256 ** (4 - len(high)):
        raise ValueError("not an address")
    return IPv4Address(low + sum(number << 24 - 8 * place for place, number in enumerate(high)))


def _number(text: str) -> int:
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") else 10)


def parse_ipv6(text: str) -> IPv6Address:
    # A zone names an interface of this machine.
    if "%" in text:
        raise ValueError("a zone")
    return IPv6Address(text)


def is_public_name(host: str) -> bool:
    return "." in host and not f".{host}".endswith(_INTERNAL_NAMES)


def _public(address: Address) -> bool:
    """Whether an address is reached from everywhere, and means the same machine there."""
    return address.is_global and not any(address in network for network in _CLOSED)


def _reached(address: Address) -> Address:
    """The IPv4 address that an IPv6 address holds, where it leads there."""
    if any(address in network for network in _EMBEDDING):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _allowed_entry(entry: str) -> tuple[Network | str, int | None]:
    # An IPv6 address without brackets does not match.
    parts = AUTHORITY.fullmatch(entry)
    host, digits = (parts["six"] or parts["name"] or "", parts["port"]) if parts else (entry, None)
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
