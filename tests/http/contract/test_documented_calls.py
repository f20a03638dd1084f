"""The vendor's documented calls, byte for byte as curl sends them.

Only the base URL, the key and the ids differ. With `-d`, curl sends the content type of a form
unless the call sets one. With `-X POST` alone it sends no body and no Content-Length.
"""

import http.client
import re
import shlex
import socket
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from gateway.discovery.surface import DISCOVERY
from tests.stack import Stack, Tenant

JSON = '-H "Content-Type: application/json"'
# Call, status, and fields of the answer. `$x` is a placeholder for an id.
CALLS: list[tuple[str, int, Any]] = [
    ("curl -X GET $BASE/signals?limit=10&offset=0", 200, list),
    ("curl -X GET $BASE/signals/$SIGNAL", 200, {"id": "$SIGNAL", "status": "processed"}),
    (
        f"""curl -X POST $BASE/signals {JSON} -d '{{
    "name": "G2 Reviews - March Batch",
    "text": "Users love the product overall, but several reviewers mention that exports are hard to find and slow to complete for large datasets.",
    "signalType": "review",
    "additionalContext": "Public review batch collected from G2 and Capterra.",
    "occurredAt": "2025-03-11T14:30:00Z",
    "productIds": ["$PRODUCT"],
    "accountId": "$PRODUCT"
  }}'""",  # noqa: E501
        201,
        {
            "name": "G2 Reviews - March Batch",
            "status": "processing",
            "createdAt": "2025-03-11T14:30:00Z",
        },
    ),
    (
        f"""curl -X PATCH $BASE/signals/$SIGNAL {JSON} -d '{{"insightIds": ["$INSIGHT"]}}'""",
        200,
        {"insightIds": ["$INSIGHT"]},
    ),
    ("curl -X POST $BASE/signals/$PUBLIC/process", 201, {"jobId": str}),
    ("curl -X POST $BASE/signals/$SIGNAL/process", 201, {"jobId": str}),
    ("curl -X DELETE $BASE/signals/$SIGNAL", 200, {"message": "Deleted"}),
    ("curl -X GET $BASE/insights?limit=10", 200, list),
    ("curl -X GET $BASE/insights/$INSIGHT", 200, {"id": "$INSIGHT"}),
    (
        f"""curl -X POST $BASE/insights {JSON} -d '{{
    "name": "User finds the billing page confusing",
    "description": "During user interviews, 3/5 users couldn'\\''t find...",
    "status": "published",
    "type": "feedback",
    "productId": "$PRODUCT",
    "tagIds": ["tag-1"]
  }}'""",
        201,
        {"status": "published", "type": "feedback", "productId": "$PRODUCT", "tagIds": ["tag-1"]},
    ),
    (
        f"""curl -X PATCH $BASE/insights/$INSIGHT {JSON} -d '{{"status": "archived"}}'""",
        200,
        {"status": "archived"},
    ),
    ("curl -X DELETE $BASE/insights/$INSIGHT", 200, {"message": "Deleted"}),
    (
        f"""curl -X POST $BASE/insights/process-transcript/insights {JSON} -d '{{
    "transcript": "Full text of the meeting or feedback...",
    "createInsights": true
  }}'""",
        200,
        list,
    ),
    ("curl -X GET $BASE/opportunities", 200, list),
    ("curl -X GET $BASE/opportunities/$OPPORTUNITY", 200, {"id": "$OPPORTUNITY"}),
    (
        f"""curl -X POST $BASE/opportunities {JSON} -d '{{
    "name": "Reduce churn in Mobile App",
    "description": "Users are uninstalling after 2 days...",
    "score": 92
  }}'""",
        201,
        {"score": 92, "status": "discovery"},
    ),
    ("curl -X PATCH $BASE/opportunities/$OPPORTUNITY -d '{\"score\": 95}'", 200, {"score": 95}),
    ("curl -X DELETE $BASE/opportunities/$OPPORTUNITY", 200, {"message": "Deleted"}),
    ("curl -X GET $BASE/ideas", 200, list),
    ("curl -X GET $BASE/ideas/$IDEA", 200, {"id": "$IDEA"}),
    (
        f"""curl -X POST $BASE/ideas {JSON} -d '{{
    "name": "AI-powered search",
    "description": "Use LLMs to improve search relevance..."
  }}'""",
        201,
        {"name": "AI-powered search", "status": "evaluating"},
    ),
    (
        'curl -X PATCH $BASE/ideas/$IDEA -d \'{"name": "AI Search 2.0"}\'',
        200,
        {"name": "AI Search 2.0"},
    ),
    ("curl -X DELETE $BASE/ideas/$IDEA", 200, {"message": "Deleted"}),
    ("curl -X GET $BASE/auth/context", 200, {"workspace": dict, "credential": dict}),
    ("curl -X GET $BASE/products/$PRODUCT", 200, {"id": "$PRODUCT"}),
]


