"""Refused requests: error bodies of the surfaces, large and hostile bodies, logs.

Wrong fields, parameters and ids are tested in test_bad_input.py.
"""

import asyncio
import json
import socket
from typing import Any

import pytest

from tests.stack import Stack, Tenant

SIGNALS = "/external/v1/signals"
LIMIT = 10 * 1024 * 1024

VALID: dict[str, Any] = {"text": "The export fails.", "signalType": "review"}


def _with(**fields: Any) -> bytes:
    return json.dumps(VALID | fields).encode()


@pytest.mark.parametrize(
    ("method", "path", "status", "media_type"),
    [
        ("GET", "/external/v1/nothing", 404, "application/problem+json"),
        ("GET", "/api/external/v1/nothing", 404, "application/problem+json"),
        ("GET", "/external/v1", 404, "application/problem+json"),
        ("GET", "/nothing", 404, "application/problem+json"),
        ("GET", "/v1/nothing", 404, "application/json"),
        ("POST", "/v1/nothing", 404, "application/json"),
        ("PUT", "/external/v1/signals", 405, "application/problem+json"),
        ("DELETE", "/external/v1/signals", 405, "application/problem+json"),
        ("POST", "/v1/health", 405, "application/json"),
        ("POST", "/health", 405, "application/problem+json"),
    ],
)
async def test_unknown_paths_and_methods_get_the_surface_s_error_body(
    acme: Tenant, method: str, path: str, status: int, media_type: str
) -> None:
    response = await acme.http.request(method, path, headers={"X-Request-Id": "mine-1"})
    assert response.status_code == status
    assert response.headers["Content-Type"] == media_type
    assert response.headers["X-Request-Id"] == "mine-1"
    body = response.json()
    if media_type == "application/problem+json":
        assert body["status"] == status
        assert body["requestId"] == "mine-1"
    elif method == "GET":
        assert isinstance(body["detail"], str)
    else:
        assert body["detail"]["error"] == {404: "not_found", 405: "method_not_allowed"}[status]
        assert body["detail"]["request_id"] == "mine-1"
        assert body["detail"]["field"] is None
    if status == 405:
        assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("abc-123_x.y:z", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("<x>", False)],
)
async def test_a_safe_request_id_is_kept(acme: Tenant, sent: str, kept: bool) -> None:
    response = await acme.http.get("/livez", headers={"X-Request-Id": sent})
    assert (response.headers["X-Request-Id"] == sent) is kept
    assert len(response.headers.get_list("X-Request-Id")) == 1


async def test_a_body_over_10_mib_gets_413(acme: Tenant) -> None:
    overhead = len(_with(text=""))
    largest = _with(text="a" * (LIMIT - overhead))
    assert len(largest) == LIMIT
    assert (await acme.http.post(SIGNALS, content=largest)).status_code == 201
    response = await acme.http.post(SIGNALS, content=largest + b" ")
    assert response.status_code == 413
    assert response.json()["type"] == "urn:gateway:problem:payload-too-large"
    assert len((await acme.http.get(SIGNALS)).json()) == 1


async def test_a_large_body_is_refused_by_its_content_length(acme: Tenant, stack: Stack) -> None:
    """The response arrives although no byte of the body is sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    head = (
        f"POST {SIGNALS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {acme.key}\r\n"
        f"Content-Length: {11 * 1024 * 1024}\r\n\r\n"
    )
    writer.write(head.encode())
    status = await asyncio.wait_for(reader.readline(), 5)
    assert b" 413 " in status
    writer.close()
    await writer.wait_closed()


async def test_a_large_body_is_refused_whatever_the_method(acme: Tenant) -> None:
    response = await acme.http.request("DELETE", f"{SIGNALS}/SIGNAL-1", content=b" " * (LIMIT + 1))
    assert response.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"[]" * 101 + b'"' + b'\\"' * 1_000_000,
        b'{"source": {"type": "x"}, "data": {"a": [' + b"[]," * 1_000_000 + b"[]]}",
        b'{"source": {"type": "x"}, "data": {"a": [' + b"[" * 98 + b"]" * 98 + b"]}",
        b"[" * 3_000_000,
        b'{"a":' * 1_000_000,
        b'"' * 3_000_000,
        b"\\" * 3_000_000 + b"u0000",
    ],
    ids=["quotes", "pairs", "deep", "open", "objects", "strings", "backslashes"],
)
@pytest.mark.timeout(60)
async def test_a_hostile_body_does_not_block_other_requests(
    acme: Tenant, rival: Tenant, body: bytes
) -> None:
    hostile = asyncio.create_task(acme.http.post(SIGNALS, content=body))
    while not hostile.done():
        assert (await rival.http.get("/livez")).status_code == 200
    assert (await hostile).status_code in (201, 400)


async def test_a_large_body_without_content_length_gets_413(acme: Tenant) -> None:
    async def chunks() -> Any:
        for _ in range(11):
            yield b" " * 1024 * 1024

    response = await acme.http.post(SIGNALS, content=chunks())
    assert response.status_code == 413


async def test_a_json_body_needs_no_content_type(acme: Tenant) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"Content-Type": media_type} if media_type else {}
        response = await acme.http.post(SIGNALS, content=_with(), headers=headers)
        assert response.status_code == 201


async def test_unknown_fields_are_ignored(acme: Tenant) -> None:
    response = await acme.http.post(SIGNALS, content=_with(newField={"a": 1}))
    assert response.status_code == 201


async def test_a_request_whose_client_disconnects_stores_nothing(
    acme: Tenant, stack: Stack
) -> None:
    connection = socket.create_connection(("127.0.0.1", stack.port))
    head = (
        f"POST {SIGNALS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {acme.key}\r\n"
        f"Content-Length: 100\r\n\r\n"
    )
    connection.sendall(head.encode() + b'{"text": "half')
    connection.close()
    assert (await acme.http.get(SIGNALS)).json() == []
    assert (await acme.http.get("/livez")).status_code == 200


async def test_logs_contain_ids_but_no_bodies_or_keys(acme: Tenant, stack: Stack) -> None:
    secret = "a-word-of-a-customer-0815"
    # Other tests have written the lines before.
    sizes = {log: log.stat().st_size for log in (stack.api.log, stack.worker.log)}
    await acme.wait_until_processed(
        (await acme.create_signal(secret, additionalContext=secret))["id"]
    )
    await acme.http.post(SIGNALS, content=secret.encode())
    for log, size in sizes.items():
        text = log.read_bytes()[size:].decode()
        assert secret not in text
        assert acme.key not in text
        assert "Traceback" not in text
    lines = [json.loads(line) for line in stack.api.log.read_text().splitlines()]
    own = [line for line in lines if line.get("workspace") == acme.workspace]
    assert {line["event"] for line in own} == {"request_completed"}
    assert {"method", "route", "status", "ms", "request_id", "key"} <= set(own[0])
