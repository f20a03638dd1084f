"""HTTP client for URLs from outside. It never connects to an internal address.

A host name is resolved once for each connection, all of its addresses are checked, and the
connection is made to a checked address: a DNS answer that changes after the check has no effect.
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
from typing import Final, NamedTuple, Self
from urllib.parse import unquote, urljoin

import httpcore

from domains.kernel.core.network import Address, FetchAllowlist
from domains.kernel.untrusted.cookies import CookieJar
from domains.kernel.untrusted.url_policy import ParsedUrl, UrlNotAllowed, parse_url

# Returns the addresses of a host name for a port. Raises OSError if there are none.
Resolver = Callable[[str, int], Awaitable[Iterable[str]]]

_MAX_REDIRECTS: Final = 5
# Addresses of a host that a connection is tried to. All of its addresses are checked.
_MAX_ATTEMPTS: Final = 4
# DNS lookups at a time.
_MAX_LOOKUPS: Final = 32
# Characters of a file name and of a content type.
_MAX_NAME_LENGTH: Final = 255
# A longer Content-Disposition header is ignored.
_MAX_DISPOSITION_LENGTH: Final = 4096
# Maximum of decompressed bytes in a chunk.
_CHUNK_BYTES: Final = 64 * 1024
# Compressed bytes given to zlib at a time. Small, because each member of a gzip stream copies the
# bytes after it.
_COMPRESSED_BYTES: Final = 16 * 1024

_FILENAME: Final = re.compile(
    r';\s*filename\s*=\s*("(?P<quoted>(\\.|[^"\\])*)"|(?P<bare>[^;"]+))', re.IGNORECASE | re.ASCII
)
_FILENAME_ENCODED: Final = re.compile(
    r";\s*filename\*\s*=\s*(?P<charset>utf-8|iso-8859-1)'[^']*'(?P<value>[^;\s]+)",
    re.IGNORECASE | re.ASCII,
)

# What a response status means for the sender of a URL.
_ADVICE: Final = {
    **dict.fromkeys((401, 403, 407), ": the URL must be readable without signing in."),
    **dict.fromkeys((404, 410), ": there is no file at this URL, or the link has expired."),
}
_UNKNOWN_HOST: Final = "The host of the URL cannot be found."
_INVALID_RESPONSE: Final = "The server sent an invalid response."


class FetchError(Exception):
    """A URL was not fetched. The message is a sentence for the customer.

    It contains nothing about this network.
    """


class PermanentFetchError(FetchError):
    """The URL or its content is refused. A retry would fail as well."""


class TransientFetchError(FetchError):
    """The server failed or cannot be reached. A retry may succeed."""


class FetchResponse(NamedTuple):
    """A response. Iterating over `body` receives the body and may raise FetchError.

    `url` is the URL after redirects. `filename` is a base name without a path, at most 255
    characters. `filename` and `content_type` are as declared by the server, or None.
    """

    url: str
    content_type: str | None
    filename: str | None
    body: AsyncIterator[bytes]


class Fetcher:
    """Fetches URLs from outside. All times are in seconds.

    `time_limit` applies to a whole fetch including the body, `connect_timeout` to DNS lookup plus
    connection and again to the TLS handshake, `read_timeout` to each later wait.
    """

    def __init__(
        self,
        allowed: FetchAllowlist,
        *,
        time_limit: float,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        max_redirects: int = _MAX_REDIRECTS,
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        self._time_limit = time_limit
        self._timeouts = {"connect": connect_timeout, "read": read_timeout, "write": read_timeout}
        self._max_redirects = max_redirects
        self._resolver = resolver or ThreadedResolver().resolve
        self._ssl_context = ssl_context or httpcore.default_ssl_context()

    @asynccontextmanager
    async def stream(self, url: str, max_bytes: int) -> AsyncIterator[FetchResponse]:
        """Send a GET request, follow redirects and open the response.

        Cookies that a redirect sets are sent with the following requests to the same host.
        `max_bytes` limits the body, both as sent and as decoded. Raises FetchError, also
        within the block when the time limit is reached. Leaving the block closes the connection.
        """
        parsed = self._parse("The URL", url)
        cookies = CookieJar()
        timer = asyncio.timeout(self._time_limit)
        try:
            async with timer:
                for _ in range(self._max_redirects + 1):
                    async with self._request(parsed, cookies.header(parsed)) as response:
                        location = _redirect_location(response)
                        if location is None:
                            body = _body(response, max_bytes)
                            async with aclosing(body):
                                yield FetchResponse(
                                    parsed.url, _content_type(response), _filename(response), body
                                )
                            return
                        cookies.store(parsed, _raw_headers(response, b"set-cookie"))
                    parsed = self._redirect_target(parsed, location)
                raise PermanentFetchError(
                    f"The URL redirects more than {self._max_redirects} times."
                )
        except TimeoutError as error:
            # A TimeoutError raised by the caller's own code passes through.
            if not timer.expired():
                raise
            raise TransientFetchError(
                f"The download took longer than {self._time_limit:g} seconds."
            ) from error

    @asynccontextmanager
    async def _request(
        self, parsed: ParsedUrl, cookie: bytes | None
    ) -> AsyncIterator[httpcore.Response]:
        """Send one request on a new connection, which is closed with the block."""
        url = httpcore.URL(
            scheme=parsed.scheme, host=parsed.host, port=parsed.port, target=parsed.target
        )
        headers: list[tuple[bytes, bytes]] = [
            (b"Host", parsed.authority.encode()),
            (b"User-Agent", b"evidence-gateway"),
            (b"Accept", b"*/*"),
            (b"Accept-Encoding", b"gzip"),
        ]
        if cookie is not None:
            headers.append((b"Cookie", cookie))
        async with AsyncExitStack() as stack:
            backend = _CheckedBackend(self._allowed, self._resolver)
            await stack.enter_async_context(backend)
            # httpcore uses no proxy, cookie jar or netrc, and limits response headers to 100 kB.
            pool = httpcore.AsyncConnectionPool(
                ssl_context=self._ssl_context, max_keepalive_connections=0, network_backend=backend
            )
            await stack.enter_async_context(pool)
            request = pool.stream(
                "GET", url, headers=headers, extensions={"timeout": self._timeouts}
            )
            with _httpcore_errors():
                response = await stack.enter_async_context(request)
            yield response

    def _redirect_target(self, source: ParsedUrl, location: str) -> ParsedUrl:
        url = ""
        # urljoin would silently remove control characters.
        if location.isprintable():
            with suppress(ValueError):
                url = urljoin(source.url, location.replace(" ", "%20"))
        target = self._parse("The redirect target", url)
        if source.scheme == "https" and target.scheme == "http":
            raise PermanentFetchError("The URL redirects from https to http, which is not allowed.")
        return target

    def _parse(self, subject: str, url: str) -> ParsedUrl:
        try:
            return parse_url(url, self._allowed)
        except UrlNotAllowed as error:
            raise PermanentFetchError(f"{subject} {error}.") from None


class ThreadedResolver:
    """Resolves host names with the system's resolver, in threads of its own.

    A lookup that hangs occupies its thread beyond any timeout. In the event loop's few threads it
    would block the rest of the process.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MAX_LOOKUPS, thread_name_prefix="dns")

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses in the system's order of preference. Raises OSError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _look_up, host, port)


