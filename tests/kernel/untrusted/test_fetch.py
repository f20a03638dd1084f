"""HTTP client for untrusted URLs: addresses, redirects, limits, time, TLS, closed connections."""

import asyncio
import gzip
import os
import socket
import ssl
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from domains.kernel.core.network import FetchAllowlist
from domains.kernel.untrusted.fetch import (
    Fetcher,
    FetchResponse,
    PermanentFetchError,
    ThreadedResolver,
    TransientFetchError,
)
from tests.fakes.certificates import CertificateAuthority

PUBLIC_ONLY = FetchAllowlist()
LOOPBACK = FetchAllowlist.parse("127.0.0.1")
MB = 1024 * 1024

# ---- servers and helpers


class Server(NamedTuple):
    """A running server. `closed` gets an entry when a client has closed its connection."""

    port: int
    requests: list[bytes]
    closed: asyncio.Queue[None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def http_server(
    answer: Handler | bytes,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """Run a server that answers each request with the same bytes or by a function."""
    requests: list[bytes] = []
    closed = asyncio.Queue[None]()
    tasks = set[asyncio.Task[None]]()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
                if b"ength:" not in answer and b"chunked" not in answer:
                    writer.close()
            else:
                await answer(reader, writer)
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            closed.put_nowait(None)
            writer.close()

    server = await asyncio.start_server(connected, host, port, ssl=context)
    try:
        yield Server(server.sockets[0].getsockname()[1], requests, closed)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def tcp_server(handler: Handler) -> AsyncIterator[int]:
    """Run a server that does not wait for a request. Yields its port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def response(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"])
    return head.encode("latin-1") + b"\r\n\r\n" + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return response(b"", f"Location: {location}", status=status)


def make_fetcher(allowed: FetchAllowlist = LOOPBACK, **options: Any) -> Fetcher:
    # The default context takes long to load.
    defaults = {"time_limit": 20.0, "ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}
    return Fetcher(allowed, **{**defaults, **options})


def fake_resolver(
    *answers: list[str],
) -> tuple[list[str], Callable[[str, int], Awaitable[list[str]]]]:
    """Return a list that records the looked-up hosts, and a resolver with these answers in turn."""
    hosts: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        assert port
        hosts.append(host)
        return answers[min(len(hosts), len(answers)) - 1]

    return hosts, resolve


async def read_body(fetched: FetchResponse) -> bytes:
    return b"".join([chunk async for chunk in fetched.body])


async def fetch(
    url: str, max_bytes: int = MB, *, using: Fetcher | None = None, **options: Any
) -> bytes:
    async with (using or make_fetcher(**options)).stream(url, max_bytes) as fetched:
        return await read_body(fetched)


async def permanent_error(url: str, max_bytes: int = MB, **options: Any) -> str:
    """Fetch a URL, which must fail permanently. Returns the reason."""
    with pytest.raises(PermanentFetchError) as raised:
        await fetch(url, max_bytes, **options)
    return str(raised.value)


async def transient_error(url: str, max_bytes: int = MB, **options: Any) -> str:
    """Fetch a URL, which must fail with a retryable error. Returns the reason."""
    with pytest.raises(TransientFetchError) as raised:
        await fetch(url, max_bytes, **options)
    return str(raised.value)


# ---- requests and response headers


async def test_response_has_url_content_type_and_filename() -> None:
    headers = ("Content-Type: application/pdf", 'Content-Disposition: attachment; filename="a.pdf"')
    async with http_server(response(b"hello", *headers)) as server:
        async with make_fetcher().stream(server.url + "x?y=1#z", MB) as fetched:
            assert await read_body(fetched) == b"hello"
        assert fetched.url == server.url + "x?y=1"
        assert (fetched.content_type, fetched.filename) == ("application/pdf", "a.pdf")
        await server.closed.get()


async def test_content_type_filename_and_length_are_optional() -> None:
    async with http_server(b"HTTP/1.1 200 OK\r\n\r\nall of it") as server:
        async with make_fetcher().stream(server.url, MB) as fetched:
            assert await read_body(fetched) == b"all of it"
        assert (fetched.content_type, fetched.filename) == (None, None)


async def test_request_has_only_these_headers() -> None:
    async with http_server(response()) as server:
        await fetch(server.url + "ä/{x}?ü=\\")
        lines = server.requests[0].decode().split("\r\n")
    assert lines == [
        "GET /%C3%A4/%7Bx%7D?%C3%BC=%5C HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "User-Agent: evidence-gateway",
        "Accept: */*",
        "Accept-Encoding: gzip",
        "",
        "",
    ]


async def test_proxy_environment_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with http_server(response(b"direct")) as server:
        assert await fetch(server.url) == b"direct"


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ("attachment", None),
        ("attachment; filename=plain.txt", "plain.txt"),
        ("inline; FileName = two words.txt ; size=1", "two words.txt"),
        ('attachment; filename="a; b.txt"', "a; b.txt"),
        (r'attachment; filename="say \"hi\".txt"', 'say "hi".txt'),
        ("attachment; filename=x.txt; filename*=UTF-8''%E2%82%AC%20.txt", "€ .txt"),
        ("attachment; filename*=iso-8859-1'en'%A3.txt", "£.txt"),
        ("attachment; filename*=utf-16''x; filename=y", "y"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        (r'attachment; filename="C:\dir\file.txt"', "file.txt"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd%00%0A", "passwd"),
        ("attachment; filename*=UTF-8''gpj%E2%80%AE.exe", "gpj.exe"),
        ('attachment; filename=".."', None),
        ('attachment; filename="a/"', None),
        ('attachment; filename=""', None),
        ("attachment; filename=" + "x" * 300 + ".docx", "x" * 250 + ".docx"),
        ("attachment; filename=" + "x" * 5000, None),
    ],
)
async def test_filename_is_a_base_name(disposition: str, filename: str | None) -> None:
    async with (
        http_server(response(b"", f"Content-Disposition: {disposition}")) as server,
        make_fetcher().stream(server.url, MB) as fetched,
    ):
        assert fetched.filename == filename


# ---- addresses


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["10.0.0.1", "93.184.216.34"],
        ["169.254.169.254"],
        ["fd00:ec2::254"],
        ["fe80::1%lo"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["64:ff9b:1::808:808"],
        ["2002:808:808::1"],
        ["2001:0:808:808::1"],
        ["224.0.0.1"],
        ["ff0e::1"],
    ],
)
async def test_host_with_any_internal_address_is_refused(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = record_connects(monkeypatch)
    _, resolver = fake_resolver(addresses)
    reason = await permanent_error("http://rebind.example/", allowed=PUBLIC_ONLY, resolver=resolver)
    assert reason == "The host of the URL is in a private network, which is not allowed."
    assert attempts == []


def record_connects(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Record the addresses of connection attempts and let each attempt fail."""
    attempts: list[tuple[str, int]] = []

    async def sock_connect(_: socket.socket, address: tuple[str, int]) -> None:
        attempts.append((address[0], address[1]))
        raise OSError("no network")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
    return attempts


async def test_checked_addresses_are_tried_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = record_connects(monkeypatch)
    hosts, resolver = fake_resolver(
        ["2606:4700::1", "93.184.216.34", "93.184.216.34"], ["127.0.0.1"]
    )
    reason = await transient_error("https://files.example/", allowed=PUBLIC_ONLY, resolver=resolver)
    assert reason == "No connection to the server could be made."
    assert attempts == [("2606:4700::1", 443), ("93.184.216.34", 443)]
    assert hosts == ["files.example"]


async def test_host_is_resolved_once_for_check_and_connection() -> None:
    async with (
        http_server(response(b"checked")) as first,
        http_server(response(b"stolen"), host="127.0.0.2", port=first.port) as second,
    ):
        hosts, resolver = fake_resolver(["127.0.0.1"], ["127.0.0.2"])
        url = f"http://rebind.example:{first.port}/"
        assert await fetch(url, resolver=resolver) == b"checked"
        assert hosts == ["rebind.example"]
        assert (len(first.requests), len(second.requests)) == (1, 0)


async def test_host_of_a_redirect_is_resolved_and_checked_again() -> None:
    async with (
        http_server(redirect("/again")) as first,
        http_server(response(b"stolen"), host="127.0.0.2", port=first.port) as second,
    ):
        hosts, resolver = fake_resolver(["127.0.0.1"], ["127.0.0.2"])
        url = f"http://rebind.example:{first.port}/"
        reason = await permanent_error(url, resolver=resolver)
        assert reason == "The host of the URL is in a private network, which is not allowed."
        assert len(hosts) == 2
        assert second.requests == []


async def test_allowed_name_may_have_internal_addresses_on_its_port_only() -> None:
    async with http_server(response(b"inside")) as server:
        _, resolver = fake_resolver(["127.0.0.1"])
        url = f"http://minio:{server.port}/"
        allowed = FetchAllowlist.parse(f"minio:{server.port}")
        assert await fetch(url, allowed=allowed, resolver=resolver) == b"inside"
        allowed = FetchAllowlist.parse(f"minio.example:{server.port - 1}")
        url = f"http://minio.example:{server.port}/"
        await permanent_error(url, allowed=allowed, resolver=resolver)
        assert len(server.requests) == 1


async def test_next_address_is_tried_after_a_failed_connection() -> None:
    async with http_server(response(b"here")) as server:
        _, resolver = fake_resolver(["127.0.0.3", "127.0.0.1"])
        allowed = FetchAllowlist.parse("127.0.0.0/8")
        url = f"http://two.example:{server.port}/"
        assert await fetch(url, allowed=allowed, resolver=resolver) == b"here"


async def test_host_without_addresses_is_a_transient_error() -> None:
    async def unknown(_host: str, _port: int) -> Iterable[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    reason = await transient_error("http://gone.example/", allowed=PUBLIC_ONLY, resolver=unknown)
    assert reason == "The host of the URL cannot be found."
    _, empty = fake_resolver([])
    reason = await transient_error("http://gone.example/", allowed=PUBLIC_ONLY, resolver=empty)
    assert reason == "The host of the URL cannot be found."


async def test_default_resolver_asks_the_system() -> None:
    assert set(await ThreadedResolver().resolve("localhost", 80)) & {"127.0.0.1", "::1"}


# ---- redirects


async def test_redirects_are_followed() -> None:
    async with http_server(response(b"there")) as target:
        for status in ("301 M", "302 F", "303 S", "307 T", "308 P"):
            async with http_server(redirect(f"{target.url}some file#part", status)) as server:
                async with make_fetcher().stream(server.url, MB) as fetched:
                    assert await read_body(fetched) == b"there"
                assert fetched.url == f"{target.url}some%20file"
                # No Referer header.
                assert server.url.encode() not in target.requests[-1]
                await server.closed.get()


async def test_number_of_redirects_is_limited() -> None:
    async with http_server(redirect("/loop")) as server:
        assert await permanent_error(server.url) == "The URL redirects more than 5 times."
        assert len(server.requests) == 6
        # Every connection is closed and none is used again.
        for _ in range(6):
            await server.closed.get()


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://169.254.169.254/latest", "must name a public host"),
        ("http://[::1]/", "must name a public host"),
        ("//localhost/", "must name a public host"),
        ("file:///etc/passwd", "must be an http or https URL"),
        ("http://[::1", "must be an http or https URL"),
        ("http://u:p@example.com/", "must not contain a user name or password"),
        ("http://a b.example/", "must name a public host"),
        ("/a\tb", "must be an http or https URL"),
    ],
)
async def test_redirect_target_is_checked(location: str, reason: str) -> None:
    async with http_server(redirect(location)) as server:
        assert await permanent_error(server.url) == f"The redirect target {reason}."


# ---- cookies


def in_turn(*answers: bytes) -> Handler:
    """Answer the requests of a server with these responses, one after the other."""
    remaining = iter(answers)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(remaining))
        await writer.drain()

    return answer


