"""Bad input to every operation of discovery, out of one table: it is refused in one form, by the
name of what is wrong, and leaves nothing behind. Walking the router shows that the table is whole.
"""

import contextlib
import itertools
import json
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from domains.kernel.db.database import Database
from domains.kernel.tenancy.api_keys import SCOPES
from gateway.discovery.surface import DISCOVERY
from tests.conftest import MakeTenant
from tests.stack import Stack, Tenant, eventually, new_tenant
from tests.surfaces.bad_input import (
    ANY_TEXT,
    HUGE,
    NIL,
    NO_TEXTS,
    NO_UUID,
    NOT_A_LIST,
    NOT_A_NUMBER,
    NOT_A_SWITCH,
    NOT_AN_OBJECT,
    NOT_TEXT,
    NOT_TEXTS,
    NOT_UUID,
    SQL,
    UNKNOWN,
    At,
    Call,
    Case,
    Field,
    Json,
    Parameter,
    Values,
    bodies_of,
    called,
    choice,
    coded,
    declared,
    inner,
    json_of,
    names,
    one_of,
    queries_of,
    required,
    send,
    send_all,
    undecodable,
)
from tests.surfaces.bad_input import SOME_UUID as PRODUCT

PREFIX = "/external/v1"
PROBLEM = "application/problem+json"

OTHER = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002"


# --- operations -------------------------------------------------------------------------------


OPERATIONS = {
    "listSignals": Call("GET", "/signals", query="SignalQuery"),
    "getSignal": Call("GET", "/signals/{id}"),
    "createSignal": Call("POST", "/signals", bodies=("SignalTextCreate", "SignalRawCreate")),
    "updateSignal": Call("PATCH", "/signals/{id}", bodies=("SignalUpdate",)),
    "deleteSignal": Call("DELETE", "/signals/{id}"),
    "processSignal": Call("POST", "/signals/{id}/process"),
    "listInsights": Call("GET", "/insights", query="InsightQuery"),
    "getInsight": Call("GET", "/insights/{id}"),
    "listInsightEvidence": Call("GET", "/insights/{id}/evidence"),
    "createInsight": Call("POST", "/insights", bodies=("InsightCreate",)),
    "updateInsight": Call("PATCH", "/insights/{id}", bodies=("InsightUpdate",)),
    "deleteInsight": Call("DELETE", "/insights/{id}"),
    "processTranscript": Call(
        "POST", "/insights/process-transcript/insights", bodies=("ProcessTranscriptRequest",)
    ),
    "listOpportunities": Call("GET", "/opportunities", query="OpportunityQuery"),
    "getOpportunity": Call("GET", "/opportunities/{id}"),
    "createOpportunity": Call("POST", "/opportunities", bodies=("OpportunityCreate",)),
    "updateOpportunity": Call("PATCH", "/opportunities/{id}", bodies=("OpportunityUpdate",)),
    "deleteOpportunity": Call("DELETE", "/opportunities/{id}"),
    "listIdeas": Call("GET", "/ideas", query="IdeaQuery"),
    "getIdea": Call("GET", "/ideas/{id}"),
    "createIdea": Call("POST", "/ideas", bodies=("IdeaCreate",)),
    "updateIdea": Call("PATCH", "/ideas/{id}", bodies=("IdeaUpdate",)),
    "deleteIdea": Call("DELETE", "/ideas/{id}"),
    "listProducts": Call("GET", "/products", query="OffsetQuery"),
    "getProduct": Call("GET", "/products/{id}"),
    "createProduct": Call("POST", "/products", bodies=("ProductCreate",)),
    "getAuthContext": Call("GET", "/auth/context"),
}

RESOURCES = ("signals", "insights", "opportunities", "ideas", "products")

# Lists of links, and what they lead to.
LINKS = {"insightIds": "insights", "opportunityIds": "opportunities", "ideaIds": "ideas"}


# --- bodies -----------------------------------------------------------------------------------


BLANK = ("", " ", "\n\t", "\u00a0\u2028", "\x1f")
NOT_UUIDS = (*NOT_A_LIST, [5], [None], [[PRODUCT]], [""], ["x"], [PRODUCT, "x"], [HUGE])
NOT_LINKS = (*NOT_TEXTS, ["x"], [""], ["SIGNAL-1"], [UNKNOWN], [NIL], [UNKNOWN.replace("-", "")])
NOT_TAGS = (*NOT_TEXTS, [""], ["x", ""], ["a" * 256], ["\U0001f94a" * 256])
NOT_A_LINK: Values = ("x", 5, None, [])
NOT_A_SCORE: Values = (-1, -0.1, -1e-300, 100.1, 101, 10**30, 1e300, HUGE, "", "5", True, [], {})
NO_TIME = (
    "",
    "yesterday",
    "1700000000",
    "2025-01-01",
    "2025-13-01T00:00:00Z",
    "2025-02-29T00:00:00Z",
    "2025-01-01T25:00:00Z",
    "2025-01-01T00:00:00+25:00",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
)
NOT_A_TIME: Values = (*NO_TIME, 0, 1700000000, 1700000000.5, True, [], {}, HUGE)

