"""Requests that are refused before their body is read, or while it is: in the form of the API,
without effect, and without internal details.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.http.hostile.engine import Call, Case, Site, World, exchange, head
from tests.http.hostile.sites import CALLS, SITES, each
from tests.stack import Stack, Tenant

SIGNALS = "/external/v1/signals"
LIMIT = 10 * 1024 * 1024
# One call of every operation.
OPERATIONS = [call for call in CALLS if call.model in ("", *call.operation.bodies[:1])]

GOOD: dict[str, Any] = {"text": "The export fails.", "signalType": "review"}

# --- paths, methods, request ids --------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "media_type"),
    [
        ("GET", "/external/v1/nothing", 404, "application/problem+json"),
        ("GET", "/api/external/v1/nothing", 404, "application/problem+json"),
        ("GET", "/external/v1", 404, "application/problem+json"),
        ("GET", "/nothing", 404, "application/problem+json"),
        ("GET", "/v1/nothing", 404, "application/json"),
        ("POST", "/v1/nothing", 404, "application/json"),
        ("POST", "/health", 405, "application/problem+json"),
    ],
)
async def test_unknown_path_or_method(
    acme: Tenant, method: str, path: str, status: int, media_type: str
) -> None:
    answer = await acme.http.request(method, path, headers={"X-Request-Id": "mine-1"})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["X-Request-Id"] == "mine-1"
    assert ("GET" in answer.headers.get("Allow", "")) == (status == 405)
    body = answer.json()
    if media_type == "application/problem+json":
        assert (body["status"], body["requestId"]) == (status, "mine-1")
    elif method == "GET":
        assert isinstance(body["detail"], str)
    else:
        fault = {"error": "not_found", "field": None, "request_id": "mine-1"}
        assert body["detail"] == fault | {"message": body["detail"]["message"]}


@pytest.mark.parametrize("site", SITES, ids=["discovery", "revenue"])
async def test_method_that_a_path_does_not_serve_is_405(world: World, site: Site) -> None:
    served: dict[str, set[str]] = {}
    for operation in site.contract.operations.values():
        served.setdefault(operation.path, set()).add(operation.method)
    calls = [
        Call(site, operation._replace(method=method), "")
        for operation in site.contract.operations.values()
        for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE"} - served[operation.path])
    ]
    assert len(calls) > 40
    async with world.unchanged():
        for call in calls:
            content = b"{}" if call.operation.method in ("POST", "PATCH") else None
            (answer,) = await call.send(world.mine, [Case("", content)])
            assert call.refuses(answer, 405, "method_not_allowed"), (call, answer)
            allowed = set(answer.headers["allow"].split(", "))
            assert allowed >= served[call.operation.path]
            assert call.operation.method not in allowed


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-123_x.y:z", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("<x>", False)],
)
async def test_safe_request_id_is_kept(acme: Tenant, given: str, kept: bool) -> None:
    answer = await acme.http.get("/livez", headers={"X-Request-Id": given})
    assert (answer.headers["X-Request-Id"] == given) is kept
    assert len(answer.headers.get_list("X-Request-Id")) == 1


# --- size, length and type of bodies ----------------------------------------------------------


async def test_large_body_is_refused_from_its_announcement(world: World) -> None:
    """Nothing of the body is sent. The key is checked before."""
    home = world.mine
    for key, status, code in (
        (home.tenant.key, 413, "payload_too_large"),
        (None, 401, "unauthorized"),
    ):
        requests = [
            call.head(
                Case("", reference="x"),
                key,
                Content_Type="text/plain",
                Content_Length=str(LIMIT + 1),
            )
            for call in OPERATIONS
        ]
        answers = await asyncio.gather(*(exchange(home.port, [each]) for each in requests))
        for call, (answer,) in zip(OPERATIONS, answers, strict=True):
            assert call.refuses(answer, status, code), (call.operation.name, answer)


@pytest.mark.parametrize("name", ["createSignal", "createDocument"])
async def test_body_of_the_largest_size_is_accepted(world: World, name: str) -> None:
    """Ten megabytes are 10,485,760 bytes. One more is refused."""
    call = next(call for call in CALLS if call.operation.name == name)
    body = call.site.complete(call.model, call.site.values.least(call.model)) | {"id": "large"}
    content = world.own.body(body)
    fits = content + b" " * (LIMIT - len(content))
    created, refused = await call.send(world.own, [Case("", fits), Case("", fits + b" ")])
    assert created.status == 201
    assert call.refuses(refused, 413, "payload_too_large")


async def test_large_body_without_length_is_413_while_it_is_read(acme: Tenant) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 1024 * 1024

    answer = await acme.http.post(SIGNALS, content=chunks())
    assert answer.status_code == 413


@each(call for call in CALLS if call.model and call.site.surface.needs_length)
async def test_write_needs_the_length_of_its_body(world: World, call: Call) -> None:
    """Of whatever type; a chunked body has none."""
    home, good = world.mine, call.good(world.mine)
    assert good
    case = call.case(home, "", good)
    requests = [call.head(case, home.tenant.key)]
    for media_type in ("application/json", "text/plain"):
        start = call.head(
            case, home.tenant.key, Content_Type=media_type, Transfer_Encoding="chunked"
        )
        requests.append(start + f"{len(good):x}\r\n".encode() + good + b"\r\n0\r\n\r\n")
    async with world.unchanged():
        for request in requests:
            (answer,) = await exchange(home.port, [request])
            assert call.refuses(answer, 411, "length_required"), answer


@each(call for call in CALLS if call.model and call.site.refused_media_types)
async def test_write_of_another_content_type_is_refused(world: World, call: Call) -> None:
    """The good content types are those of the good values in test_bad_input.py."""
    home = world.mine
    case = call.case(home, "", call.good(home))
    types = call.site.refused_media_types
    requests = [call.request(case, home.tenant.key, each) for each in types]
    async with world.unchanged():
        for media_type, answer in zip(types, await exchange(home.port, requests), strict=True):
            assert call.refuses(answer, 400, "validation_error"), (media_type, answer)


# --- hostile bodies and clients ---------------------------------------------------------------


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
async def test_hostile_body_delays_nobody(world: World, body: bytes) -> None:
    """While it is read others are served, and it is answered soon."""
    key, port = world.own.tenant.key, world.own.port
    call = next(call for call in CALLS if call.operation.name == "createSignal")
    reading = asyncio.create_task(exchange(port, [call.request(Case("", body), key)]))
    while not reading.done():
        (answer,) = await exchange(port, [head("GET", "/livez", None)])
        assert answer.status == 200
    (answer,) = await reading
    assert answer.status in (201, 400)


async def test_client_that_disconnects_in_its_body_leaves_nothing(
    acme: Tenant, stack: Stack
) -> None:
    connection = socket.create_connection(("127.0.0.1", stack.port))
    start = head("POST", SIGNALS, acme.key, Content_Length="100")
    connection.sendall(start + b'{"text": "half')
    connection.close()
    assert (await acme.http.get(SIGNALS)).json() == []
    assert (await acme.http.get("/livez")).status_code == 200


async def test_log_holds_ids_and_no_bodies_or_keys(acme: Tenant, stack: Stack) -> None:
    secret = "a-word-of-a-customer-0815"
    # Other tests have written what comes before.
    begun = {log: log.stat().st_size for log in (stack.api.log, stack.worker.log)}
    await acme.wait_until_processed(
        (await acme.create_signal(secret, additionalContext=secret))["id"]
    )
    await acme.http.post(SIGNALS, content=secret.encode())
    for log, size in begun.items():
        text = log.read_bytes()[size:].decode()
        assert secret not in text
        assert acme.key not in text
        assert "Traceback" not in text
    lines = [json.loads(line) for line in stack.api.log.read_text().splitlines()]
    mine = [line for line in lines if line.get("workspace") == acme.workspace]
    assert {line["event"] for line in mine} == {"request"}
    assert {"method", "route", "status", "ms", "request_id", "key"} <= set(mine[0])