async def test_cookies_of_a_redirect_are_sent_back_within_the_fetch() -> None:
    cookies = ("Set-Cookie: seen=1; Path=/", "set-cookie: empty=", "Set-Cookie: gone=1; Max-Age=0")
    again = response(b"", "Location: /file", *cookies, status="302 Found")
    async with http_server(in_turn(again, response(b"file"), response(b"other"))) as server:
        using = make_fetcher()
        assert await fetch(server.url + "file", using=using) == b"file"
        assert await fetch(server.url + "file", using=using) == b"other"
        first, second, other = server.requests
    assert b"Cookie" not in first
    assert b"\r\nCookie: seen=1; empty=\r\n" in second
    # The next fetch starts without cookies.
    assert other == first


async def test_cookies_are_not_sent_to_another_host() -> None:
    async with http_server(response(b"there"), host="127.0.0.2") as target:
        location = f"http://127.0.0.2:{target.port}/"
        away = response(b"", f"Location: {location}", "Set-Cookie: a=1", status="302 Found")
        async with http_server(away) as server:
            allowed = FetchAllowlist.parse("127.0.0.0/8")
            assert await fetch(server.url, allowed=allowed) == b"there"
    assert b"Cookie" not in target.requests[0]


# ---- status, size and content encoding


@pytest.mark.parametrize("status", [201, 204, 206, 300, 302, 304, 400, 401, 403, 404, 410, 418])
async def test_permanent_status(status: int) -> None:
    async with http_server(response(status=f"{status} X")) as server:
        reason = await permanent_error(server.url)
    assert reason.startswith(f"The server responded with status {status}")
    # The reason says what to do where the status shows it.
    assert ("signing in" in reason) == (status in (401, 403))
    assert ("no file" in reason) == (status in (404, 410))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_transient_status(status: int) -> None:
    async with http_server(response(status=f"{status} X")) as server:
        assert await transient_error(server.url) == f"The server responded with status {status}."