TEXT = Field("Changed.", (*NOT_TEXT, *BLANK), ANY_TEXT)
NEEDED_TEXT = replace(TEXT, required=True)
UUID = Field(PRODUCT, NOT_UUID, (OTHER, NIL))
UUID_OR_NULL = replace(UUID, more=(OTHER, NIL, None), wrong=NOT_UUID)
TAGS = Field(["tag-1", "tag-2"], NOT_TAGS, ([], ["\U0001f94a" * 255], list(ANY_TEXT)))
OBJECT = Field({"a": [1, {"b": None}]}, (*NOT_AN_OBJECT, {"a": HUGE}), ({},))
OBJECT_OR_NULL = Field({"a": "b c"}, (*NOT_AN_OBJECT, {"a": [HUGE]}), ({}, None))
SOURCE = Field(
    {"type": "zendesk", "external_data": {"ticket": 5}},
    (
        *NOT_AN_OBJECT,
        *(At("source.type", {"type": each}) for each in (*NOT_TEXT, None)),
        At("source.type", {}),
        *(
            At("source.external_data", {"type": "x", "external_data": each})
            for each in (*NOT_AN_OBJECT, {"a": HUGE}, None)
        ),
    ),
    ({"type": SQL}, {"type": "x", "external_data": {}}),
)
EXTERNAL_LINKS = Field(
    [{"type": "jira", "url": "https://example.com/1", "name": "One"}],
    (
        *NOT_A_LIST,
        *([each] for each in NOT_A_LINK),
        *(
            At(f"externalLinks.{name}", [{}, {name: each}])
            for name in ("type", "url", "name")
            for each in (*NOT_TEXT, None)
        ),
    ),
    ([], [{}], [{"url": SQL}]),
)
SCORE = Field(50, NOT_A_SCORE, (0, 100, 99.5, 0.0))
SCORE_OR_NULL = replace(SCORE, more=(*SCORE.more, None), wrong=NOT_A_SCORE)


def _links(resource: str) -> Field:
    return Field(..., NOT_LINKS, ([],), links=resource)


SIGNAL_TYPE = ("transcript", "support_ticket", "discovery_report", "review")
SIGNAL_STATUS = ("pending", "processing", "processed", "failed")
INSIGHT_STATUS = ("draft", "published", "archived")
INSIGHT_TYPE = (
    "other",
    "feedback",
    "user-interview",
    "market-research",
    "session-recording",
    "support-ticket",
)
OPPORTUNITY_STATUS = ("discovery", "defined", "validated", "archived")
IDEA_STATUS = ("evaluating", "backlog", "development", "released", "archived")

BODIES: dict[str, dict[str, Field]] = {
    "SignalTextCreate": {
        "text": NEEDED_TEXT,
        "signalType": one_of(*SIGNAL_TYPE, required=True),
        "name": TEXT,
        "additionalContext": Field("A batch.", NOT_TEXT, ("", *ANY_TEXT)),
        "occurredAt": Field(
            "2025-03-11T14:30:00Z",
            NOT_A_TIME,
            ("0001-01-02T00:00:00Z", "9999-12-30T00:00:00+14:00", "2025-03-11T14:30:00.123456"),
        ),
        "productIds": Field([PRODUCT, OTHER], NOT_UUIDS, ([], [NIL])),
        "accountId": UUID,
    },
    "SignalRawCreate": {
        "source": replace(SOURCE, required=True),
        "data": OBJECT_OR_NULL,
        "name": TEXT,
        "externalId": Field("ext-1", NOT_TEXT, ("", *ANY_TEXT, None)),
        "context": Field("bug", NOT_TEXT, ("", *ANY_TEXT, None)),
        "insightIds": _links("insights"),
    },
    "SignalUpdate": {
        "source": SOURCE,
        "data": OBJECT_OR_NULL,
        "insightIds": _links("insights"),
        "externalId": Field("ext-1", NOT_TEXT, ("", *ANY_TEXT, None)),
        "status": one_of("processed", "pending", never=("processing", "failed")),
        "context": Field("bug", NOT_TEXT, ("", *ANY_TEXT, None)),
    },
    "InsightCreate": {
        "description": NEEDED_TEXT,
        "name": TEXT,
        "status": one_of(*INSIGHT_STATUS, never=("processed",)),
        "type": one_of(*INSIGHT_TYPE, never=("review",)),
        "productId": UUID,
        "opportunityIds": _links("opportunities"),
        "ideaIds": _links("ideas"),
        "tagIds": TAGS,
        "suggestions": OBJECT,
        "externalLinks": EXTERNAL_LINKS,
    },
    "InsightUpdate": {
        "name": TEXT,
        "description": TEXT,
        "status": one_of(*INSIGHT_STATUS, never=("processed",)),
        "type": one_of(*INSIGHT_TYPE, never=("review",)),
        "productId": UUID_OR_NULL,
        "opportunityIds": _links("opportunities"),
        "ideaIds": _links("ideas"),
        "tagIds": TAGS,
        "suggestions": OBJECT,
        "externalLinks": EXTERNAL_LINKS,
    },
    "ProcessTranscriptRequest": {
        "transcript": NEEDED_TEXT,
        "productId": UUID,
        "createInsights": Field(True, NOT_A_SWITCH, (False,)),
    },
    "OpportunityCreate": {
        "name": NEEDED_TEXT,
        "description": NEEDED_TEXT,
        "score": SCORE,
        "status": one_of(*OPPORTUNITY_STATUS, never=("draft",)),
        "productId": UUID_OR_NULL,
        "insightIds": _links("insights"),
        "ideaIds": _links("ideas"),
    },
    "OpportunityUpdate": {
        "name": TEXT,
        "description": TEXT,
        "score": SCORE_OR_NULL,
        "status": one_of(*OPPORTUNITY_STATUS, never=("draft",)),
        "productId": UUID_OR_NULL,
        "insightIds": _links("insights"),
        "ideaIds": _links("ideas"),
    },
    "IdeaCreate": {
        "name": NEEDED_TEXT,
        "description": NEEDED_TEXT,
        "status": one_of(*IDEA_STATUS, never=("discovery",)),
        "productId": UUID_OR_NULL,
        "opportunityIds": _links("opportunities"),
        "insightIds": _links("insights"),
    },
    "IdeaUpdate": {
        "name": TEXT,
        "description": TEXT,
        "status": one_of(*IDEA_STATUS, never=("discovery",)),
        "productId": UUID_OR_NULL,
        "opportunityIds": _links("opportunities"),
        "insightIds": _links("insights"),
    },
    "ProductCreate": {"name": NEEDED_TEXT, "id": UUID},
}

