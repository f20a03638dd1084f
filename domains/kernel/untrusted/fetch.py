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
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Final, Self
from urllib.parse import unquote, urljoin

import httpcore

from domains.kernel.core.network import Address, Allowed
from domains.kernel.untrusted.url_policy import FetchFailed, ParsedUrl, Refused, parse_url

# A name and a port in, addresses out; OSError where the name has none.
Resolver = Callable[[str, int], Awaitable[Iterable[str]]]

_REDIRECTS: Final = 5
# Of a name with many addresses, so many are tried; all are checked.
_ATTEMPTS: Final = 4
_LONGEST_NAME: Final = 255
# Names that are looked up at once.
_LOOKUPS: Final = 32
# A Content-Disposition of more is not looked at.
_LONGEST_DISPOSITION: Final = 4096
# Bytes that are decoded and handed on at a time.
_PIECE: Final = 64 * 1024
# Few, because every member of a gzip stream copies what follows it.
_DECODED_AT_ONCE: Final = 16 * 1024

_FILENAME: Final = re.compile(
    r';\s*filename\s*=\s*("(?P<quoted>(\\.|[^"\\])*)"|(?P<bare>[^;"]+))',
    re.IGNORECASE | re.ASCII,
)
_FILENAME_ENCODED: Final = re.compile(
    r";\s*filename\*\s*=\s*(?P<charset>utf-8|iso-8859-1)'[^']*'(?P<value>[^;\s]+)",
    re.IGNORECASE | re.ASCII,
)

_UNKNOWN: Final = "The address names a host that cannot be found."
_BROKEN: Final = "The address gave a broken answer."


class Unreachable(FetchFailed):
    """This could not be fetched, but may be later. The reason is a sentence."""


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
        self._resolver = resolver or Names().resolve
        self._ssl_context = ssl_context or httpcore.default_ssl_context()

    @asynccontextmanager
    async def open(self, url: str, largest: int) -> AsyncIterator[Fetched]:
        """The answer to a GET. Its body is refused beyond `largest` bytes, as sent or as decoded.

        Refused or Unreachable, here and from the chunks. No connection outlives the block, and
        the block itself is cut off when the time limit passes: then Unreachable.
        """
        place = self._place("The address", url)
        timer = asyncio.timeout(self._time_limit)
        try:
            async with timer:
                for _ in range(self._redirects + 1):
                    async with self._answer(place) as response:
                        location = _location(response)
                        if location is None:
                            body = _body(response, largest)
                            async with aclosing(body):
                                yield Fetched(
                                    place.url, _content_type(response), _filename(response), body
                                )
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
    async def _answer(self, place: ParsedUrl) -> AsyncIterator[httpcore.Response]:
        """One request on a connection of its own, which ends with the block."""
        url = httpcore.URL(
            scheme=place.scheme, host=place.host, port=place.port, target=place.target
        )
        headers = [
            ("Host", place.authority),
            ("User-Agent", "evidence-gateway"),
            ("Accept", "*/*"),
            ("Accept-Encoding", "gzip"),
        ]
        async with AsyncExitStack() as stack:
            network = _Network(self._allowed, self._resolver)
            await stack.enter_async_context(network)
            # Knows no proxies, cookies or netrc. Headers of an answer end at 100 kB by its own
            # limit, which is enough of one.
            pool = httpcore.AsyncConnectionPool(
                ssl_context=self._ssl_context, max_keepalive_connections=0, network_backend=network
            )
            await stack.enter_async_context(pool)
            request = pool.stream(
                "GET", url, headers=headers, extensions={"timeout": self._timeouts}
            )
            with _understood():
                response = await stack.enter_async_context(request)
            yield response

    def _redirected(self, place: ParsedUrl, location: str) -> ParsedUrl:
        target = ""
        # What urljoin would drop without a word is refused.
        if location.isprintable():
            with suppress(ValueError):
                target = urljoin(place.url, location.replace(" ", "%20"))
        to = self._place("The address redirects to another, which", target)
        if place.scheme == "https" and to.scheme == "http":
            raise Refused("The address redirects from https to http, which is not allowed.")
        return to

    def _place(self, subject: str, url: str) -> ParsedUrl:
        try:
            return parse_url(url, self._allowed)
        except Refused as refused:
            raise Refused(f"{subject} {refused.reason}.") from None