async def test_too_large_content_length_is_refused_before_the_body() -> None:
    async def send_head(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")

    async with http_server(send_head) as server:
        assert await permanent_error(server.url, 1000) == "The file is larger than 1000 bytes."


@pytest.mark.parametrize(
    ("max_bytes", "size"),
    [(2048, "2 KB"), (50 * MB, "50 MB"), (2048 * MB, "2 GB"), (MB + MB // 2, "1.5 MB")],
)
async def test_size_limit_is_reported_in_a_readable_unit(max_bytes: int, size: str) -> None:
    async with http_server(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n") as server:
        assert await permanent_error(server.url, max_bytes) == f"The file is larger than {size}."


@pytest.mark.parametrize("chunked", [True, False])
async def test_endless_body_is_refused_at_the_size_limit(chunked: bool) -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        extra = b"Transfer-Encoding: chunked\r\n" if chunked else b""
        writer.write(b"HTTP/1.1 200 OK\r\n" + extra + b"\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n" if chunked else b"x" * 1024)
            await writer.drain()

    async with http_server(endless) as server:
        received = 0
        with pytest.raises(PermanentFetchError, match=r"^The file is larger than 100 KB\.$"):
            async with make_fetcher().stream(server.url, 100 * 1024) as fetched:
                async for chunk in fetched.body:
                    received += len(chunk)
        assert received <= 100 * 1024
        await server.closed.get()


async def test_body_of_exactly_the_size_limit_is_accepted() -> None:
    async with http_server(response(b"x" * 1000)) as server:
        assert await fetch(server.url, 1000) == b"x" * 1000


RAW_DEFLATE = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("gzip", gzip.compress(b"hello" * 99, mtime=0)),
        ("x-gzip", gzip.compress(b"hello" * 99, mtime=0)),
        ("GZIP", gzip.compress(b"hello" * 9, mtime=0) + gzip.compress(b"hello" * 90, mtime=0)),
        ("deflate", zlib.compress(b"hello" * 99)),
        ("deflate", RAW_DEFLATE.compress(b"hello" * 99) + RAW_DEFLATE.flush()),
        ("identity", b"hello" * 99),
    ],
)
async def test_compressed_body_is_decompressed(encoding: str, sent: bytes) -> None:
    async with http_server(response(sent, f"Content-Encoding: {encoding}")) as server:
        assert await fetch(server.url) == b"hello" * 99


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 131072, 1_000_003])
async def test_decompressed_body_is_complete_at_any_size(size: int) -> None:
    sent = gzip.compress(b"\0" * size, mtime=0)
    async with http_server(response(sent, "Content-Encoding: gzip")) as server:
        assert await fetch(server.url) == b"\0" * size


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Encoding: br"],
        ["Content-Encoding: zstd"],
        ["Content-Encoding: gzip, gzip"],
        ["Content-Encoding: gzip", "Content-Encoding: gzip"],
    ],
)
async def test_unsupported_content_encoding_is_refused(headers: list[str]) -> None:
    async with http_server(response(b"x", *headers)) as server:
        reason = await permanent_error(server.url)
    assert reason == "The content encoding of the response is not supported."