# Without these a new signal is of neither shape, so the body as a whole is at fault.
SHAPES = {("SignalTextCreate", "text"), ("SignalRawCreate", "source")}

# A text in each body, for what no decoder takes.
TEXT_OF = {
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


# --- queries ----------------------------------------------------------------------------------


PAGING = {
    "limit": Parameter(("1", "100", "101", "1" + "0" * 30, "9" * 4000), ("0", "-0", *NOT_A_NUMBER)),
    "offset": Parameter(
        ("0", "1", str(2**31 - 1)), (str(2**31), "99999999999", "9" * 30, *NOT_A_NUMBER)
    ),
    "order": choice("desc", "asc"),
}
UUID_PARAMETER = Parameter(
    (PRODUCT, PRODUCT.upper(), NIL, UNKNOWN),
    ("%00", *coded(*NO_UUID)),
)
TIME_PARAMETER = Parameter(
    coded("2025-03-11T14:30:00Z", "2025-03-11T14:30:00+02:00", "0001-01-02T00:00:00Z"),
    ("0", "-1", "1700000000.5", "%00", "2025-01-01T00:00:00Z%00", *coded(*NO_TIME)),
)
WORDS = Parameter(
    coded(
        "csv export",
        "a" * 400,
        "\U00010400" * 400,
        "\U0001f94a" * 400,
        "the and of",
        '"unbalanced',
        '"',
        '""',
        '" "',
        "-",
        "- -",
        '-"',
        "-" * 32,
        "-a " * 133,
        '-"a b" ' * 57,
        "or",
        "or or or",
        "!" * 400,
        "(" * 400,
        "a & | ! ( ) :* <-> \\ '",
        "\u200b",
        "\ufffd",
        SQL,
    ),
    ("", "%20", "%09%0a", "%C2%A0", "%00", "a%00", "a" * 401, *coded("\U0001f94a" * 401)),
)
QUERIES: dict[str, dict[str, Parameter]] = {
    "OffsetQuery": PAGING,
    "SignalQuery": {
        **PAGING,
        "status": choice(*SIGNAL_STATUS),
        "signalType": choice(*SIGNAL_TYPE),
        "externalId": Parameter(("", *coded(*ANY_TEXT, "\U0001f94a" * 1000)), ("%00", "a%00")),
        "createdAfter": TIME_PARAMETER,
        "createdBefore": TIME_PARAMETER,
    },
    "InsightQuery": {
        **PAGING,
        "status": choice(*INSIGHT_STATUS),
        "type": choice(*INSIGHT_TYPE),
        "productId": UUID_PARAMETER,
        "accountId": UUID_PARAMETER,
        "signalId": Parameter(
            (UNKNOWN, "SIGNAL-1", "SIGNAL-999", f"SIGNAL-{10**18 - 1}"),
            (
                "",
                *("x", "1", "signal-1", "INSIGHT-1", "SIGNAL-0", "SIGNAL-01", "SIGNAL--1"),
                *("%00", "SIGNAL-1%00", "SIGNAL-1%0a", f"SIGNAL-{10**18}"),
                *coded("SIGNAL-١", UNKNOWN.replace("-", ""), SQL),
            ),
        ),
        "tagId": Parameter(
            coded(*ANY_TEXT, " ", "a" * 255, "\U0001f94a" * 255),
            ("", "%00", "a%00", "a" * 256, *coded("\U0001f94a" * 256)),
        ),
        "q": WORDS,
    },
    "OpportunityQuery": {
        **PAGING,
        "status": choice(*OPPORTUNITY_STATUS),
        "productId": UUID_PARAMETER,
        "q": WORDS,
    },
    "IdeaQuery": {
        **PAGING,
        "status": choice(*IDEA_STATUS),
        "productId": UUID_PARAMETER,
        "q": WORDS,
    },
}

# Ids, as they stand in an address, that no record can have.
MALFORMED = (
    *("x", "0", "null", "signal-1", "INSIGHT-1", "SIGNAL-0", "SIGNAL-01", "SIGNAL--1"),
    *(f"SIGNAL-{10**18 - 1}", f"SIGNAL-{10**21}"),
    *("%00", "%0a", "%ff", "%2e%2e", "%ed%a0%80", "SIGNAL-1%0a"),
    *(f"{UNKNOWN}%0a", f"{UNKNOWN}0", f"%7B{UNKNOWN}%7D", UNKNOWN.replace("-", "")),
    *coded("SIGNAL-١", SQL, "\U0001f94a" * 300, "a" * 3000),
)

WITH_BODY = [(name, body) for name, call in OPERATIONS.items() for body in call.bodies]
WITH_QUERY = [name for name, call in OPERATIONS.items() if call.query]
WITH_ID = [name for name, call in OPERATIONS.items() if "{id}" in call.path]


# --- the table is whole -----------------------------------------------------------------------


def test_every_operation_is_in_the_table() -> None:
    walked = sorted(called(DISCOVERY))
    assert walked == sorted([*OPERATIONS.items()] * len(DISCOVERY.prefixes))
    # What was mounted is what the surface declares.
    handlers: Iterable[HTTPRouteHandler] = DISCOVERY.handlers
    assert {each.opt["operation"].id for each in handlers} == set(OPERATIONS)


def test_every_field_of_every_body_is_in_the_table() -> None:
    bodies = bodies_of(DISCOVERY)
    assert {name: names(each) for name, each in bodies.items()} == {
        name: set(fields) for name, fields in BODIES.items()
    }
    assert set(TEXT_OF) == set(BODIES)
    for name, struct in bodies.items():
        assert required(struct) == {each for each, field in BODIES[name].items() if field.required}
        named = {
            wrong.path
            for field in BODIES[name].values()
            for wrong in field.wrong
            if isinstance(wrong, At)
        }
        assert inner(struct) == named
        links = {each: field.links for each, field in BODIES[name].items() if field.links}
        assert links == {each: LINKS[each] for each in BODIES[name] if each in LINKS}


def test_every_parameter_of_every_query_is_in_the_table() -> None:
    assert {name: names(each) for name, each in queries_of(DISCOVERY).items()} == {
        name: set(parameters) for name, parameters in QUERIES.items()
    }


def test_no_entry_of_the_table_is_empty() -> None:
    for fields in BODIES.values():
        assert all(field.wrong for field in fields.values())
    for parameters in QUERIES.values():
        assert all(each.good and each.wrong for each in parameters.values())


# --- two tenants with a record of each kind ---------------------------------------------------


class World(NamedTuple):
    """Who asks, and whose records shall stay unknown to them; one record of each resource each."""

    acme: Tenant
    rival: Tenant
    mine: dict[str, Json]
    foreign: dict[str, Json]
    database: Database
    blobs: Path
    # All that there was when it was last looked at.
    seen: Json

    async def all_there_is(self) -> Json:
        """All that either of them has stored."""
        found: Json = {}
        for each in (self.acme, self.rival):
            for resource in RESOURCES:
                answer = await each.http.get(f"{PREFIX}/{resource}?limit=100")
                found[f"{each.name} {resource}"] = (answer.headers["X-Total-Count"], answer.json())
            async with self.database.connection() as connection:
                found[f"{each.name} jobs"] = await connection.fetchval(
                    "select count(*) from jobs where workspace_id = $1", uuid.UUID(each.workspace)
                )
            texts = (self.blobs / "signals/manual-text" / each.workspace).iterdir()
            found[f"{each.name} texts"] = sorted(str(text) for text in texts)
        return found

    async def compared(self) -> bool:
        """Whether it is settled which insights say the same: that is found a moment later."""
        async with self.database.connection() as connection:
            waiting = await connection.fetchval(
                "select count(*) from insights where workspace_id = any($1) and embedder is null",
                [uuid.UUID(each.workspace) for each in (self.acme, self.rival)],
            )
        return bool(waiting == 0)

    @contextlib.asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """What is done inside leaves everything as it was."""
        before = dict(self.seen)
        yield
        self.seen.update(await self.all_there_is())
        assert self.seen == before


@pytest.fixture(scope="module")
async def world(stack: Stack, database: Database) -> AsyncIterator[World]:
    async with (
        new_tenant(stack, database=database) as acme,
        new_tenant(stack, database=database) as rival,
    ):
        mine = await _one_of_each(acme)
        # So many that the last one's public id is none of acme's.
        for _ in range(3):
            await rival.wait_until_processed((await rival.create_signal())["id"])
        foreign = await _one_of_each(rival)
        made = World(acme, rival, mine, foreign, database, stack.folder / "blobs", {})
        await eventually(made.compared)
        made.seen.update(await made.all_there_is())
        yield made


async def _one_of_each(owner: Tenant) -> dict[str, Json]:
    signal = await owner.wait_until_processed((await owner.create_signal())["id"])
    made = {"signals": signal}
    named = {"name": "First", "description": "The export is slow."}
    for resource, links in (
        ("insights", {}),
        ("ideas", {"insightIds": "insights"}),
        ("opportunities", {"insightIds": "insights", "ideaIds": "ideas"}),
        ("products", {}),
    ):
        body = named | {field: [made[kind]["id"]] for field, kind in links.items()}
        answer = await owner.http.post(f"{PREFIX}/{resource}", json=body)
        assert answer.status_code == 201, answer.text
        made[resource] = answer.json()
    return made


def _resource(call: Call) -> str:
    return call.path.split("/")[1]


def _good(name: str, records: Mapping[str, Json]) -> Json:
    """A body that gives every field, and would change every field of a record."""
    return {
        field: [records[entry.links]["id"]] if entry.links else entry.good
        for field, entry in BODIES[name].items()
    }


def _needed(name: str) -> Json:
    return {field: entry.good for field, entry in BODIES[name].items() if entry.required}


async def _send(http: httpx.AsyncClient, call: Call, case: Case) -> httpx.Response:
    return await send(http, PREFIX, call, case)


async def _all(
    http: httpx.AsyncClient, call: Call, cases: Iterable[Case]
) -> list[tuple[Case, httpx.Response]]:
    return await send_all(http, PREFIX, call, cases)


async def _let_through(owner: Tenant, call: Call, cases: Iterable[Case]) -> list[str]:
    """What was not refused as it should be."""
    return [
        f"{str(case)[:300]} -> {wrong}"
        for case, answer in await _all(owner.http, call, cases)
        if (wrong := _unlike_a_refusal(answer, case.field))
    ]


def _unlike_a_refusal(answer: httpx.Response, field: str) -> str:
    """Empty if it is one that names this field alone, else what it is."""
    if answer.status_code != 400 or answer.headers["Content-Type"] != PROBLEM:
        return f"{answer.status_code} {answer.text[:200]}"
    problem = answer.json()
    errors = problem.get("errors", [])
    right = (
        problem["type"] == "urn:gateway:problem:validation-error"
        and problem["title"] == "Invalid request"
        and problem["status"] == 400
        and bool(problem["detail"])
        and problem["requestId"] == answer.headers["X-Request-Id"]
        and [each["field"] for each in errors] == ([field] if field else [])
        and all(each["message"] for each in errors)
        and len(answer.content) < 2_000
    )
    return "" if right else answer.text[:500]


# --- bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "body"), WITH_BODY)
async def test_a_wrong_or_missing_value_is_refused_by_its_field_and_changes_nothing(
    world: World, name: str, body: str
) -> None:
    """Each comes along with good values for all other fields."""
    call, good = OPERATIONS[name], _good(body, world.mine)
    mine = world.mine[_resource(call)]["id"]
    cases = []
    for field, entry in BODIES[body].items():
        for wrong in entry.wrong:
            path, value = wrong if isinstance(wrong, At) else (field, wrong)
            cases.append(Case(path, json_of(good | {field: value}), reference=mine))
        if entry.required:
            left = {each: value for each, value in good.items() if each != field}
            at = "" if (body, field) in SHAPES else field
            cases.append(Case(at, json_of(left), reference=mine))
    async with world.unchanged():
        assert await _let_through(world.acme, call, cases) == []


async def test_a_new_signal_is_either_text_or_from_a_source(world: World) -> None:
    typed, raw = _needed("SignalTextCreate"), _needed("SignalRawCreate")
    bodies: list[Json] = [
        {},
        {"signalType": "review"},
        {"data": {}},
        {"name": "x"},
        typed | raw,
        typed | {"source": None},
        typed | {"data": {"a": 1}},
        typed | {"data": None},
    ]
    cases = [Case("", json_of(body)) for body in bodies]
    async with world.unchanged():
        assert await _let_through(world.acme, OPERATIONS["createSignal"], cases) == []


@pytest.mark.parametrize(("name", "body"), WITH_BODY)
async def test_good_values_are_taken_and_kept_to_the_letter(
    acme: Tenant, name: str, body: str
) -> None:
    """Bounds, nulls, every value of an enumeration, any text; and a hundred levels of JSON."""
    call, records = OPERATIONS[name], await _one_of_each(acme)
    mine = records[_resource(call)]["id"]
    good, needed = _good(body, records), _needed(body)
    sent = [json_of(good)]
    sent += [
        json_of(needed | {field: value})
        for field, entry in BODIES[body].items()
        for value in entry.more
    ]
    sent.append(json_of(needed | {"unknown": None}).replace(b"null", b"[" * 99 + b"]" * 99))
    failed = []
    for content in sent:
        answer = await _send(acme.http, call, Case("", content, reference=mine))
        given, found = json.loads(content), answer.json()
        if answer.status_code not in (200, 201):
            failed.append(f"{content[:300]!r} -> {answer.status_code} {answer.text[:200]}")
        elif isinstance(found, dict):
            failed += [
                f"{field}: {given[field]!r} -> {found[field]!r}"
                for field in given
                if field in found and found[field] != given[field]
            ]
    assert failed == []


@pytest.mark.parametrize(("name", "body"), WITH_BODY)
async def test_a_body_that_is_no_json_object_in_utf_8_is_refused(
    world: World, name: str, body: str
) -> None:
    call, good = OPERATIONS[name], _good(body, world.mine)
    mine = world.mine[_resource(call)]["id"]
    cases = [Case("", content, reference=mine) for content in undecodable(good, TEXT_OF[body])]
    async with world.unchanged():
        assert await _let_through(world.acme, call, cases) == []


@pytest.mark.parametrize(("name", "body"), WITH_BODY)
async def test_what_is_no_text_is_refused_in_an_unknown_field_too(
    acme: Tenant, name: str, body: str
) -> None:
    call, records = OPERATIONS[name], await _one_of_each(acme)
    mine, whole = records[_resource(call)]["id"], json_of(_good(body, records))
    members = [b'"unknown": ' + value for value in NO_TEXTS]
    members += [b'"unknown": {"a": [' + value + b"]}" for value in NO_TEXTS]
    members += [key + b": 1" for key in NO_TEXTS]
    cases = [Case("", whole[:-1] + b", " + each + b"}", reference=mine) for each in members]
    assert await _let_through(acme, call, cases) == []


# --- links ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "body"), [each for each in WITH_BODY if LINKS.keys() & BODIES[each[1]]]
)
async def test_links_to_nobodys_records_are_refused_by_their_ids(
    world: World, name: str, body: str
) -> None:
    """Malformed, unknown, foreign and of another kind; those that came along are not named."""
    call, good = OPERATIONS[name], _good(body, world.mine)
    mine = world.mine[_resource(call)]["id"]
    async with world.unchanged():
        for field in LINKS.keys() & good:
            kind = LINKS[field]
            known = world.mine[kind]["id"]
            strangers = ["not-a-uuid", NIL, UNKNOWN, world.foreign[kind]["id"]]
            strangers += [world.mine[other]["id"] for other in RESOURCES if other != kind]
            lists = [[each] for each in strangers] + [[known, each] for each in strangers]
            lists.append([*strangers[:3], known, *strangers[3:]])
            cases = [Case(field, json_of(good | {field: each}), reference=mine) for each in lists]
            for (_, answer), given in zip(
                await _all(world.acme.http, call, cases), lists, strict=True
            ):
                assert _unlike_a_refusal(answer, field) == ""
                problem = answer.json()
                for said in (problem["detail"], problem["errors"][0]["message"]):
                    assert known not in said
                    assert [each for each in given if each not in said and each != known] == []


