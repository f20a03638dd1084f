"""What a customer's URL names, fetched without a way into the network that this runs in.

A name is resolved once for each connection, all of its addresses are checked, and the connection
goes to a checked address itself: an answer that changes in between changes nothing.
"""

import asyncio
import re
import socket
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from pathlib import PurePosixPath
from typing import Final, Self, TypeVar
from urllib.parse import quote, unquote, urljoin

import httpcore
import idna
import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# A name and a port in, addresses out; OSError where the name has none.
Resolver = Callable[[str, int], Awaitable[Iterable[str]]]
T = TypeVar("T")

_LONGEST_URL: Final = 8192
_LONGEST_HOST: Final = 253
_LONGEST_NAME: Final = 255
# A Content-Disposition of more is not looked at.
_LONGEST_DISPOSITION: Final = 4096
_REDIRECTS: Final = 5
# Of a name with many addresses, so many are tried; all are checked.
_ATTEMPTS: Final = 4
# Bytes that are read, decoded and handed on at a time.
_PIECE: Final = 64 * 1024
# Few, because every member of a gzip stream copies what follows it.
_DECODED_AT_ONCE: Final = 16 * 1024

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]+)(?P<path>[^?#]*)(\?(?P<query>[^#]*))?(#.*)?",
    re.IGNORECASE,
)
_AUTHORITY: Final = re.compile(
    r"(\[(?P<six>[^\[\]]*)\]|(?P<name>[^\[\]:]+))(:(?P<port>[^\[\]:]*))?"
)
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FILENAME: Final = re.compile(
    r';\s*filename\s*=\s*("(?P<quoted>(\\.|[^"\\])*)"|(?P<bare>[^;"]+))',
    re.IGNORECASE | re.ASCII,
)
_FILENAME_ENCODED: Final = re.compile(
    r";\s*filename\*\s*=\s*(?P<charset>utf-8|iso-8859-1)'[^']*'(?P<value>[^;\s]+)",
    re.IGNORECASE | re.ASCII,
)
_PORTS: Final = {"http": 80, "https": 443}
_INTERNAL_NAMES: Final = (".localhost", ".local", ".internal", ".home.arpa")

# By the registries of IANA, and narrower than `is_global`, whose answers change with Python's
# version and let multicast and relays through.
_CLOSED_4: Final = tuple(
    map(
        IPv4Network,
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
        ),
    )
)
_OPEN_6: Final = IPv6Network("2000::/3")
# 2001::/23 holds Teredo, 2002::/16 is 6to4: both lead to an IPv4 address of the sender's choice.
_CLOSED_6: Final = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
# The last 32 bits are the IPv4 address that is reached: IPv4-mapped and the well-known NAT64.
_EMBEDDING: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))

_NO_URL: Final = "must be an http or https URL"
_NOT_PUBLIC: Final = "must be the URL of a public host"
_UNKNOWN: Final = "The address names a host that cannot be found."
_SLOW: Final = "The address did not answer in time."
_LOST: Final = "The connection to the address was lost."
_BROKEN: Final = "The address gave a broken answer."


class FetchFailed(Exception):
    """Refused or Unreachable. `reason` is for the customer and tells nothing of our network."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(FetchFailed):
    """This will not be fetched, now or later.

    Of `check_url` the reason is a fragment that goes after the field's name ("must be ..."), of a
    fetch a sentence.
    """


class Unreachable(FetchFailed):
    """This could not be fetched, but may be later. The reason is a sentence."""


class Allowed(msgspec.Struct, frozen=True):
    """What may be fetched although it is internal. A port of None stands for every port."""

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Allowed":
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

    def has_name(self, host: str, port: int) -> bool:
        """Whether this name may lead to any address. The name is in lower case, without its dot."""
        return (host, port) in self.names or (host, None) in self.names

    def has_address(self, address: Address, port: int) -> bool:
        """Whether this address may be reached, by whatever name."""
        reached = (address, _embedded(address))
        return any(
            port == (only or port) and any(one is not None and one in network for one in reached)
            for network, only in self.networks
        )


class _Place(msgspec.Struct, frozen=True):
    """A URL taken apart once; nothing parses it again. `host` is a name or an address as text."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


