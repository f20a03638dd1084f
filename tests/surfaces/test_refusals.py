"""What goes wrong is said in the form of the surface, stores nothing and tells nothing internal."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from domains.kernel.db import Database
from tests.stack import Stack, Tenant

SIGNALS = "/external/v1/signals"
LIMIT = 10 * 1024 * 1024

GOOD: dict[str, Any] = {"text": "The export fails.", "signalType": "review"}
RAW: dict[str, Any] = {"source": {"type": "zendesk"}, "data": {"subject": "It fails again"}}


def _with(**fields: Any) -> bytes:
    return json.dumps(GOOD | fields).encode()


def _raw(**fields: Any) -> bytes:
    return json.dumps(RAW | fields).encode()


def _each(make: Callable[..., bytes], field: str, wrongs: Iterable[Any]) -> list[tuple[bytes, str]]:
    """A body for each wrong value of a field."""
    return [(make(**{field: wrong}), field) for wrong in wrongs]


UUIDS = ["not-a-uuid", "", 5, None, {}]

BAD_CREATES: list[tuple[bytes, str | None]] = [
    (b"", None),
    (b"   ", None),
    (b"null", None),
    (b"[]", None),
    (b'"text"', None),
    (b"{", None),
    (b'{"text": "x", "signalType": "review",}', None),
    (b'{"text": "x", "signalType": "review"} trailing', None),
    (b"{'text': 'x'}", None),
    (b'{"text": "\xff\xfe", "signalType": "review"}', None),
    (b'{"text": "\xed\xa0\x80", "signalType": "review"}', None),
    (b'{"text": "\\ud800", "signalType": "review"}', None),
    (b'{"text": "a\\udc00b", "signalType": "review"}', None),
    (b'{"text": "a\\u0000b", "signalType": "review"}', None),
    (b'{"text": "a\x00b", "signalType": "review"}', None),
    (b'{"source": {"type": "x"}, "data": {"a\\u0000": 1}}', None),
    (b'{"source": {"type": "x"}, "data": ' + b'{"a":' * 101 + b"1" + b"}" * 102, None),
    (b'{"source": {"type": "x"}, "data": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001, None),
    (b'{"source": {"type": "x"}, "data": {"a": ' + b"[" * 100_000, None),
    (b'{"source": {"type": "x"}, "data": {"a": NaN}}', None),
    (b'{"source": {"type": "x"}, "data": {"a": 1e999}}', "data"),
    (b"{}", None),
    (b'{"signalType": "review"}', None),
    (b'{"data": {}}', None),
    (json.dumps(GOOD | RAW).encode(), None),
    (_with(data={"x": 1}), None),
    (b'{"text": "x"}', "signalType"),
    (_with(text=""), "text"),
    *_each(_with, "text", (None, 5, [], {}, True, " ", "\n\t")),
    *_each(_with, "signalType", ("feedback_record", "", None, 1, [])),
    *_each(_with, "name", ("", "  ", None, 5, ["x"])),
    *_each(_with, "additionalContext", (None, 5, {})),
    *_each(
        _with,
        "occurredAt",
        ("yesterday", "", None, True, "2025-13-01T00:00:00Z", "10000-01-01T00:00:00Z"),
    ),
    *_each(
        _with,
        "occurredAt",
        (
            "0001-01-01T00:00:00+14:00",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "9999-12-31T23:59:59-14:00",
        ),
    ),
    *_each(_with, "productIds", ("x", None, 5, {}, [None], ["x"])),
    *_each(_with, "accountId", UUIDS),
    *_each(_raw, "source", (None, "zendesk", 5, [])),
    (_raw(source={}), "source.type"),
    (_raw(source={"type": 5}), "source.type"),
    (_raw(source={"type": "x", "external_data": []}), "source.external_data"),
    *_each(_raw, "data", ("x", 5, [])),
    *_each(_raw, "externalId", (5, {}, True)),
    *_each(_raw, "context", (5, {})),
    *_each(_raw, "name", ("", None)),
    *_each(_raw, "insightIds", ("x", None, [5])),
    (_raw(insightIds=["not-a-uuid"]), "insightIds"),
    (_raw(insightIds=["00000000-0000-7000-8000-000000000000"]), "insightIds"),
]


@pytest.mark.parametrize(("body", "field"), BAD_CREATES)
async def test_a_bad_create_is_400_and_names_the_field(
    acme: Tenant, body: bytes, field: str | None
) -> None:
    answer = await acme.http.post(SIGNALS, content=body)
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 400
    assert problem["type"] == "urn:gateway:problem:validation-error"
    assert problem["requestId"] == answer.headers["X-Request-Id"]
    assert [each["field"] for each in problem.get("errors", [])] == ([field] if field else [])
    assert (await acme.http.get(SIGNALS)).json() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "processing"}, "status"),
        ({"status": "failed"}, "status"),
        ({"status": None}, "status"),
        ({"source": None}, "source"),
        ({"source": {}}, "source.type"),
        ({"insightIds": None}, "insightIds"),
        ({"insightIds": ["x"]}, "insightIds"),
        ({"externalId": 5}, "externalId"),
        ({"context": []}, "context"),
        ({"data": []}, "data"),
    ],
)
async def test_a_bad_patch_is_400_and_changes_nothing(
    acme: Tenant, body: dict[str, Any], field: str
) -> None:
    signal = await acme.processed((await acme.signal())["id"])
    path = f"{SIGNALS}/{signal['id']}"
    answer = await acme.http.patch(path, json={"externalId": "changed"} | body)
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert (await acme.http.get(path)).json() == signal


@pytest.mark.parametrize("resource", ["signals", "insights"])
@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1.0",
        "limit=1e2",
        "limit=%2B5",
        "limit=١",
        "limit=1&limit=2",
        "limit=%00",
        "offset=-1",
        "offset=x",
        "offset=99999999999",
        "order=up",
        "order=",
        "order=%ff",
    ],
)
async def test_a_bad_query_is_400_and_names_the_parameter(
    acme: Tenant, resource: str, query: str
) -> None:
    answer = await acme.http.get(f"/external/v1/{resource}?{query}")
    assert answer.status_code == 400, answer.text
    assert [each["field"] for each in answer.json()["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize(
    "reference",
    [
        "SIGNAL-1",
        "SIGNAL-01",
        "SIGNAL-0",
        "SIGNAL--1",
        "signal-1",
        "SIGNAL-999999999999999999999",
        "IDEA-1",
        "x",
        "%00",
        "%ff",
        "'; drop table signals; --",
        "00000000-0000-7000-8000-000000000000",
        "00000000000070008000000000000000",
        "{00000000-0000-7000-8000-000000000000}",
        "a" * 3000,
    ],
)
async def test_an_id_that_is_nobodys_is_404_on_every_path(acme: Tenant, reference: str) -> None:
    path = f"{SIGNALS}/{reference}"
    answers = [
        await acme.http.get(path),
        await acme.http.patch(path, json={}),
        await acme.http.delete(path),
        await acme.http.post(f"{path}/process"),
        await acme.http.get(f"/external/v1/insights/{reference}"),
        await acme.http.get(f"/external/v1/insights/{reference}/evidence"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 6


async def test_another_tenants_signal_does_not_exist(acme: Tenant, rival: Tenant) -> None:
    signal = await acme.processed((await acme.signal())["id"])
    linked = {"insightIds": signal["insightIds"]}
    assert signal["insightIds"]
    for reference in (signal["id"], signal["publicId"]):
        path = f"{SIGNALS}/{reference}"
        unknown = await rival.http.get(f"{SIGNALS}/{'x' * 5}")
        for answer in (
            await rival.http.get(path),
            await rival.http.patch(path, json={"externalId": "mine"}),
            await rival.http.delete(path),
            await rival.http.post(f"{path}/process"),
        ):
            assert answer.status_code == 404
            assert answer.json()["title"] == unknown.json()["title"]
    stolen = await rival.http.post(SIGNALS, json=RAW | linked)
    assert stolen.status_code == 400
    assert [each["field"] for each in stolen.json()["errors"]] == ["insightIds"]
    assert (await rival.http.get(SIGNALS)).json() == []
    assert (await acme.http.get(f"{SIGNALS}/{signal['id']}")).json() == signal


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
async def test_unknown_paths_and_methods(
    acme: Tenant, method: str, path: str, status: int, media_type: str
) -> None:
    answer = await acme.http.request(method, path, headers={"X-Request-Id": "mine-1"})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["X-Request-Id"] == "mine-1"
    body = answer.json()
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
        assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-123_x.y:z", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("<x>", False)],
)
async def test_a_safe_request_id_is_kept(acme: Tenant, given: str, kept: bool) -> None:
    answer = await acme.http.get("/livez", headers={"X-Request-Id": given})
    assert (answer.headers["X-Request-Id"] == given) is kept
    assert len(answer.headers.get_list("X-Request-Id")) == 1


async def test_a_body_at_the_limit_passes_and_one_over_it_is_413(acme: Tenant) -> None:
    frame = len(_with(text=""))
    fits = _with(text="a" * (LIMIT - frame))
    assert len(fits) == LIMIT
    assert (await acme.http.post(SIGNALS, content=fits)).status_code == 201
    answer = await acme.http.post(SIGNALS, content=fits + b" ")
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:gateway:problem:payload-too-large"
    assert len((await acme.http.get(SIGNALS)).json()) == 1


async def test_a_large_body_is_refused_from_its_announcement(acme: Tenant, stack: Stack) -> None:
    """Nothing of the 11 MB is sent, and the answer is there."""
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
    answer = await acme.http.request("DELETE", f"{SIGNALS}/SIGNAL-1", content=b" " * (LIMIT + 1))
    assert answer.status_code == 413


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
async def test_a_hostile_body_holds_up_nobody(acme: Tenant, rival: Tenant, body: bytes) -> None:
    """While it is read others are served, and it is answered soon."""
    reading = asyncio.create_task(acme.http.post(SIGNALS, content=body))
    while not reading.done():
        assert (await rival.http.get("/livez")).status_code == 200
    assert (await reading).status_code in (201, 400)


async def test_a_large_body_without_length_is_413_while_it_is_read(acme: Tenant) -> None:
    async def chunks() -> Any:
        for _ in range(11):
            yield b" " * 1024 * 1024

    answer = await acme.http.post(SIGNALS, content=chunks())
    assert answer.status_code == 413


async def test_a_json_body_needs_no_content_type(acme: Tenant) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"Content-Type": media_type} if media_type else {}
        answer = await acme.http.post(SIGNALS, content=_with(), headers=headers)
        assert answer.status_code == 201


async def test_unknown_fields_are_ignored(acme: Tenant) -> None:
    answer = await acme.http.post(SIGNALS, content=_with(newField={"a": 1}))
    assert answer.status_code == 201


async def test_a_client_that_hangs_up_in_its_body_leaves_nothing(
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


async def test_nothing_refused_left_a_job(acme: Tenant, database: Database) -> None:
    del database
    for body, _ in BAD_CREATES[:10]:
        await acme.http.post(SIGNALS, content=body)
    assert (await acme.http.get(SIGNALS)).headers["X-Total-Count"] == "0"


async def test_the_log_holds_ids_and_no_bodies_or_keys(acme: Tenant, stack: Stack) -> None:
    secret = "a-word-of-a-customer-0815"
    await acme.processed((await acme.signal(secret, additionalContext=secret))["id"])
    await acme.http.post(SIGNALS, content=secret.encode())
    for log in (stack.api.log, stack.worker.log):
        text = log.read_text()
        assert secret not in text
        assert acme.key not in text
        assert "Traceback" not in text
    lines = [json.loads(line) for line in stack.api.log.read_text().splitlines()]
    mine = [line for line in lines if line.get("workspace") == acme.workspace]
    assert {line["event"] for line in mine} == {"request"}
    assert {"method", "route", "status", "ms", "request_id", "key"} <= set(mine[0])