@pytest.mark.parametrize("name", [each for each in WITH_ID if OPERATIONS[each].bodies])
async def test_links_are_refused_before_a_record_that_is_not_there(world: World, name: str) -> None:
    """400 comes before 404, whatever is wrong with the id in the path."""
    call = OPERATIONS[name]
    field = next(each for each in BODIES[call.bodies[0]] if each in LINKS)
    references = ["x", UNKNOWN, world.foreign[_resource(call)]["id"]]
    references += ["SIGNAL-999"] if _resource(call) == "signals" else []
    cases = [
        Case(field, json_of({field: [given]}), reference=reference)
        for reference, given in itertools.product(references, ("not-a-uuid", UNKNOWN))
    ]
    assert await _let_through(world.acme, call, cases) == []


# --- ids in paths -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_ID)
async def test_whatever_is_not_theirs_does_not_exist_for_a_caller(world: World, name: str) -> None:
    """Malformed, nil, of another kind, of another tenant: told apart from an unknown id by no word.

    The request is good otherwise.
    """
    call = OPERATIONS[name]
    resource = _resource(call)
    content = json_of(_good(call.bodies[0], world.mine)) if call.bodies else None
    foreign = world.foreign[resource]
    references = [
        *MALFORMED,
        NIL,
        str(uuid.uuid4()),
        foreign["id"],
        foreign["id"].upper(),
        *(world.mine[other]["id"] for other in RESOURCES if other != resource),
        # Only signals have public ids.
        foreign["publicId"] if resource == "signals" else world.mine["signals"]["publicId"],
    ]
    cases = [Case("", content, reference=each) for each in (UNKNOWN, *references)]
    async with world.unchanged():
        answers = await _all(world.acme.http, call, cases)
    found = {case.reference: _seen(answer, case.reference) for case, answer in answers}
    unknown = found[UNKNOWN]
    assert (unknown["status"], unknown["type"]) == (404, "urn:gateway:problem:not-found")
    assert {each: seen for each, seen in found.items() if seen != unknown} == {}


