"""The discovery API in the bad-input tests: its test values and error format."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

from gateway.discovery import surface
from tests.http import contracts
from tests.http.contracts import Json, Operation
from tests.http.hostile.harness import Answer, Api, Call, Caller, exchange
from tests.http.hostile.values import (
    ANY_PARAMETER,
    ANY_TEXT,
    INVALID_TIMES,
    NOT_ISO,
    NUL,
    OTHER_UUID,
    SQL,
    STARTED,
    UNKNOWN,
    Parameter,
    Values,
    percent_encoded,
)
from tests.stack import Tenant

# Fields that list linked records, and the kind of those records.
LINKS: Final = {"insightIds": "insights", "opportunityIds": "opportunities", "ideaIds": "ideas"}

# Full text searches.
_SEARCHES: Final = (
    *("csv export", "a" * 400, "\U00010400" * 400, "\U0001f94a" * 400, "the and of"),
    *('"unbalanced', '"', '""', '" "', "-", "- -", '-"', "-a " * 133, '-"a b" ' * 57),
    *("or", "or or or", "!" * 400, "(" * 400, "a & | ! ( ) :* <-> \\ '", "\u200b", "\ufffd", SQL),
    # Many minus signs, in even and odd numbers.
    *("-" * 32, "-" * 33, "-" * 400, "- " * 200, " -" * 33, "-" * 33 + "export", "\t-" * 200),
)
_PUBLIC_IDS: Final = ("SIGNAL-1", "signal-1", "Signal-999", f"SIGNAL-{10**18 - 1}")
_INVALID_PUBLIC_IDS: Final = (
    *("x", "1", "INSIGHT-1", "SIGNAL-0", "SIGNAL-01", "SIGNAL--1"),
    *(
        "SIGNAL-1%00",
        "SIGNAL-1%0a",
        *percent_encoded("SIGNAL-١", "\u017fignal-1", UNKNOWN.replace("-", ""), SQL),
    ),
)


_UNKNOWN_IDS: Final = (
    *(
        "x",
        "0",
        "null",
        "SIGNAL-0",
        f"SIGNAL-{10**18 - 1}",
        f"SIGNAL-{10**21}",
        *_INVALID_PUBLIC_IDS,
    ),
    *("%00", "%0a", "%ff", "%2e%2e", "%ed%a0%80", f"{UNKNOWN}%0a", f"{UNKNOWN}0"),
    *(f"%7B{UNKNOWN}%7D", *percent_encoded("\U0001f94a" * 300, "a" * 3000)),
)


class DiscoveryApi(Api):
    """Discovery: errors are problem details, and ids of other tenants are unknown ids."""

    contract = contracts.DISCOVERY
    surface = surface.DISCOVERY
    values = Values(
        contracts.DISCOVERY,
        examples={name: [f"{{{kind}}}"] for name, kind in LINKS.items()}
        | {"tagIds": ["tag-1", "tag-2"], "duplicateOf": "{original}"},
        good=dict.fromkeys(LINKS, ([],))
        | {"duplicateOf": ()}
        | {"name": (*ANY_TEXT, "Ünïcode " * 125_000)},
        wrong={},
    )
    parameters: ClassVar = {
        "q": Parameter(
            percent_encoded(*_SEARCHES),
            (*NUL, "%20", "%09%0a", "%C2%A0", "a" * 401, *percent_encoded("\U0001f94a" * 401)),
        ),
        "signalId": Parameter(
            (UNKNOWN, *_PUBLIC_IDS), ("%00", f"SIGNAL-{10**18}", *_INVALID_PUBLIC_IDS)
        ),
        "externalId": Parameter((*ANY_PARAMETER, *percent_encoded("\U0001f94a" * 1000)), NUL),
    }
    times = Parameter(
        percent_encoded(
            *(STARTED, "2025-03-11T14:30:00+02:00", "0001-01-02T00:00:00Z", "2025-03-11"),
            *("2025-03-11T14:30:00 02:00", "2025-03-11 14:30"),
        ),
        (
            "0",
            "-1",
            "1700000000.5",
            "%00",
            f"{STARTED}%00",
            *percent_encoded(*INVALID_TIMES, *NOT_ISO),
        ),
    )
    text_fields: ClassVar = {
        "SignalTextCreate": "text",
        "SignalRawCreate": "context",
        "SignalUpdate": "context",
        "InsightCreate": "description",
        "InsightUpdate": "description",
        "ProcessTranscriptRequest": "transcript",
        "OpportunityCreate": "name",
        "OpportunityUpdate": "name",
        "IdeaCreate": "name",
        "IdeaUpdate": "name",
        "ProductCreate": "name",
    }
    # A new signal needs one of these.
    shape_fields = frozenset({"SignalTextCreate.text", "SignalRawCreate.source"})
    media_types = (
        *("application/json", "text/plain", "application/x-www-form-urlencoded", ""),
        "multipart/form-data; boundary=x",
    )

    def wrong_bodies(self) -> Iterator[tuple[str, Json]]:
        """Bodies that match neither or both variants of a new signal."""
        typed: Json = {"text": "x", "signalType": "review"}
        raw: Json = {"source": {"type": "x"}}
        neither: list[Json] = [{}, {"signalType": "review"}, {"data": {}}, {"name": "x"}]
        both: list[Json] = [raw, {"data": {"a": 1}}]
        for body in (*neither, *(typed | more for more in both)):
            yield "createSignal", body

    def wrong_ids(self, operation: Operation, others: set[str]) -> tuple[set[str], set[str]]:
        valid = {"INSIGHT-1"} if operation.collection == "insights" else set()
        return others | set(_UNKNOWN_IDS) - valid, set()

    def refusal(self, answer: Answer, code: str, field: str | None) -> str | None:
        if answer.headers["content-type"] != "application/problem+json":
            return None
        problem = answer.json()
        faults = problem.pop("errors", [])
        right = (
            set(problem) == {"type", "title", "status", "detail", "requestId"}
            and problem["type"] == f"urn:gateway:problem:{code.replace('_', '-')}"
            and problem["title"]
            and problem["status"] == answer.status
            and problem["requestId"] == answer.headers["x-request-id"]
            and [each["field"] for each in faults] == ([field] if field else [])
            and all(each["message"] for each in faults)
        )
        return str(problem["detail"]) if right else None

    async def differences(self, call: Call, caller: Caller, bodies: Iterable[Json]) -> list[str]:
        found = []
        for number, body in enumerate(bodies):
            content = caller.body(body)
            media_type = self.media_types[number % len(self.media_types)]
            request = call.request(call.case(caller, "", content), caller.tenant.key, media_type)
            (answer,) = await exchange(caller.port, [request])
            if answer.status != call.operation.status:
                found.append(f"{content[:300]!r} -> {answer}")
            elif isinstance(shown := answer.json(), dict):
                fields = self.contract.models[call.model]
                found += [
                    f"{name}: {value!r} -> {shown[name]!r}"
                    for name, value in json.loads(content).items()
                    if name in shown
                    and shown[name] not in (value, _without_nulls(value))
                    and (value is not None or fields[name].nullable)
                ]
        return found


def _without_nulls(value: Any) -> Any:
    """The value without the nulls in its objects, which equal absent fields."""
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return value


async def make_records(owner: Tenant) -> dict[str, str]:
    """Create one record of each kind, all linked. Returns their ids."""
    product = (await owner.create("products", name="Atlas"))["id"]
    text = "The Atlas export fails every day."
    signal = await owner.create_signal(text, accountId=OTHER_UUID, productIds=[product])
    signal = await owner.wait_until_processed(signal["id"])
    assert signal["insightIds"]
    await owner.patch(f"signals/{signal['id']}", externalId="secret")
    made = {"products": product, "accountId": OTHER_UUID}
    made |= {"signals": signal["id"], "public-id": signal["publicId"]}
    made["original"] = signal["insightIds"][0]
    named = {"name": "A secret", "description": "The export is slow.", "productId": product}
    for resource, links, more in (
        ("insights", (), {"tagIds": ["secret"]}),
        ("ideas", ("insightIds",), {}),
        ("opportunities", ("insightIds", "ideaIds"), {}),
    ):
        body = named | more | {field: [made[LINKS[field]]] for field in links}
        made[resource] = (await owner.create(resource, **body))["id"]
    return made