def _request(call: str, host: str, key: str) -> bytes:
    """The bytes that curl sends for a command line."""
    program, *words = shlex.split(call)
    assert program == "curl"
    method, url, body = "GET", "", None
    headers = [f"Host: {host}", "User-Agent: curl/8.5.0", "Accept: */*"]
    headers.append(f"Authorization: Bearer {key}")
    while words:
        match words.pop(0):
            case "-X":
                method = words.pop(0)
            case "-H":
                headers.append(words.pop(0))
            case "-d":
                body = words.pop(0).encode()
            case word:
                url = word
    if body is not None:
        headers.append(f"Content-Length: {len(body)}")
        if not any(each.startswith("Content-Type:") for each in headers):
            headers.append("Content-Type: application/x-www-form-urlencoded")
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *headers])
    return head.encode() + b"\r\n\r\n" + (body or b"")


def _send(stack: Stack, request: bytes) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=20) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


async def _ids(acme: Tenant) -> dict[str, str]:
    """Create records. Returns their ids by placeholder."""
    product = (await acme.create("products", name="Atlas"))["id"]
    signal = await acme.wait_until_processed((await acme.create_signal())["id"])
    assert signal["insightIds"]
    fields = {"name": "Streamline checkout process", "description": "High drop-off rate..."}
    return {
        "$PUBLIC": signal["publicId"],
        "$SIGNAL": signal["id"],
        # Not an insight of the signal, because reprocessing replaces its insights.
        "$INSIGHT": (await acme.create("insights", **fields))["id"],
        "$OPPORTUNITY": (await acme.create("opportunities", **fields))["id"],
        "$IDEA": (await acme.create("ideas", **fields))["id"],
        "$PRODUCT": product,
    }


@pytest.mark.parametrize("base", ["/external/v1", "/api/external/v1"])
async def test_documented_calls_work_unchanged(acme: Tenant, stack: Stack, base: str) -> None:
    """Deletions are sent last, because the other calls use the same records."""
    known = {"$BASE": f"http://gateway.test{base}", **await _ids(acme)}
    for documented, status, shown in sorted(CALLS, key=lambda each: "-X DELETE" in each[0]):
        call = documented
        for name, value in known.items():
            call = call.replace(name, value)
        # A `?` needs no quotes here, as no shell reads it.
        answered, body = _send(stack, _request(call, "gateway.test", acme.key))
        assert answered == status, (documented, body)
        found = msgspec.json.decode(body)
        if isinstance(shown, type):
            assert isinstance(found, shown), documented
            continue
        for name, value in shown.items():
            if isinstance(value, type):
                assert isinstance(found[name], value), documented
            else:
                assert found[name] == _fill_placeholders(value, known), documented


def _fill_placeholders(expected: Any, names: dict[str, str]) -> Any:
    if isinstance(expected, list):
        return [_fill_placeholders(each, names) for each in expected]
    return names.get(expected, expected) if isinstance(expected, str) else expected


def test_every_documented_operation_is_called() -> None:
    documented = {
        handler.opt["operation"].id
        for handler in DISCOVERY.handlers
        if not handler.opt["operation"].addition
    }
    assert len(documented) == 24
    called = set()
    for call, _, _ in CALLS:
        method, url = shlex.split(call)[2:4]
        path = re.sub(r"\$(?!BASE)[A-Z]+", "{id:str}", url.removeprefix("$BASE").partition("?")[0])
        called |= {
            handler.opt["operation"].id
            for handler in DISCOVERY.handlers
            if path in handler.paths and method in handler.http_methods
        }
    assert called == documented