class Names:
    """Looks up names of strangers, in threads of its own.

    A server of names that hangs holds a thread beyond any time-out. Those of the loop are few, and
    all else of the process needs them.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="names")

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses that the system knows, in its order of preference. OSError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _look_up, host, port)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _headers(response: httpcore.Response, name: bytes) -> list[str]:
    """The values of all headers of this name, which is in lower case."""
    return [_text(value).strip() for each, value in response.headers if each.lower() == name]


def _header(response: httpcore.Response, name: bytes) -> str:
    """The first value; empty without one."""
    return next(iter(_headers(response, name)), "")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _location(response: httpcore.Response) -> str | None:
    """Where a redirect leads, None for the answer itself; Refused, Unreachable by status."""
    status = response.status
    if status in (200, 203):
        return None
    locations = _headers(response, b"location")
    if status in (301, 302, 303, 307, 308) and locations:
        return locations[0]
    reason = f"The address answered with status {status}."
    if status >= 500 or status in (408, 429):
        raise Unreachable(reason)
    raise Refused(reason)


def _content_type(response: httpcore.Response) -> str | None:
    value = _header(response, b"content-type")
    return value if value.isprintable() and 0 < len(value) <= _LONGEST_NAME else None


def _filename(response: httpcore.Response) -> str | None:
    disposition = _header(response, b"content-disposition")
    if len(disposition) > _LONGEST_DISPOSITION:
        return None
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


def _body(response: httpcore.Response, largest: int) -> AsyncGenerator[bytes, None]:
    """The decoded body; Refused at once for what its headers tell."""
    # Digits only and few of them, or the answer would not have been read so far.
    if int(_header(response, b"content-length") or 0) > largest:
        raise _too_large(largest)
    # All of them: what is encoded twice is not what was asked for.
    encoding = ",".join(_headers(response, b"content-encoding")).lower()
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _decoded(response, largest, _Decoder(gzip=encoding != "deflate"))
    if encoding in ("", "identity"):
        return _decoded(response, largest, None)
    raise Refused("The file is sent in an encoding that is not supported.")


async def _decoded(
    response: httpcore.Response, largest: int, decoder: "_Decoder | None"
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
    """Every failure of a connection is Unreachable, with a sentence."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise Unreachable("The address did not answer in time.") from error
    # The second where what comes over TLS is damaged.
    except (httpcore.NetworkError, ssl.SSLError) as error:
        # The pool takes the cause away, the context stays.
        if isinstance(error.__context__, ssl.SSLCertVerificationError):
            raise Unreachable("The address has no valid certificate.") from error
        raise Unreachable("The connection to the address was lost.") from error
    except httpcore.ProtocolError as error:
        raise Unreachable(_BROKEN) from error


class _Network(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only, and closes at its end whatever it has opened.

    A pool by itself forgets a connection whose handshake is cancelled.
    """

    def __init__(self, allowed: Allowed, resolver: Resolver) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._sockets = httpcore.AnyIOBackend()
        self._opened: list[httpcore.AsyncNetworkStream] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for opened in self._opened:
            await opened.aclose()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to one of the host's addresses; Refused if any of them is internal."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host, port)
                share = None if timeout is None else timeout / len(addresses)
                for address in addresses:
                    with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                        opened = await self._sockets.connect_tcp(
                            str(address), port, share, local_address, socket_options
                        )
                        self._opened.append(opened)
                        return opened
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
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
            self._allowed.may_reach(address, port) for address in found
        ):
            raise Refused("The address leads into a private network, which is not allowed.")
        return found[:_ATTEMPTS]