def _seen(answer: httpx.Response, reference: str) -> Json:
    """A problem but for what differs from request to request."""
    problem: Json = answer.json()
    assert answer.status_code == problem.get("status"), answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    assert problem.pop("requestId") == answer.headers["X-Request-Id"]
    shown = repr(unquote(reference)[:64])
    assert shown in problem["detail"]
    return problem | {"detail": problem["detail"].replace(shown, "it")}


# --- queries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_QUERY)
async def test_a_wrong_parameter_is_refused_by_its_name(world: World, name: str) -> None:
    """Alone, with good values of the others; and every parameter that is given twice."""
    call = OPERATIONS[name]
    parameters = QUERIES[call.query or ""]
    cases = []
    for each, (good, wrong) in parameters.items():
        others = [
            f"{other}={texts.good[0]}" for other, texts in parameters.items() if other != each
        ]
        queries = [f"{each}={text}" for text in wrong]
        queries.append("&".join([*others, f"{each}={wrong[-1]}"]))
        queries += [f"{each}={good[0]}&{each}={again}" for again in (good[0], good[-1])]
        if "" in wrong:
            queries.append(each)
        cases += [Case(each, query=query) for query in queries]
    async with world.unchanged():
        assert await _let_through(world.acme, call, cases) == []


@pytest.mark.parametrize("name", WITH_QUERY)
async def test_good_parameters_are_taken(world: World, name: str) -> None:
    """Bounds, every value of an enumeration, any text; one by one and all together."""
    call = OPERATIONS[name]
    parameters = QUERIES[call.query or ""]
    queries = [f"{each}={text}" for each, (good, _) in parameters.items() for text in good]
    queries.append("&".join(f"{each}={texts.good[0]}" for each, texts in parameters.items()))
    queries.append("&".join(f"{each}={texts.good[-1]}" for each, texts in parameters.items()))
    answers = await _all(world.acme.http, call, [Case("", query=query) for query in queries])
    assert [
        f"{case.query[:200]} -> {answer.status_code} {answer.text[:200]}"
        for case, answer in answers
        if answer.status_code != 200
    ] == []


