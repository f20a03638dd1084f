"""Fetching a stranger's URL: nothing internal is reached, nothing is endless, nothing is kept."""

import asyncio
import gzip
import os
import socket
import ssl
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from domains.kernel.core.network import Allowed
from domains.kernel.untrusted.fetch import Fetched, Fetcher, Names, Unreachable
from domains.kernel.untrusted.url_policy import Refused

NOTHING = Allowed()
LOCAL = Allowed.parse("127.0.0.1")
MB = 1024 * 1024

# Servers that run here


class Server:
    """One answer for every connection, by a function of its reader and writer."""

    def __init__(self, port: int, requests: list[bytes], closed: asyncio.Queue[None]) -> None:
        self.port = port
        self.requests = requests
        self.closed = closed
        self.url = f"http://127.0.0.1:{port}/"


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(
    answer: Answer | bytes,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """A server; `closed` gets an entry when a client has ended its connection."""
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


def answered(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"])
    return head.encode("latin-1") + b"\r\n\r\n" + body


def moved(to: str, status: str = "302 Found") -> bytes:
    return answered(b"", f"Location: {to}", status=status)


def fetcher(allowed: Allowed = LOCAL, **choices: Any) -> Fetcher:
    # The context of the system takes long to load.
    given: dict[str, Any] = {
        "time_limit": 20.0,
        "ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    } | choices
    return Fetcher(allowed, **given)


def resolving(*answers: list[str]) -> tuple[list[str], Callable[[str, int], Awaitable[list[str]]]]:
    """A resolver that gives one answer after the other, and the names it was asked for."""
    asked: list[str] = []

    async def resolver(host: str, port: int) -> list[str]:
        assert port
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return asked, resolver


async def body_of(fetched: Fetched) -> bytes:
    return b"".join([chunk async for chunk in fetched.chunks()])


async def got(url: str, largest: int = MB, using: Fetcher | None = None) -> bytes:
    async with (using or fetcher()).open(url, largest) as fetched:
        return await body_of(fetched)


async def refusal(url: str, largest: int = MB, using: Fetcher | None = None) -> str:
    with pytest.raises(Refused) as refused:
        await got(url, largest, using)
    return refused.value.reason


async def failure(url: str, largest: int = MB, using: Fetcher | None = None) -> str:
    with pytest.raises(Unreachable) as unreachable:
        await got(url, largest, using)
    return unreachable.value.reason


async def test_a_file_comes_with_its_type_and_name() -> None:
    headers = ("Content-Type: application/pdf", 'Content-Disposition: attachment; filename="a.pdf"')
    async with serving(answered(b"hello", *headers)) as server:
        async with fetcher().open(server.url + "x?y=1#z", MB) as fetched:
            assert await body_of(fetched) == b"hello"
        assert fetched.url == server.url + "x?y=1"
        assert (fetched.content_type, fetched.filename) == ("application/pdf", "a.pdf")
        await server.closed.get()


async def test_a_file_may_have_neither_type_nor_name_nor_length() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n\r\nall of it") as server:
        async with fetcher().open(server.url, MB) as fetched:
            assert await body_of(fetched) == b"all of it"
        assert (fetched.content_type, fetched.filename) == (None, None)


async def test_the_request_says_no_more_than_it_must() -> None:
    async with serving(answered()) as server:
        await got(server.url + "ä b"[:1] + "/{x}?ü=\\")
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


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(answered(b"direct")) as server:
        assert await got(server.url) == b"direct"


@pytest.mark.parametrize(
    ("disposition", "name"),
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
async def test_a_name_is_a_base_name(disposition: str, name: str | None) -> None:
    async with (
        serving(answered(b"", f"Content-Disposition: {disposition}")) as server,
        fetcher().open(server.url, MB) as fetched,
    ):
        assert fetched.filename == name


# Addresses at connect time


@pytest.mark.parametrize(
    "found",
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
async def test_a_name_with_any_internal_address_is_refused(
    found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = record_connects(monkeypatch)
    _, resolver = resolving(found)
    reason = await refusal("http://rebind.example/", using=fetcher(NOTHING, resolver=resolver))
    assert reason == "The address leads into a private network, which is not allowed."
    assert attempts == []


def record_connects(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The addresses that sockets are told to connect to, instead of connecting."""
    attempts: list[tuple[str, int]] = []

    async def sock_connect(_: socket.socket, address: tuple[str, int]) -> None:
        attempts.append((address[0], address[1]))
        raise OSError("no network")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
    return attempts


async def test_connections_go_to_the_checked_addresses_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempts = record_connects(monkeypatch)
    asked, resolver = resolving(["2606:4700::1", "93.184.216.34", "93.184.216.34"], ["127.0.0.1"])
    reason = await failure("https://files.example/", using=fetcher(NOTHING, resolver=resolver))
    assert reason == "No connection to the address could be made."
    assert attempts == [("2606:4700::1", 443), ("93.184.216.34", 443)]
    assert asked == ["files.example"]


async def test_an_answer_that_changes_between_check_and_connect_changes_nothing() -> None:
    async with (
        serving(answered(b"checked")) as first,
        serving(answered(b"stolen"), host="127.0.0.2", port=first.port) as second,
    ):
        asked, resolver = resolving(["127.0.0.1"], ["127.0.0.2"])
        url = f"http://rebind.example:{first.port}/"
        assert await got(url, using=fetcher(resolver=resolver)) == b"checked"
        assert asked == ["rebind.example"]
        assert (len(first.requests), len(second.requests)) == (1, 0)


async def test_a_redirect_to_the_same_name_is_looked_up_and_checked_again() -> None:
    async with (
        serving(moved("/again")) as first,
        serving(answered(b"stolen"), host="127.0.0.2", port=first.port) as second,
    ):
        asked, resolver = resolving(["127.0.0.1"], ["127.0.0.2"])
        url = f"http://rebind.example:{first.port}/"
        reason = await refusal(url, using=fetcher(resolver=resolver))
        assert reason == "The address leads into a private network, which is not allowed."
        assert len(asked) == 2
        assert second.requests == []


async def test_an_allowed_name_may_lead_anywhere_but_only_at_its_port() -> None:
    async with serving(answered(b"inside")) as server:
        _, resolver = resolving(["127.0.0.1"])
        url = f"http://minio:{server.port}/"
        allowed = Allowed.parse(f"minio:{server.port}")
        assert await got(url, using=fetcher(allowed, resolver=resolver)) == b"inside"
        allowed = Allowed.parse(f"minio.example:{server.port - 1}")
        url = f"http://minio.example:{server.port}/"
        await refusal(url, using=fetcher(allowed, resolver=resolver))
        assert len(server.requests) == 1


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    async with serving(answered(b"here")) as server:
        _, resolver = resolving(["127.0.0.3", "127.0.0.1"])
        allowed = Allowed.parse("127.0.0.0/8")
        url = f"http://two.example:{server.port}/"
        assert await got(url, using=fetcher(allowed, resolver=resolver)) == b"here"


async def test_a_host_without_addresses_is_unreachable() -> None:
    async def unknown(_host: str, _port: int) -> Iterable[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    reason = await failure("http://gone.example/", using=fetcher(NOTHING, resolver=unknown))
    assert reason == "The address names a host that cannot be found."
    _, empty = resolving([])
    reason = await failure("http://gone.example/", using=fetcher(NOTHING, resolver=empty))
    assert reason == "The address names a host that cannot be found."


async def test_the_system_is_asked_for_names() -> None:
    assert set(await Names().resolve("localhost", 80)) & {"127.0.0.1", "::1"}


# Redirects


async def test_redirects_are_followed_to_the_file() -> None:
    async with serving(answered(b"there")) as target:
        to = f"{target.url}some file#part"
        for status in ("301 M", "302 F", "303 S", "307 T", "308 P"):
            async with serving(moved(to, status)) as server:
                async with fetcher().open(server.url, MB) as fetched:
                    assert await body_of(fetched) == b"there"
                assert fetched.url == f"{target.url}some%20file"
                # Nothing of the first request goes along.
                assert server.url.encode() not in target.requests[-1]
                await server.closed.get()


async def test_redirects_end() -> None:
    async with serving(moved("/loop")) as server:
        assert await refusal(server.url) == "The address redirects too many times."
        assert len(server.requests) == 6
        # No connection is used twice or kept.
        for _ in range(6):
            await server.closed.get()


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://169.254.169.254/latest", "must be the URL of a public host"),
        ("http://[::1]/", "must be the URL of a public host"),
        ("//localhost/", "must be the URL of a public host"),
        ("file:///etc/passwd", "must be an http or https URL"),
        ("http://[::1", "must be an http or https URL"),
        ("http://u:p@example.com/", "must not hold a user name or password"),
        ("http://a b.example/", "must be the URL of a public host"),
        ("/a\tb", "must be an http or https URL"),
    ],
)
async def test_a_redirect_is_checked_like_the_first_address(location: str, reason: str) -> None:
    async with serving(moved(location)) as server:
        assert await refusal(server.url) == (f"The address redirects to another, which {reason}.")


# Status, size and encoding


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 410, 418])
async def test_a_status_that_stays_is_refused(status: int) -> None:
    async with serving(answered(status=f"{status} X")) as server:
        assert await refusal(server.url) == f"The address answered with status {status}."


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_status_that_passes_is_unreachable(status: int) -> None:
    async with serving(answered(status=f"{status} X")) as server:
        assert await failure(server.url) == f"The address answered with status {status}."


async def test_a_redirect_to_nowhere_is_a_status() -> None:
    async with serving(answered(status="302 Found")) as server:
        assert await refusal(server.url) == "The address answered with status 302."


async def test_a_length_that_is_too_large_is_refused_before_the_body() -> None:
    async def announce(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")

    async with serving(announce) as server:
        assert await refusal(server.url, 1000) == "The file is larger than 1000 bytes."


@pytest.mark.parametrize(
    ("largest", "words"),
    [(2048, "2 KB"), (50 * MB, "50 MB"), (2048 * MB, "2 GB"), (MB + MB // 2, "1.5 MB")],
)
async def test_a_size_is_told_in_its_unit(largest: int, words: str) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n") as server:
        assert await refusal(server.url, largest) == f"The file is larger than {words}."


@pytest.mark.parametrize("chunked", [True, False])
async def test_an_endless_body_is_refused_at_the_limit(chunked: bool) -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        extra = b"Transfer-Encoding: chunked\r\n" if chunked else b""
        writer.write(b"HTTP/1.1 200 OK\r\n" + extra + b"\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n" if chunked else b"x" * 1024)
            await writer.drain()

    async with serving(endless) as server:
        received = 0
        with pytest.raises(Refused, match=r"^The file is larger than 100 KB\.$"):
            async with fetcher().open(server.url, 100 * 1024) as fetched:
                async for chunk in fetched.chunks():
                    received += len(chunk)
        assert received <= 100 * 1024
        await server.closed.get()


async def test_a_body_of_the_largest_size_is_taken() -> None:
    async with serving(answered(b"x" * 1000)) as server:
        assert await got(server.url, 1000) == b"x" * 1000


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
async def test_an_encoded_body_is_decoded(encoding: str, sent: bytes) -> None:
    async with serving(answered(sent, f"Content-Encoding: {encoding}")) as server:
        assert await got(server.url) == b"hello" * 99


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 131072, 1_000_003])
async def test_a_decoded_body_is_whole_at_any_size(size: int) -> None:
    sent = gzip.compress(b"\0" * size, mtime=0)
    async with serving(answered(sent, "Content-Encoding: gzip")) as server:
        assert await got(server.url) == b"\0" * size


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Encoding: br"],
        ["Content-Encoding: zstd"],
        ["Content-Encoding: gzip, gzip"],
        ["Content-Encoding: gzip", "Content-Encoding: gzip"],
    ],
)
async def test_an_encoding_that_is_not_known_is_refused(headers: list[str]) -> None:
    async with serving(answered(b"x", *headers)) as server:
        reason = await refusal(server.url)
    assert reason == "The file is sent in an encoding that is not supported."


async def test_a_bomb_is_refused_at_the_limit_and_others_get_their_turn() -> None:
    sent = gzip.compress(b"\0" * 16 * MB, mtime=0)
    turns = received = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with serving(answered(sent, "Content-Encoding: gzip")) as server:
        ticking = asyncio.create_task(others())
        try:
            with pytest.raises(Refused, match=r"^The file is larger than 4 MB\.$"):
                async with fetcher().open(server.url, 4 * MB) as fetched:
                    turns = 0
                    async for chunk in fetched.chunks():
                        assert len(chunk) <= 64 * 1024
                        received += len(chunk)
        finally:
            ticking.cancel()
    assert 3 * MB < received <= 4 * MB
    assert turns >= received // (64 * 1024)


async def test_a_body_that_decodes_to_nothing_ends_all_the_same() -> None:
    sent = gzip.compress(b"", mtime=0) * 100
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + sent) as server:
        assert await refusal(server.url, 1000) == "The file is larger than 1000 bytes."


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
        answered(gzip.compress(b"hello" * 99, mtime=0)[:-9], "Content-Encoding: gzip"),
        answered(gzip.compress(b"hello", mtime=0) + b"garbage", "Content-Encoding: gzip"),
        answered(zlib.compress(b"hello") + b"garbage", "Content-Encoding: deflate"),
        answered(b"no gzip", "Content-Encoding: gzip"),
    ],
)
async def test_a_broken_answer_is_unreachable(answer: bytes) -> None:
    async def broken(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with serving(broken) as server:
        assert await failure(server.url) == "The address gave a broken answer."


async def test_a_connection_that_is_reset_is_unreachable() -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
        await writer.drain()
        writer.transport.abort()

    async with serving(reset) as server:
        assert await failure(server.url) in (
            "The connection to the address was lost.",
            "The address gave a broken answer.",
        )


async def test_a_closed_port_is_unreachable() -> None:
    async with serving(answered()) as server:
        pass
    assert await failure(server.url) == "No connection to the address could be made."


# Time


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def test_a_server_that_says_nothing_is_unreachable() -> None:
    async with serving(hang) as server:
        reason = await failure(server.url, using=fetcher(read_timeout=0.05))
        assert reason == "The address did not answer in time."
        await server.closed.get()


async def test_a_name_that_takes_too_long_is_unreachable() -> None:
    async def slow(_host: str, _port: int) -> Iterable[str]:
        await asyncio.Event().wait()
        return []

    reason = await failure(
        "http://slow.example/", using=fetcher(resolver=slow, connect_timeout=0.05)
    )
    assert reason == "The address did not answer in time."


async def test_names_that_hang_delay_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Semaphore(0), threading.Event()
    system = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **choices: Any) -> list[Any]:
        if host.startswith("hangs"):
            asked.release()
            answer.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return system("127.0.0.1", port, **choices)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    using = fetcher(connect_timeout=10)
    hanging = [
        asyncio.create_task(failure(f"http://hangs{n}.example/", using=using)) for n in range(8)
    ]
    try:
        for _ in hanging:
            assert await asyncio.to_thread(asked.acquire, timeout=5)
        async with serving(answered(b"here")) as server, asyncio.timeout(5):
            assert await got(f"http://healthy.example:{server.port}/", using=using) == b"here"
        assert not any(task.done() for task in hanging)
    finally:
        answer.set()
    assert set(await asyncio.gather(*hanging)) == {"The address names a host that cannot be found."}


async def test_a_connection_that_takes_too_long_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_: socket.socket, _address: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    reason = await failure("http://8.8.8.8/", using=fetcher(connect_timeout=0.05))
    assert reason in (
        "The address did not answer in time.",
        "No connection to the address could be made.",
    )


async def test_a_handshake_that_takes_too_long_is_unreachable() -> None:
    async with serving(hang) as server:
        url = server.url.replace("http:", "https:")
        reason = await failure(url, using=fetcher(connect_timeout=0.05))
        assert reason == "The address did not answer in time."
        await server.closed.get()


async def test_a_body_that_drips_is_cut_off_at_the_limit() -> None:
    async with serving(drip) as server:
        reason = await failure(server.url, using=fetcher(time_limit=0.15))
        assert reason == "The download took longer than 0.15 seconds."
        await server.closed.get()


async def test_the_limit_holds_for_what_is_done_with_the_body() -> None:
    async with serving(answered(b"x")) as server:
        with pytest.raises(Unreachable, match=r"^The download took longer than 0\.1 seconds\.$"):
            async with fetcher(time_limit=0.1).open(server.url, MB):
                await asyncio.Event().wait()
        await server.closed.get()


async def test_a_time_out_of_the_block_is_its_own() -> None:
    async with serving(answered(b"x")) as server:
        with pytest.raises(TimeoutError):
            async with fetcher().open(server.url, MB), asyncio.timeout(0.01):
                await asyncio.Event().wait()


@pytest.mark.parametrize("when", ["name", "handshake", "answer", "body", "block"])
async def test_a_cancelled_fetch_is_cancelled_and_leaves_no_connection(when: str) -> None:
    begun = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        begun.set()
        await reader.read()

    async def started(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
        await reader.read()

    async def slow(_host: str, _port: int) -> Iterable[str]:
        begun.set()
        await asyncio.Event().wait()
        return []

    async def run(url: str) -> None:
        async with fetcher(resolver=slow).open(url, MB) as fetched:
            if when == "block":
                begun.set()
                await asyncio.Event().wait()
            async for _ in fetched.chunks():
                begun.set()

    async def greeted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await silent(reader, writer)

    async with (
        raw(greeted) as tls_port,
        serving(started if when in ("body", "block") else silent) as server,
    ):
        urls = {"name": "http://slow.example/", "handshake": f"https://127.0.0.1:{tls_port}/"}
        task = asyncio.create_task(run(urls.get(when, server.url)))
        await begun.wait()
        connected = connections_to(server.port) + connections_to(tls_port)
        assert connected == (0 if when == "name" else 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connections_to(server.port) + connections_to(tls_port) == 0
        if when not in urls:
            await server.closed.get()


def connections_to(port: int) -> int:
    """Sockets of this process that are connected to a local port."""
    inodes = {
        fields[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if (fields := line.split())[2].endswith(f":{port:04X}") and fields[3] == "01"
    }
    open_now = set[str]()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            open_now.add(str(descriptor.readlink()))
        except OSError:
            continue
    return len({f"socket:[{inode}]" for inode in inodes} & open_now)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_moment_to_cancel_leaves_a_connection(scheme: str) -> None:
    async with serving(hang) as server:
        url = f"{scheme}://127.0.0.1:{server.port}/"
        for moment in range(40):
            task = asyncio.create_task(got(url))
            for _ in range(moment):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert connections_to(server.port) == 0


async def test_a_body_that_is_not_read_leaves_no_connection() -> None:
    async with serving(drip) as server:
        async with fetcher().open(server.url, MB) as fetched:
            async for _ in fetched.chunks():
                break
        assert connections_to(server.port) == 0
        await server.closed.get()


# TLS


class Authority:
    """A certificate authority of our own, the context that trusts it, and its servers' contexts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tests")])
        self._authority = self._sign(self._name, self._key.public_key(), None)
        self.trusting = ssl.create_default_context(cadata=_pem(self._authority).decode())
        self.names: list[str | None] = []

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, host: str | None
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
        )
        if host is not None:
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def server(self, host: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        path = self._folder / f"{host}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(secret + _pem(self._sign(name, key.public_key(), host)))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path)

        def note(_: object, name: str | None, __: object) -> None:
            self.names.append(name)

        context.sni_callback = note
        return context


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def test_tls_asks_for_the_name_though_it_connects_to_the_address(
    authority: Authority,
) -> None:
    body = b"secret" * 100_000
    context = authority.server("files.example")
    async with serving(answered(body), context=context) as server:
        _, resolver = resolving(["127.0.0.1"])
        using = fetcher(resolver=resolver, ssl_context=authority.trusting)
        assert await got(f"https://FILES.example.:{server.port}/", using=using) == body
        assert authority.names[-1] == "files.example"
        assert f"Host: files.example:{server.port}\r\n".encode() in server.requests[0]
        await server.closed.get()


async def test_a_certificate_of_another_name_is_unreachable(authority: Authority) -> None:
    context = authority.server("other.example")
    async with serving(answered(b"x"), context=context) as server:
        _, resolver = resolving(["127.0.0.1"])
        using = fetcher(resolver=resolver, ssl_context=authority.trusting)
        for host in ("files.example", "127.0.0.1"):
            reason = await failure(f"https://{host}:{server.port}/", using=using)
            assert reason == "The address has no valid certificate."
        assert server.requests == []


async def test_a_certificate_of_a_stranger_is_unreachable(authority: Authority) -> None:
    context = authority.server("files.example")
    async with serving(answered(b"x"), context=context) as server:
        _, resolver = resolving(["127.0.0.1"])
        using = Fetcher(LOCAL, time_limit=20, resolver=resolver)
        reason = await failure(f"https://files.example:{server.port}/", using=using)
        assert reason == "The address has no valid certificate."


async def test_a_server_that_speaks_no_tls_is_unreachable() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answered(b"x"))

    async with raw(plain) as port:
        reason = await failure(f"https://127.0.0.1:{port}/")
        assert reason == "The connection to the address was lost."


async def test_damage_inside_of_tls_is_unreachable(authority: Authority) -> None:
    async def damaged(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        os.write(writer.get_extra_info("socket").fileno(), b"this is no record of TLS")

    async with serving(damaged, context=authority.server("files.example")) as server:
        _, resolver = resolving(["127.0.0.1"])
        using = fetcher(resolver=resolver, ssl_context=authority.trusting)
        reason = await failure(f"https://files.example:{server.port}/", using=using)
        assert reason == "The connection to the address was lost."


@asynccontextmanager
async def raw(answer: Answer) -> AsyncIterator[int]:
    """A server that does not wait for a request."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_https_does_not_fall_back_to_http(authority: Authority) -> None:
    context = authority.server("files.example")
    async with (
        serving(answered(b"plain")) as plain,
        serving(moved(plain.url), context=context) as server,
    ):
        _, resolver = resolving(["127.0.0.1"])
        using = fetcher(resolver=resolver, ssl_context=authority.trusting)
        reason = await refusal(f"https://files.example:{server.port}/", using=using)
        assert reason == "The address redirects from https to http, which is not allowed."
        assert plain.requests == []
