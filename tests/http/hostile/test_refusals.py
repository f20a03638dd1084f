"""Requests refused before or while their body is read: documented errors without side effects."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest

from tests.http.hostile.apis import APIS, CALLS, for_each
from tests.http.hostile.harness import Api, Call, Case, Tenants, exchange, request_head
from tests.stack import Stack, Tenant

SIGNALS = "/external/v1/signals"
LIMIT = 10 * 1024 * 1024
# One call of every operation.
OPERATIONS = [call for call in CALLS if call.model in ("", *call.operation.bodies[:1])]


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


@pytest.mark.parametrize("api", APIS, ids=["discovery", "revenue"])
async def test_unsupported_method_is_405(tenants: Tenants, api: Api) -> None:
    served: dict[str, set[str]] = {}
    for operation in api.contract.operations.values():
        served.setdefault(operation.path, set()).add(operation.method)
    calls = [
        Call(api, operation._replace(method=method), "")
        for operation in api.contract.operations.values()
        for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE"} - served[operation.path])
    ]
    assert len(calls) > 40
    async with tenants.unchanged():
        for call in calls:
            content = b"{}" if call.operation.method in ("POST", "PATCH") else None
            (answer,) = await call.send(tenants.caller, [Case("", content)])
            assert call.refuses(answer, 405, "method_not_allowed"), (call, answer)
            allowed = set(answer.headers["allow"].split(", "))
            assert allowed >= served[call.operation.path]
            assert call.operation.method not in allowed


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [("abc-123_x.y:z", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("<x>", False)],
)
async def test_only_a_safe_request_id_is_kept(acme: Tenant, sent: str, is_kept: bool) -> None:
    answer = await acme.http.get("/livez", headers={"X-Request-Id": sent})
    assert (answer.headers["X-Request-Id"] == sent) is is_kept
    assert len(answer.headers.get_list("X-Request-Id")) == 1


# --- size, length and type of bodies ----------------------------------------------------------


async def test_large_content_length_is_refused_before_the_body(tenants: Tenants) -> None:
    """No body is sent. The key is checked first."""
    caller = tenants.caller
    for key, status, code in (
        (caller.tenant.key, 413, "payload_too_large"),
        (None, 401, "unauthorized"),
    ):
        requests = [
            call.request_head(
                Case("", path_id="x"),
                key,
                Content_Type="text/plain",
                Content_Length=str(LIMIT + 1),
            )
            for call in OPERATIONS
        ]
        answers = await asyncio.gather(*(exchange(caller.port, [each]) for each in requests))
        for call, (answer,) in zip(OPERATIONS, answers, strict=True):
            assert call.refuses(answer, status, code), (call.operation.name, answer)


@pytest.mark.parametrize("name", ["createSignal", "createDocument"])
async def test_body_of_the_maximum_size_is_accepted(tenants: Tenants, name: str) -> None:
    """10,485,760 bytes are accepted. One more is refused."""
    call = next(call for call in CALLS if call.operation.name == name)
    body = call.api.make_valid(call.model, call.api.values.minimal(call.model)) | {"id": "large"}
    content = tenants.writer.body(body)
    fits = content + b" " * (LIMIT - len(content))
    created, refused = await call.send(tenants.writer, [Case("", fits), Case("", fits + b" ")])
    assert created.status == 201
    assert call.refuses(refused, 413, "payload_too_large")


async def test_large_body_without_content_length_is_413(acme: Tenant) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 1024 * 1024

    answer = await acme.http.post(SIGNALS, content=chunks())
    assert answer.status_code == 413


@for_each(call for call in CALLS if call.model and call.api.surface.needs_length)
async def test_write_without_content_length_is_411(tenants: Tenants, call: Call) -> None:
    """Holds for every content type. Chunked bodies have no Content-Length."""
    caller, good = tenants.caller, call.good(tenants.caller)
    assert good
    case = call.case(caller, "", good)
    requests = [call.request_head(case, caller.tenant.key)]
    for media_type in ("application/json", "text/plain"):
        start = call.request_head(
            case, caller.tenant.key, Content_Type=media_type, Transfer_Encoding="chunked"
        )
        requests.append(start + f"{len(good):x}\r\n".encode() + good + b"\r\n0\r\n\r\n")
    async with tenants.unchanged():
        for request in requests:
            (answer,) = await exchange(caller.port, [request])
            assert call.refuses(answer, 411, "length_required"), answer


@for_each(call for call in CALLS if call.model and call.api.refused_media_types)
async def test_write_of_another_content_type_is_refused(tenants: Tenants, call: Call) -> None:
    """The accepted content types are tested with the good values in test_bad_input.py."""
    caller = tenants.caller
    case = call.case(caller, "", call.good(caller))
    types = call.api.refused_media_types
    requests = [call.request(case, caller.tenant.key, each) for each in types]
    async with tenants.unchanged():
        for media_type, answer in zip(types, await exchange(caller.port, requests), strict=True):
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
async def test_hostile_body_does_not_delay_other_requests(tenants: Tenants, body: bytes) -> None:
    """Other requests are served meanwhile, and the hostile request is answered in time."""
    key, port = tenants.writer.tenant.key, tenants.writer.port
    call = next(call for call in CALLS if call.operation.name == "createSignal")
    reading = asyncio.create_task(exchange(port, [call.request(Case("", body), key)]))
    while not reading.done():
        (answer,) = await exchange(port, [request_head("GET", "/livez", None)])
        assert answer.status == 200
    (answer,) = await reading
    assert answer.status in (201, 400)


async def test_disconnect_within_the_body_stores_nothing(acme: Tenant, stack: Stack) -> None:
    connection = socket.create_connection(("127.0.0.1", stack.port))
    start = request_head("POST", SIGNALS, acme.key, Content_Length="100")
    connection.sendall(start + b'{"text": "half')
    connection.close()
    assert (await acme.http.get(SIGNALS)).json() == []
    assert (await acme.http.get("/livez")).status_code == 200


async def test_log_has_ids_but_no_bodies_and_keys(acme: Tenant, stack: Stack) -> None:
    secret = "a-word-of-a-customer-0815"
    # Earlier lines are from other tests.
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
    mine = [line for line in lines if line.get("workspace") == acme.workspace]
    assert {line["event"] for line in mine} == {"request_completed"}
    assert {"method", "route", "status", "ms", "request_id", "key"} <= set(mine[0])