def _look_up(host: str, port: int) -> list[str]:
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in entries]


def _headers(response: httpcore.Response, name: bytes) -> list[str]:
    """Return the values of all headers with this lower-case name."""
    return [_text(value).strip() for value in _raw_headers(response, name)]


def _raw_headers(response: httpcore.Response, name: bytes) -> list[bytes]:
    return [value for key, value in response.headers if key.lower() == name]


def _header(response: httpcore.Response, name: bytes) -> str:
    """Return the first value of a header, or an empty string."""
    return next(iter(_headers(response, name)), "")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _redirect_location(response: httpcore.Response) -> str | None:
    """Return a redirect's location, or None on success. Raises FetchError for other statuses."""
    status = response.status
    if status in (200, 203):
        return None
    locations = _headers(response, b"location")
    if status in (301, 302, 303, 307, 308) and locations:
        return locations[0]
    reason = f"The server responded with status {status}{_ADVICE.get(status, '.')}"
    if status >= 500 or status in (408, 429):
        raise TransientFetchError(reason)
    raise PermanentFetchError(reason)


def _content_type(response: httpcore.Response) -> str | None:
    value = _header(response, b"content-type")
    return value if value.isprintable() and 0 < len(value) <= _MAX_NAME_LENGTH else None


def _filename(response: httpcore.Response) -> str | None:
    disposition = _header(response, b"content-disposition")
    if len(disposition) > _MAX_DISPOSITION_LENGTH:
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
    if len(base) > _MAX_NAME_LENGTH:
        suffix = PurePosixPath(base).suffix[:16]
        base = base[: _MAX_NAME_LENGTH - len(suffix)] + suffix
    return base