async def test_decompression_bomb_is_refused_and_does_not_block_the_event_loop() -> None:
    sent = gzip.compress(b"\0" * 16 * MB, mtime=0)
    turns = received = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with http_server(response(sent, "Content-Encoding: gzip")) as server:
        counting = asyncio.create_task(count_turns())
        try:
            with pytest.raises(PermanentFetchError, match=r"^The file is larger than 4 MB\.$"):
                async with make_fetcher().stream(server.url, 4 * MB) as fetched:
                    turns = 0
                    async for chunk in fetched.body:
                        assert len(chunk) <= 64 * 1024
                        received += len(chunk)
        finally:
            counting.cancel()
    assert 3 * MB < received <= 4 * MB
    assert turns >= received // (64 * 1024)


async def test_compressed_size_is_limited_even_if_nothing_is_decompressed() -> None:
    sent = gzip.compress(b"", mtime=0) * 100
    async with http_server(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + sent) as server:
        assert await permanent_error(server.url, 1000) == "The file is larger than 1000 bytes."


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"\r\n",
        b"",
        response(gzip.compress(b"hello" * 99, mtime=0)[:-9], "Content-Encoding: gzip"),
        response(gzip.compress(b"hello", mtime=0) + b"garbage", "Content-Encoding: gzip"),
        response(zlib.compress(b"hello") + b"garbage", "Content-Encoding: deflate"),
        response(b"no gzip", "Content-Encoding: gzip"),
    ],
)
async def test_invalid_response_is_a_transient_error(answer: bytes) -> None:
    async def broken(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with http_server(broken) as server:
        assert await transient_error(server.url) == "The server sent an invalid response."


async def test_reset_connection_is_a_transient_error() -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
        await writer.drain()
        writer.transport.abort()

    async with http_server(reset) as server:
        assert await transient_error(server.url) in (
            "The connection to the server was lost.",
            "The server sent an invalid response.",
        )


async def test_closed_port_is_a_transient_error() -> None:
    async with http_server(response()) as server:
        pass
    assert await transient_error(server.url) == "No connection to the server could be made."


# ---- time and cancellation


async def never_respond(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def send_byte_by_byte(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send an endless body, a byte at a time."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0)


async def test_read_timeout() -> None:
    async with http_server(never_respond) as server:
        reason = await transient_error(server.url, read_timeout=0.05)
        assert reason == "The server did not respond in time."
        await server.closed.get()


async def test_dns_timeout() -> None:
    async def slow(_host: str, _port: int) -> Iterable[str]:
        await asyncio.Event().wait()
        return []

    reason = await transient_error("http://slow.example/", resolver=slow, connect_timeout=0.05)
    assert reason == "The server did not respond in time."


async def test_hanging_dns_lookups_do_not_delay_others(monkeypatch: pytest.MonkeyPatch) -> None:
    started, answer = threading.Semaphore(0), threading.Event()
    system = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **choices: Any) -> list[Any]:
        if host.startswith("hangs"):
            started.release()
            answer.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return system("127.0.0.1", port, **choices)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    using = make_fetcher(time_limit=60, connect_timeout=60)
    urls = [f"http://hangs{number}.example/" for number in range(8)]
    hanging = [asyncio.create_task(transient_error(url, using=using)) for url in urls]
    try:
        for _ in hanging:
            assert await asyncio.to_thread(started.acquire, timeout=20)
        async with http_server(response(b"here")) as server:
            assert await fetch(f"http://healthy.example:{server.port}/", using=using) == b"here"
        assert not any(task.done() for task in hanging)
    finally:
        answer.set()
    assert set(await asyncio.gather(*hanging)) == {"The host of the URL cannot be found."}


async def test_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_: socket.socket, _address: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    reason = await transient_error("http://8.8.8.8/", connect_timeout=0.05)
    assert reason in (
        "The server did not respond in time.",
        "No connection to the server could be made.",
    )


async def test_tls_handshake_timeout() -> None:
    async with http_server(never_respond) as server:
        url = server.url.replace("http:", "https:")
        reason = await transient_error(url, connect_timeout=0.05)
        assert reason == "The server did not respond in time."
        await server.closed.get()


async def test_time_limit_applies_to_a_slow_body() -> None:
    async with http_server(send_byte_by_byte) as server:
        reason = await transient_error(server.url, time_limit=0.1)
        assert reason == "The download took longer than 0.1 seconds."
        await server.closed.get()


async def test_time_limit_applies_to_the_block() -> None:
    async with http_server(response(b"x")) as server:
        with pytest.raises(TransientFetchError, match=r"^The download took longer than 0\.1 sec"):
            async with make_fetcher(time_limit=0.1).stream(server.url, MB):
                await asyncio.Event().wait()
        await server.closed.get()


async def test_timeout_error_of_the_block_is_passed_on() -> None:
    async with http_server(response(b"x")) as server:
        with pytest.raises(TimeoutError):
            async with make_fetcher().stream(server.url, MB), asyncio.timeout(0.01):
                await asyncio.Event().wait()


@pytest.mark.parametrize("stage", ["lookup", "handshake", "response", "body", "block"])
async def test_cancelled_fetch_leaves_no_connection(stage: str) -> None:
    reached = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read()

    async def never_shake_hands(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reached.set()
        await reader.read()

    async def send_half_a_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
        await reader.read()

    async def never_resolve(_host: str, _port: int) -> Iterable[str]:
        reached.set()
        await asyncio.Event().wait()
        return []

    async def run(url: str) -> None:
        async with make_fetcher(resolver=never_resolve).stream(url, MB) as fetched:
            if stage == "block":
                reached.set()
                await asyncio.Event().wait()
            async for _ in fetched.body:
                reached.set()

    handler = send_half_a_body if stage in ("body", "block") else never_answer
    async with tcp_server(never_shake_hands) as tls_port, http_server(handler) as server:
        urls = {"lookup": "http://slow.example/", "handshake": f"https://127.0.0.1:{tls_port}/"}
        task = asyncio.create_task(run(urls.get(stage, server.url)))
        await reached.wait()
        connections = open_connections(server.port) + open_connections(tls_port)
        assert connections == (0 if stage == "lookup" else 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert open_connections(server.port) + open_connections(tls_port) == 0
        if stage not in urls:
            await server.closed.get()


def open_connections(port: int) -> int:
    """Number of sockets of this process that are connected to a local port."""
    inodes = {
        fields[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if (fields := line.split())[2].endswith(f":{port:04X}") and fields[3] == "01"
    }
    if not inodes:
        return 0
    descriptors = set[str]()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            descriptors.add(str(descriptor.readlink()))
    return len({f"socket:[{inode}]" for inode in inodes} & descriptors)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_cancellation_at_any_step_closes_the_connection(scheme: str) -> None:
    async with http_server(never_respond) as server:
        url = f"{scheme}://127.0.0.1:{server.port}/"
        for steps in range(40):
            task = asyncio.create_task(fetch(url))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert open_connections(server.port) == 0


async def test_connection_is_closed_if_the_body_is_not_read() -> None:
    async with http_server(send_byte_by_byte) as server:
        async with make_fetcher().stream(server.url, MB) as fetched:
            async for _ in fetched.body:
                break
        assert open_connections(server.port) == 0
        await server.closed.get()


# ---- TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


def trusting(authority: CertificateAuthority) -> dict[str, Any]:
    """Options of a fetcher that resolves all hosts to loopback and trusts the authority."""
    _, resolver = fake_resolver(["127.0.0.1"])
    return {"resolver": resolver, "ssl_context": authority.client_context}


async def test_tls_and_host_header_use_the_host_name(authority: CertificateAuthority) -> None:
    body = b"secret" * 100_000
    context = authority.server_context("files.example")
    async with http_server(response(body), context=context) as server:
        assert await fetch(f"https://FILES.example.:{server.port}/", **trusting(authority)) == body
        assert authority.requested_names[-1] == "files.example"
        assert f"Host: files.example:{server.port}\r\n".encode() in server.requests[0]
        await server.closed.get()


async def test_certificate_for_another_name_is_rejected(authority: CertificateAuthority) -> None:
    context = authority.server_context("other.example")
    async with http_server(response(b"x"), context=context) as server:
        for host in ("files.example", "127.0.0.1"):
            reason = await transient_error(f"https://{host}:{server.port}/", **trusting(authority))
            assert reason == "The server has no valid TLS certificate."
        assert server.requests == []


async def test_certificate_of_an_unknown_authority_is_rejected(
    authority: CertificateAuthority,
) -> None:
    context = authority.server_context("files.example")
    async with http_server(response(b"x"), context=context) as server:
        _, resolver = fake_resolver(["127.0.0.1"])
        using = Fetcher(LOOPBACK, time_limit=20, resolver=resolver)
        reason = await transient_error(f"https://files.example:{server.port}/", using=using)
        assert reason == "The server has no valid TLS certificate."


async def test_server_without_tls() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"x"))

    async with tcp_server(plain) as port:
        reason = await transient_error(f"https://127.0.0.1:{port}/")
        assert reason == "The connection to the server was lost."


async def test_damaged_tls_record(authority: CertificateAuthority) -> None:
    async def damaged(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        os.write(writer.get_extra_info("socket").fileno(), b"this is no record of TLS")

    async with http_server(damaged, context=authority.server_context("files.example")) as server:
        reason = await transient_error(
            f"https://files.example:{server.port}/", **trusting(authority)
        )
        assert reason == "The connection to the server was lost."


async def test_redirect_from_https_to_http_is_refused(authority: CertificateAuthority) -> None:
    context = authority.server_context("files.example")
    async with (
        http_server(response(b"plain")) as plain,
        http_server(redirect(plain.url), context=context) as server,
    ):
        reason = await permanent_error(
            f"https://files.example:{server.port}/", **trusting(authority)
        )
        assert reason == "The URL redirects from https to http, which is not allowed."
        assert plain.requests == []