@pytest.mark.parametrize("name", WITH_QUERY)
async def test_the_headers_say_which_bounds_are_in_force(world: World, name: str) -> None:
    for query, limit, offset in (
        ("limit=1", "1", "0"),
        ("limit=100", "100", "0"),
        ("limit=101", "100", "0"),
        (f"limit={10**30}&offset={2**31 - 1}", "100", str(2**31 - 1)),
    ):
        answer = await _send(world.acme.http, OPERATIONS[name], Case("", query=query))
        assert answer.status_code == 200
        assert (answer.headers["X-Limit"], answer.headers["X-Offset"]) == (limit, offset)


@pytest.mark.parametrize(
    "name", [each for each in WITH_QUERY if "q" in QUERIES[OPERATIONS[each].query or ""]]
)
async def test_any_number_of_minus_signs_is_a_search(world: World, name: str) -> None:
    texts = ("-" * 33, "-" * 400, "- " * 200, " -" * 33, "-" * 33 + "export", "\t-" * 200)
    cases = [Case("q", query=f"q={quote(text)}") for text in texts]
    answers = await _all(world.acme.http, OPERATIONS[name], cases)
    assert [answer.status_code for _, answer in answers] == [200] * len(texts)


# --- the order of refusals --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "listInsights",
        "getIdea",
        "createOpportunity",
        "updateInsight",
        "deleteIdea",
        "processSignal",
        "listInsightEvidence",
        "processTranscript",
        "createProduct",
    ],
)
async def test_key_then_scope_then_request_then_record(
    world: World, make_tenant: MakeTenant, stack: Stack, name: str
) -> None:
    """Each request has all the later faults, too."""
    call = OPERATIONS[name]
    operation = next(each for _, _, each in declared(DISCOVERY) if each.id == name)
    poor = await make_tenant(scopes=[each for each in SCOPES if each != operation.access])
    content = json_of({TEXT_OF[call.bodies[0]]: 5}) if call.bodies else None
    wrong = Case("", content, "limit=0" if call.query else "")
    async with world.unchanged(), httpx.AsyncClient(base_url=stack.base_url) as nobody:
        assert (await _send(nobody, call, wrong)).status_code == 401
        assert (await _send(poor.http, call, wrong)).status_code == 403
        status = (await _send(world.acme.http, call, wrong)).status_code
        assert status == (400 if call.bodies or call.query else 404)
        if call.bodies and "{id}" in call.path:
            right = Case("", json_of(_good(call.bodies[0], world.mine)))
            assert (await _send(world.acme.http, call, right)).status_code == 404