def _body(response: httpcore.Response, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """Open the decoded body. Raises PermanentFetchError if the headers show that it is refused."""
    # httpcore accepts only digits here, at most 20.
    if int(_header(response, b"content-length") or 0) > max_bytes:
        raise _too_large(max_bytes)
    # Several headers are joined, so that a body which is encoded twice is refused.
    encoding = ",".join(_headers(response, b"content-encoding")).lower()
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _decode(response, max_bytes, _Decompressor(gzip=encoding != "deflate"))
    if encoding in ("", "identity"):
        return _decode(response, max_bytes, None)
    raise PermanentFetchError("The content encoding of the response is not supported.")


async def _decode(
    response: httpcore.Response, max_bytes: int, decompressor: "_Decompressor | None"
) -> AsyncGenerator[bytes, None]:
    received = decoded = 0
    with _httpcore_errors():
        async for data in response.aiter_stream():
            received += len(data)
            if received > max_bytes:
                raise _too_large(max_bytes)
            for chunk in decompressor.decompress(data) if decompressor else (data,):
                decoded += len(chunk)
                if decoded > max_bytes:
                    raise _too_large(max_bytes)
                yield chunk
                # A few bytes can decompress to many: let other tasks run in between.
                await asyncio.sleep(0)
        if decompressor:
            decompressor.finish()


def _too_large(max_bytes: int) -> PermanentFetchError:
    for unit, name in ((1024**3, "GB"), (1024**2, "MB"), (1024, "KB")):
        if max_bytes >= unit:
            return PermanentFetchError(f"The file is larger than {max_bytes / unit:.4g} {name}.")
    return PermanentFetchError(f"The file is larger than {max_bytes} bytes.")


class _Decompressor:
    """Decompresses gzip, and deflate with or without the zlib header, in chunks of bounded size."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._inflate: zlib._Decompress | None = None

    def decompress(self, data: bytes) -> Iterator[bytes]:
        """Iterate over chunks that are not empty. Raises TransientFetchError for damaged data."""
        for start in range(0, len(data), _COMPRESSED_BYTES):
            rest, is_full = data[start : start + _COMPRESSED_BYTES], False
            # After a full chunk, zlib may hold more output although it has taken all input.
            while rest or is_full:
                inflate = self._current_member(rest)
                try:
                    chunk = inflate.decompress(rest, _CHUNK_BYTES)
                except zlib.error as error:
                    raise TransientFetchError(_INVALID_RESPONSE) from error
                if chunk:
                    yield chunk
                is_full = len(chunk) == _CHUNK_BYTES and not inflate.eof
                rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail

    def finish(self) -> None:
        """Raise TransientFetchError if the compressed data is incomplete."""
        if self._inflate is not None and not self._inflate.eof:
            raise TransientFetchError(_INVALID_RESPONSE)

    def _current_member(self, data: bytes) -> "zlib._Decompress":
        """Return the decompressor for the data. A gzip stream may have several members."""
        if self._inflate is None or self._inflate.eof:
            if self._gzip:
                window_bits = 16 + zlib.MAX_WBITS
            elif self._inflate is None:
                # Some servers omit the zlib header, which begins with these bits.
                has_header = data[0] & 0x8F == 0x08
                window_bits = zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
            else:
                raise TransientFetchError(_INVALID_RESPONSE)
            self._inflate = zlib.decompressobj(window_bits)
        return self._inflate


@contextmanager
def _httpcore_errors() -> Iterator[None]:
    """Turn errors of a connection into TransientFetchError."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise TransientFetchError("The server did not respond in time.") from error
    # httpcore passes on the SSLError of a damaged TLS record.
    except (httpcore.NetworkError, ssl.SSLError) as error:
        # httpcore removes the cause of the exception, but not its context.
        if isinstance(error.__context__, ssl.SSLCertVerificationError):
            raise TransientFetchError("The server has no valid TLS certificate.") from error
        raise TransientFetchError("The connection to the server was lost.") from error
    except httpcore.ProtocolError as error:
        raise TransientFetchError(_INVALID_RESPONSE) from error


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Network backend that connects only to allowed addresses and closes its connections on exit.

    The pool alone would leave a connection open whose TLS handshake is cancelled.
    """

    def __init__(self, allowed: FetchAllowlist, resolver: Resolver) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._backend = httpcore.AnyIOBackend()
        self._streams: list[httpcore.AsyncNetworkStream] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for stream in self._streams:
            await stream.aclose()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to one of the host's addresses.

        Raises PermanentFetchError if any of the addresses is internal.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolve(host, port)
                share = None if timeout is None else timeout / len(addresses)
                for address in addresses:
                    with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                        stream = await self._backend.connect_tcp(
                            str(address), port, share, local_address, socket_options
                        )
                        self._streams.append(stream)
                        return stream
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        raise TransientFetchError("No connection to the server could be made.")

    async def _resolve(self, host: str, port: int) -> list[Address]:
        with suppress(ValueError):
            return [ip_address(host)]  # checked by parse_url
        try:
            texts = await self._resolver(host, port)
        except OSError as error:
            raise TransientFetchError(_UNKNOWN_HOST) from error
        addresses = list(dict.fromkeys(map(ip_address, texts)))
        if not addresses:
            raise TransientFetchError(_UNKNOWN_HOST)
        if not self._allowed.allows_name(host, port) and not all(
            self._allowed.allows_address(address, port) for address in addresses
        ):
            raise PermanentFetchError(
                "The host of the URL is in a private network, which is not allowed."
            )
        return addresses[:_MAX_ATTEMPTS]