class Fetched:
    """An answer whose body is still on its way.

    `url` is where it came from after redirects. `filename` is a base name without a path, at most
    255 characters; it and `content_type` are the sender's word, or None.
    """

    def __init__(
        self,
        url: str,
        content_type: str | None,
        filename: str | None,
        body: AsyncIterator[bytes],
    ) -> None:
        self.url = url
        self.content_type = content_type
        self.filename = filename
        self._body = body

    def chunks(self) -> AsyncIterator[bytes]:
        """The decoded body, once. Refused where it is too large, Unreachable where it breaks."""
        return self._body


class Fetcher:
    """Fetches URLs of customers. Times in seconds; `time_limit` is for a whole fetch with its body.

    `connect_timeout` is for finding and reaching the host, and again for its TLS handshake;
    `read_timeout` for every wait after that.
    """

    def __init__(
        self,
        allowed: Allowed,
        *,
        time_limit: float,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        redirects: int = _REDIRECTS,
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        self._time_limit = time_limit
        self._timeouts = {"connect": connect_timeout, "read": read_timeout, "write": read_timeout}
        self._redirects = redirects
        self._resolver = resolver or resolve
        self._ssl_context = ssl_context or httpcore.default_ssl_context()

    @asynccontextmanager
    async def open(self, url: str, largest: int) -> AsyncIterator[Fetched]:
        """The answer to a GET. Its body is refused beyond `largest` bytes, as sent or as decoded.

        Refused or Unreachable, here and from the chunks. No connection outlives the block, and
        the block itself is cut off when the time limit passes: then Unreachable.
        """
        place = _described("The address", url, self._allowed)
        timer = asyncio.timeout(self._time_limit)
        try:
            async with timer:
                for _ in range(self._redirects + 1):
                    async with self._answer(place) as response:
                        headers = _Headers(response)
                        location = headers.location(response.status)
                        if location is None:
                            async with _fetched(place, response, headers, largest) as fetched:
                                yield fetched
                            return
                    place = self._redirected(place, location)
                raise Refused("The address redirects too many times.")
        except TimeoutError as error:
            # The block may have raised one of its own.
            if not timer.expired():
                raise
            raise Unreachable(
                f"The download took longer than {self._time_limit:g} seconds."
            ) from error

    @asynccontextmanager
    async def _answer(self, place: _Place) -> AsyncIterator[httpcore.Response]:
        """One request on a connection of its own, which ends with the block."""
        with _Sockets(self._allowed, self._resolver) as network:
            async with AsyncExitStack() as stack:
                # Knows no proxies, cookies or netrc. Headers of an answer end at 100 kB by its own
                # limit, which is enough of one.
                pool = await stack.enter_async_context(
                    httpcore.AsyncConnectionPool(
                        ssl_context=self._ssl_context,
                        max_keepalive_connections=0,
                        network_backend=network,
                    )
                )
                with _understood():
                    response = await stack.enter_async_context(
                        pool.stream(
                            "GET",
                            httpcore.URL(
                                scheme=place.scheme,
                                host=place.host,
                                port=place.port,
                                target=place.target,
                            ),
                            headers=[
                                ("Host", place.authority),
                                ("User-Agent", "evidence-gateway"),
                                ("Accept", "*/*"),
                                ("Accept-Encoding", "gzip"),
                            ],
                            extensions={"timeout": self._timeouts},
                        )
                    )
                yield response

    def _redirected(self, place: _Place, location: str) -> _Place:
        target = ""
        # What urljoin would drop without a word is refused.
        if location.isprintable():
            try:
                target = urljoin(place.url, location.replace(" ", "%20"))
            except ValueError:
                target = ""
        to = _described("The address redirects to another, which", target, self._allowed)
        if place.scheme == "https" and to.scheme == "http":
            raise Refused("The address redirects from https to http, which is not allowed.")
        return to


async def resolve(host: str, port: int) -> list[str]:
    """The addresses that the system knows for a name, in its order of preference. OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def check_url(url: str, allowed: Allowed) -> None:
    """Refused, with a fragment, for what no fetch would try. Looks nothing up."""
    _parse(url, allowed)


def _described(subject: str, url: str, allowed: Allowed) -> _Place:
    try:
        return _parse(url, allowed)
    except Refused as refused:
        raise Refused(f"{subject} {refused.reason}.") from None


def _parse(url: str, allowed: Allowed) -> _Place:
    if len(url) > _LONGEST_URL:
        raise Refused(f"must be at most {_LONGEST_URL} characters long")
    if not url.isprintable() or " " in url:
        raise Refused("must not hold spaces or control characters")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise Refused(_NO_URL)
    if "@" in parts["authority"]:
        raise Refused("must not hold a user name or password")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise Refused(_NO_URL)
    scheme = parts["scheme"].lower()
    port = _port(authority["port"] or str(_PORTS[scheme]))
    if port is None:
        raise Refused("must have a port between 1 and 65535")
    try:
        host = _host(authority["name"]) if authority["six"] is None else _ipv6(authority["six"])
    except ValueError:
        raise Refused(_NOT_PUBLIC) from None
    if isinstance(host, str):
        fine = allowed.has_name(host, port) or _public_name(host)
    else:
        fine = _public(host) or allowed.has_address(host, port)
    if not fine:
        raise Refused(_NOT_PUBLIC)
    target = (parts["path"] or "/") + ("" if parts["query"] is None else f"?{parts['query']}")
    return _Place(scheme, str(host), port, quote(target, safe="%/?:@!$&'()*+,;=-._~[]"))


def _port(text: str) -> int | None:
    good = text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535
    return int(text) if good else None


def _host(text: str) -> Address | str:
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


def _ipv6(text: str) -> IPv6Address:
    # A zone names an interface of this machine.
    if "%" in text:
        raise ValueError("a zone")
    return IPv6Address(text)


def _public_name(host: str) -> bool:
    return "." in host and not f".{host}".endswith(_INTERNAL_NAMES)


def _embedded(address: Address) -> IPv4Address | None:
    if any(address in network for network in _EMBEDDING):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _public(address: Address) -> bool:
    """Whether an address is reached from everywhere, and means the same machine there."""
    address = _embedded(address) or address
    if not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_4)
    return address in _OPEN_6 and not any(address in network for network in _CLOSED_6)


def _allowed_entry(entry: str) -> tuple[Network | str, int | None]:
    # An IPv6 address without brackets does not match.
    parts = _AUTHORITY.fullmatch(entry)
    host = (parts["six"] or parts["name"] or "") if parts else entry
    digits = parts["port"] if parts else None
    port = None if digits is None else _port(digits)
    if digits is not None and port is None:
        raise ValueError(f"{entry} must have a port between 1 and 65535.")
    with suppress(ValueError):
        return ip_network(host), port
    if "/" in host:
        raise ValueError(f"{entry} is not a network such as 10.0.0.0/8.")
    with suppress(ValueError):
        name = _host(host)
        if isinstance(name, str):
            return name, port
    raise ValueError(f"{entry} is not a host name, an address or a network.")


class _Headers:
    """The headers of an answer."""

    def __init__(self, response: httpcore.Response) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in response.headers:
            values = self._values.setdefault(name.decode("latin-1").lower(), [])
            values.append(_decoded_text(value).strip())

    def first(self, name: str) -> str:
        return self._values.get(name, [""])[0]

    def location(self, status: int) -> str | None:
        """Where a redirect leads, None for the answer itself; Refused, Unreachable by status."""
        if status in (200, 203):
            return None
        if status in (301, 302, 303, 307, 308) and "location" in self._values:
            return self.first("location")
        reason = f"The address answered with status {status}."
        if status >= 500 or status in (408, 429):
            raise Unreachable(reason)
        raise Refused(reason)

    @property
    def content_type(self) -> str | None:
        value = self.first("content-type")
        return value if value.isprintable() and 0 < len(value) <= _LONGEST_NAME else None

    @property
    def filename(self) -> str | None:
        value = self.first("content-disposition")
        return _filename(value) if len(value) <= _LONGEST_DISPOSITION else None

    @property
    def content_length(self) -> int:
        # Digits only and few of them, or the answer would not have been read so far.
        return int(self.first("content-length") or 0)

    def decoder(self) -> "_Decoder | None":
        """What undoes the content's encoding; Refused for one that was not asked for."""
        # All of them: what is encoded twice is not what was asked for.
        encoding = ",".join(self._values.get("content-encoding", [])).lower()
        if encoding in ("", "identity"):
            return None
        if encoding in ("gzip", "x-gzip", "deflate"):
            return _Decoder(gzip=encoding != "deflate")
        raise Refused("The file is sent in an encoding that is not supported.")


def _decoded_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _filename(disposition: str) -> str | None:
    if encoded := _FILENAME_ENCODED.search(disposition):
        name = unquote(encoded["value"], encoding=encoded["charset"])
    elif plain := _FILENAME.search(disposition):
        name = (plain["quoted"] or plain["bare"] or "").replace('\\"', '"')
    else:
        return None
    base = re.split(r"[/\\]", name)[-1]
    base = "".join(filter(str.isprintable, base)).strip()
    if not base.strip("."):
        return None
    if len(base) > _LONGEST_NAME:
        suffix = PurePosixPath(base).suffix[:16]
        base = base[: _LONGEST_NAME - len(suffix)] + suffix
    return base


@asynccontextmanager
async def _fetched(
    place: _Place, response: httpcore.Response, headers: _Headers, largest: int
) -> AsyncIterator[Fetched]:
    if headers.content_length > largest:
        raise _too_large(largest)
    body = _body(response, headers.decoder(), largest)
    try:
        yield Fetched(place.url, headers.content_type, headers.filename, body)
    finally:
        # One that was not read to its end.
        await body.aclose()


async def _body(
    response: httpcore.Response, decoder: "_Decoder | None", largest: int
) -> AsyncGenerator[bytes, None]:
    sent = decoded = 0
    with _understood():
        async for data in response.aiter_stream():
            sent += len(data)
            if sent > largest:
                raise _too_large(largest)
            for piece in decoder.pieces(data) if decoder else (data,):
                decoded += len(piece)
                if decoded > largest:
                    raise _too_large(largest)
                yield piece
                # A little that is sent can become much: others get their turn in between.
                await asyncio.sleep(0)
        if decoder:
            decoder.end()


def _too_large(largest: int) -> Refused:
    for unit, name in ((1024**3, "GB"), (1024**2, "MB"), (1024, "KB")):
        if largest >= unit:
            return Refused(f"The file is larger than {largest / unit:.4g} {name}.")
    return Refused(f"The file is larger than {largest} bytes.")


class _Decoder:
    """Undoes gzip, or deflate with or without its header, a bounded piece at a time."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._inflate: zlib._Decompress | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What the data adds, in pieces that are not empty; Unreachable where it is damaged."""
        for start in range(0, len(data), _DECODED_AT_ONCE):
            rest, full = data[start : start + _DECODED_AT_ONCE], False
            # A full piece may have left more inside though all was taken in.
            while rest or full:
                inflate = self._member(rest)
                try:
                    piece = inflate.decompress(rest, _PIECE)
                except zlib.error as error:
                    raise Unreachable(_BROKEN) from error
                if piece:
                    yield piece
                full = len(piece) == _PIECE and not inflate.eof
                rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail

    def end(self) -> None:
        """Unreachable if more was to come."""
        if self._inflate is not None and not self._inflate.eof:
            raise Unreachable(_BROKEN)

    def _member(self, data: bytes) -> "zlib._Decompress":
        """The decompressor that takes this; gzip may begin again after its end."""
        if self._inflate is None or self._inflate.eof:
            if self._gzip:
                bits = 16 + zlib.MAX_WBITS
            elif self._inflate is None:
                # Some leave the header of zlib out, which begins with these bits.
                bits = zlib.MAX_WBITS if data[0] & 0x8F == 0x08 else -zlib.MAX_WBITS
            else:
                raise Unreachable(_BROKEN)
            self._inflate = zlib.decompressobj(bits)
        return self._inflate


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except httpcore.ProtocolError as error:
        raise Unreachable(_BROKEN) from error


class _Sockets(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only, and closes at its end whatever it has opened.

    Sockets, because closing one cannot be interrupted: a cancelled handshake leaves none behind.
    """

    def __init__(self, allowed: Allowed, resolver: Resolver) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._opened: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for opened in self._opened:
            opened.close()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - part of the interface
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """A connection to one of the host's addresses; Refused if any of them is internal."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host, port)
                for address in addresses:
                    share = None if timeout is None else timeout / len(addresses)
                    connected = await self._connect(address, port, share)
                    if connected is not None:
                        return _Stream(connected)
        except TimeoutError as error:
            raise Unreachable(_SLOW) from error
        raise Unreachable("No connection to the address could be made.")

    async def _addresses(self, host: str, port: int) -> list[Address]:
        with suppress(ValueError):
            return [ip_address(host)]  # checked when it was parsed
        try:
            texts = await self._resolver(host, port)
        except OSError as error:
            raise Unreachable(_UNKNOWN) from error
        found = list(dict.fromkeys(map(ip_address, texts)))
        if not found:
            raise Unreachable(_UNKNOWN)
        if not self._allowed.has_name(host, port) and not all(
            _public(address) or self._allowed.has_address(address, port) for address in found
        ):
            raise Refused("The address leads into a private network, which is not allowed.")
        return found[:_ATTEMPTS]

    async def _connect(
        self, address: Address, port: int, timeout: float | None
    ) -> socket.socket | None:
        try:
            opened = socket.socket(
                socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM
            )
            self._opened.append(opened)
            opened.setblocking(False)
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(opened, (str(address), port))
        except OSError:
            return None
        return opened


class _Stream(httpcore.AsyncNetworkStream):
    """A connected socket, with TLS over it after `start_tls`."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come; empty at the end. Unreachable."""
        with _losses():
            async with asyncio.timeout(timeout):
                # The loop returns at once what is there already.
                await asyncio.sleep(0)
                if self._tls is None:
                    return await self._receive(max_bytes)
                try:
                    return await self._pump(self._tls.read, max_bytes)
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    # Whether the body is whole is told by its length.
                    return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it. Unreachable if it takes too long."""
        try:
            async with asyncio.timeout(timeout):
                if self._tls is None:
                    await self._send(buffer)
                elif buffer:
                    await self._pump(self._tls.write, buffer)
        except TimeoutError as error:
            raise Unreachable(_SLOW) from error
        except OSError as error:
            # The answer may have come before the request was sent, so it is read all the same.
            raise httpcore.WriteError from error

    async def aclose(self) -> None:
        self._socket.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Itself, after a handshake that has verified the host's certificate. Unreachable."""
        tls = ssl_context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        with _losses():
            async with asyncio.timeout(timeout):
                await self._pump(tls.do_handshake)
        self._tls = tls
        return self

    async def _receive(self, max_bytes: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, max_bytes)

    async def _send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def _pump(self, step: Callable[..., T], *arguments: object) -> T:
        """Take a step of TLS, with as much sending and receiving as it needs."""
        while True:
            try:
                result = step(*arguments)
            except ssl.SSLWantReadError:
                await self._flush()
                if data := await self._receive(_PIECE):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._send(self._outgoing.read())


@contextmanager
def _losses() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise Unreachable(_SLOW) from error
    except ssl.SSLCertVerificationError as error:
        raise Unreachable("The address has no valid certificate.") from error
    except OSError as error:
        raise Unreachable(_LOST) from error