# --- extreme, and legal -----------------------------------------------------------------------

MEGABYTE = 1_000_000

# Nine megabytes of what the full text search may take for words.
LONG_TEXTS: dict[str, Callable[[], str]] = {
    "words": lambda: random.Random(7).randbytes(9 * MEGABYTE // 2).hex().replace("0", " "),
    "one word": lambda: "w" * MEGABYTE,
    "hyphens": lambda: "-" * 9 * MEGABYTE,
    "hyphenated": lambda: "ab-c" * (9 * MEGABYTE // 4),
    # Quadratic for the parser of the full text, if they were left as they are.
    "snakes": lambda: "snake_case_" * 20_000,
    "mentions": lambda: "a@1" * 20_000,
    "brackets": lambda: "\u2039!--" * 20_000,
    "address": lambda: "https://example.com/" + "a-b/c.d?e=f&" * (9 * MEGABYTE // 12),
}


def _compounds() -> str:
    """Each, and each of their parts, is a word of its own; all letters take four bytes."""
    return " ".join(
        f"{chr(n)}{chr(n + 1)}-{chr(n + 2)}{chr(n + 3)}" for n in range(0x20000, 0x2A000)
    )


@pytest.mark.parametrize("kind", LONG_TEXTS)
async def test_a_long_description_is_kept_whole(acme: Tenant, kind: str) -> None:
    text = LONG_TEXTS[kind]()
    for resource, name in (("insights", None), ("opportunities", kind), ("ideas", kind)):
        body = {"description": text} if name is None else {"name": name, "description": text}
        answer = await acme.http.post(f"{PREFIX}/{resource}", content=json.dumps(body).encode())
        assert answer.status_code == 201, answer.text[:500]
        assert answer.json()["description"] == text
        assert 0 < len(answer.json()["name"]) <= 80


async def test_the_longest_words_in_name_and_description_at_once(acme: Tenant) -> None:
    text = _compounds()
    for resource in ("insights", "opportunities", "ideas"):
        path = f"{PREFIX}/{resource}"
        made = await acme.http.post(path, json={"name": text, "description": text})
        assert made.status_code == 201, made.text[:500]
        path += f"/{made.json()['id']}"
        changed = await acme.http.patch(path, json={"name": "Short", "description": text[::-1]})
        assert changed.status_code == 200
        assert (await acme.http.get(path)).json()["description"] == text[::-1]


@pytest.mark.parametrize(
    "body", [body for _, body in WITH_BODY if "name" in BODIES[body] and "Update" not in body]
)
async def test_a_long_name_is_kept_whole(acme: Tenant, body: str) -> None:
    name = next(each for each, bodied in WITH_BODY if bodied == body)
    call = OPERATIONS[name]
    long = "Ünïcode " * (MEGABYTE // 8)
    content = json_of(_needed(body) | {"name": long})
    answer = await _send(acme.http, call, Case("", content))
    assert answer.status_code == 201, answer.text[:500]
    listed = (await acme.http.get(PREFIX + call.path)).json()
    assert [each["name"] for each in listed] == [long]


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("createSignal", "SignalRawCreate", "insightIds"),
        ("updateOpportunity", "OpportunityUpdate", "insightIds"),
        ("createIdea", "IdeaCreate", "opportunityIds"),
    ],
)
async def test_very_many_unknown_links_are_refused_shortly(
    world: World, name: str, body: str, field: str
) -> None:
    call = OPERATIONS[name]
    async with world.unchanged():
        for given in (
            [f"{UNKNOWN[:-6]}{number:06x}" for number in range(90_000)],
            [f"{UNKNOWN[:-6]}{number:06x}" for number in range(10_001)],
            [f"{UNKNOWN[:-6]}{number:06x}" for number in range(9_000)]
            + [f"no-{number}" for number in range(1_000)],
            ["x" * MEGABYTE, "y" * MEGABYTE],
        ):
            content = json_of(_good(body, world.mine) | {field: given})
            case = Case(field, content, reference=world.mine[_resource(call)]["id"])
            assert await _let_through(world.acme, call, [case]) == []


async def test_very_many_and_very_long_tags(acme: Tenant) -> None:
    insights = f"{PREFIX}/insights"
    many = [f"tag-{number}" for number in range(10_000)]
    long = ["\U0001f94a" * 255, "\U00010400" * 255, "a" * 255]
    for tags in (many, long):
        made = await acme.http.post(insights, json={"description": "x", "tagIds": tags})
        assert made.status_code == 201
        assert made.json()["tagIds"] == tags
        for tag in (tags[0], tags[-1]):
            found = (await acme.http.get(insights, params={"tagId": tag})).json()
            assert [each["id"] for each in found] == [made.json()["id"]]


async def test_a_long_external_id_is_found_by_nothing_less(acme: Tenant) -> None:
    signals = f"{PREFIX}/signals"
    long = "ext-Ä-" * (MEGABYTE // 6)
    for external_id in (long, long[:1000]):
        body = {"source": {"type": "crm"}, "externalId": external_id}
        found = await acme.http.get(signals, params={"externalId": long[:1000]})
        assert (found.status_code, found.json()) == (200, [])
        made = await acme.http.post(signals, json=body)
        assert made.status_code == 201
        assert made.json()["externalId"] == external_id
    found = await acme.http.get(signals, params={"externalId": long[:1000]})
    assert [each["externalId"] for each in found.json()] == [long[:1000]]
