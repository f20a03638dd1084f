"""The connection to Redis that all requests of a process share."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.exceptions import RedisError, ResponseError

from gateway.admission.redis_connection import UNAVAILABLE, RedisConnection
from gateway.embedded.valkey import Valkey
from tests.stack import Stack, eventually


@pytest.fixture
async def redis(stack: Stack) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(stack.env["REDIS_URL"], 5.0)
    yield connection
    await connection.aclose()


async def test_each_of_many_concurrent_commands_gets_its_reply(redis: RedisConnection) -> None:
    texts = [f"text {number}" for number in range(1_000)]
    replies = await asyncio.gather(*(redis.execute("ECHO", text) for text in texts))
    assert replies == [text.encode() for text in texts]


async def test_a_refused_command_fails_alone(redis: RedisConnection) -> None:
    replies = await asyncio.gather(
        redis.execute("ECHO", "a"),
        redis.execute("NONSENSE"),
        redis.execute("ECHO", "b"),
        return_exceptions=True,
    )
    assert (replies[0], replies[2]) == (b"a", b"b")
    assert isinstance(replies[1], ResponseError)


async def test_a_cancelled_command_does_not_shift_replies(redis: RedisConnection) -> None:
    await redis.execute("PING")
    cancelled = asyncio.create_task(redis.execute("ECHO", "first"))
    following = asyncio.create_task(redis.execute("ECHO", "second"))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await following == b"second"


async def test_the_database_number_of_the_url_is_used(stack: Stack) -> None:
    parts = urlsplit(stack.env["REDIS_URL"])
    url = (
        f"{parts.scheme}://{parts.path}?db=7"
        if parts.scheme == "unix"
        else parts._replace(path="/7").geturl()
    )
    connection = RedisConnection(url, 5.0)
    try:
        assert b"db=7 " in await connection.execute("CLIENT", "INFO")
    finally:
        await connection.aclose()


async def test_a_wrong_password_is_reported_and_does_not_hang(stack: Stack) -> None:
    parts = urlsplit(stack.env["REDIS_URL"])
    url = (
        f"{parts.scheme}://{parts.path}?password=wrong"
        if parts.scheme == "unix"
        else parts._replace(netloc=f":wrong@{parts.netloc.rpartition('@')[2]}").geturl()
    )
    connection = RedisConnection(url, 5.0)
    try:
        with pytest.raises(RedisError):
            await connection.execute("PING")
    finally:
        await connection.aclose()


async def test_it_connects_again_after_a_restart_of_the_server(tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    url = await asyncio.to_thread(server.start)
    connection = RedisConnection(url, 1.0)
    try:
        assert await connection.execute("PING") == b"PONG"
        await asyncio.to_thread(server.stop)
        with pytest.raises(UNAVAILABLE):
            await connection.execute("PING")
        await asyncio.to_thread(server.start)

        async def answers() -> bool:
            try:
                return bool(await connection.execute("PING") == b"PONG")
            except UNAVAILABLE:
                return False

        await eventually(answers)
    finally:
        await connection.aclose()
        await asyncio.to_thread(server.stop)


async def _ping_server(path: Path, response: bytes, timeout: float) -> None:
    """Send PING to a server that responds to everything with these bytes."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response)
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(respond, str(path))
    connection = RedisConnection(f"unix://{path}", timeout)
    try:
        await connection.execute("PING")
    finally:
        await connection.aclose()
        server.close()


async def test_a_server_that_does_not_reply_is_a_timeout(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        await _ping_server(tmp_path / "server.sock", b"", 0.1)


async def test_a_server_that_is_not_redis_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RedisError):
        await _ping_server(tmp_path / "server.sock", b"HTTP/1.1 400 Bad Request\r\n\r\n", 5.0)
