"""Bad and good input to every operation of both APIs.

Bad input gets the documented error with the name of the field, and changes nothing. Good values of
every kind are accepted and read back as sent.

The values are derived from the contracts in tests/contracts and the tables of the two APIs.
"""

import re
from collections.abc import AsyncIterator
from types import UnionType
from typing import Any, get_args
from urllib.parse import unquote
from uuid import UUID

import msgspec
import pytest
from litestar.routes import HTTPRoute

from domains.kernel.db.database import Database
from gateway.operations import Operation as Declared
from tests.http.hostile.apis import APIS, CALLS, DISCOVERY, REVENUE, for_each
from tests.http.hostile.discovery import LINKS
from tests.http.hostile.harness import Api, Call, Caller, Case, Tenants
from tests.http.hostile.values import (
    ANY_TEXT,
    NIL,
    UNKNOWN,
    four_byte_text,
    percent_encoded,
    to_json,
    undecodable_bodies,
)
from tests.revenue.push_records import MINIMAL_FIELDS, create_source
from tests.stack import Stack, new_tenant

WITH_BODY = for_each(call for call in CALLS if call.model)
WITH_QUERY = for_each(call for call in CALLS if call.operation.query)
WITH_ID = for_each(call for call in CALLS if call.operation.parameter)
EACH_API = pytest.mark.parametrize("api", APIS, ids=["discovery", "revenue"])


# --- the tables are complete ------------------------------------------------------------------


def _declared(api: Api) -> list[tuple[str, str, Declared]]:
    """Method, path below the prefix, and declared operation of every route. Without HEAD."""
    return [
        (str(method), re.sub("_([a-z])", lambda found: found[1].upper(), path), declared)
        for prefix, router in zip(api.surface.prefixes, api.surface.routers(), strict=True)
        for route in router.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if (declared := handler.opt.get("operation")) is not None
        for method in handler.http_methods
        if method != "HEAD"
        for path in [route.path_format.removeprefix(prefix)]
    ]


@EACH_API
def test_contract_has_every_operation_of_the_router(api: Api) -> None:
    declared = _declared(api)
    operations = api.contract.operations
    routed = sorted((found.id, method, path) for method, path, found in declared)
    expected = [(name, found.method, found.path) for name, found in operations.items()]
    assert routed == sorted(expected * len(api.surface.prefixes))
    for _, _, operation in declared:
        query = msgspec.structs.fields(operation.query) if operation.query else ()
        assert {field.encode_name: field.required for field in query} == {
            name: field.required for name, field in operations[operation.id].query.items()
        }


@EACH_API
def test_contract_has_every_field_of_every_body(api: Api) -> None:
    for _, _, declared in _declared(api):
        request = declared.request
        union = get_args(request) if isinstance(request, UnionType) else (request,)
        structs: list[Any] = [struct for struct in union if struct]
        names = tuple(struct.__name__ for struct in structs)
        assert names == api.contract.operations[declared.id].bodies
        for struct in structs:
            _, components = msgspec.json.schema_components([struct])
            for model, described in components.items():
                fields = api.contract.models[model]
                assert set(described["properties"]) == set(fields)
                required = {name for name, field in fields.items() if field.required}
                assert set(described["required"]) == required


@for_each(CALLS)
def test_no_entry_of_the_tables_is_empty(call: Call) -> None:
    for name in call.api.contract.models.get(call.model, ()):
        assert any(call.api.values.wrong(call.model, name))
    assert not call.model or call.api.text_fields[call.model] in call.api.good(call.model)
    assert all(texts.good and texts.wrong for texts in call.parameters().values())


# --- bodies -----------------------------------------------------------------------------------


@WITH_BODY
async def test_error_of_a_wrong_or_missing_value_names_the_field(
    tenants: Tenants, call: Call
) -> None:
    """All other fields have good values."""
    api, model, caller = call.api, call.model, tenants.caller
    good = api.good(model)
    cases = []
    for name, field in api.contract.models[model].items():
        for path, value in api.values.wrong(model, name):
            cases.append(call.case(caller, path, caller.body(api.wrong_body(model, name, value))))
        if field.required:
            named = "" if f"{model}.{name}" in api.shape_fields else name
            rest = {each: value for each, value in good.items() if each != name}
            cases.append(call.case(caller, named, caller.body(rest)))
    async with tenants.unchanged():
        assert await call.not_refused(caller, cases) == []


@EACH_API
async def test_error_that_is_not_in_a_single_field_names_no_field(
    tenants: Tenants, api: Api
) -> None:
    async with tenants.unchanged():
        for name, body in api.wrong_bodies():
            call = Call(api, api.contract.operations[name], "")
            case = call.case(tenants.caller, "", tenants.caller.body(body))
            assert await call.not_refused(tenants.caller, [case]) == []


@WITH_BODY
async def test_undecodable_body_is_refused(tenants: Tenants, call: Call) -> None:
    good = call.good(tenants.caller)
    assert good
    contents = undecodable_bodies(good, call.api.text_fields[call.model])
    cases = [call.case(tenants.caller, "", content) for content in contents]
    async with tenants.unchanged():
        assert await call.not_refused(tenants.caller, cases) == []


@WITH_BODY
async def test_good_values_are_accepted_and_read_back(tenants: Tenants, call: Call) -> None:
    """Bounds, nulls, every value of an enumeration, unusual texts, and 100 levels of JSON."""
    bodies = list(call.api.good_bodies(call.model))
    deep: object = []
    for _ in range(98):
        deep = [deep]
    minimal = call.api.make_valid(call.model, call.api.values.minimal(call.model))
    bodies.append(minimal | {"unknown": deep})
    assert await call.api.differences(call, tenants.writer, bodies) == []


# --- ids in paths -----------------------------------------------------------------------------


@WITH_ID
async def test_ids_of_other_tenants_get_the_same_404_as_unknown_ids(
    tenants: Tenants, call: Call
) -> None:
    """Ids of other kinds of record and malformed ids also get a 404, except malformed UUIDs.

    The revenue record answers a malformed UUID with a 400 that names the parameter.
    """
    caller, kind = tenants.caller, call.operation.collection
    content = call.good(caller)
    further = {"signals": "public-id", "insights": "original"}.get(kind, kind)
    own = {caller.ids[kind], caller.ids[further]}
    foreign = tenants.other.ids
    others = {*caller.ids.values(), NIL, UNKNOWN.upper(), foreign[kind], foreign[kind].upper()}
    others.add(foreign["public-id"])
    unknown, malformed = call.api.wrong_ids(call.operation, others - own)
    cases = [Case("", content, path_id=each) for each in (UNKNOWN, *unknown)]
    async with tenants.unchanged():
        responses = []
        for case, answer in zip(cases, await call.send(caller, cases), strict=True):
            assert call.refuses(answer, 404, "not_found"), (case, answer)
            sentence = str(call.api.refusal(answer, "not_found", None))
            # The router adds a slash before an id that consists of a control character.
            quoted_id = "'/?" + re.escape(repr(unquote(case.path_id)[:64])[1:])
            words = re.sub(quoted_id, "ID", sentence, flags=re.IGNORECASE)
            responses.append((sorted(answer.headers), words))
        assert [each for each in responses if each != responses[0]] == []
        field = call.operation.parameter or ""
        cases = [Case(field, content, path_id=each) for each in malformed]
        assert await call.not_refused(caller, cases) == []


# --- queries ----------------------------------------------------------------------------------


@WITH_QUERY
async def test_error_of_a_wrong_or_repeated_parameter_names_it(
    tenants: Tenants, call: Call
) -> None:
    """The other parameters have good values: only the required ones, or all of them."""
    caller, texts = tenants.caller, call.parameters()
    content = call.good(caller)
    cases = []
    for name, (good, wrong) in texts.items():
        others = {
            other: f"{other}={each.good[0]}" for other, each in texts.items() if other != name
        }
        needed = [others[each] for each in others if call.operation.query[each].required]
        queries = [[*needed, f"{name}={text}"] for text in wrong]
        queries.append([*others.values(), f"{name}={wrong[-1]}"])
        queries += [
            [*needed, f"{name}={good[0]}", f"{name}={text}"] for text in (good[0], good[-1])
        ]
        queries += [needed] if call.operation.query[name].required else []
        queries += [[*needed, name]] if "" in wrong else []
        cases += [Case(name, content, caller.fill("&".join(query))) for query in queries]
    async with tenants.unchanged():
        assert await call.not_refused(caller, cases) == []


@for_each(call for call in CALLS if call.operation.query and call.operation.method == "GET")
async def test_good_parameters_are_accepted(tenants: Tenants, call: Call) -> None:
    """Bounds, every value of an enumeration, unusual texts. Each request has all parameters."""
    columns = {name: list(each.good) for name, each in call.parameters().items()}
    queries = [
        "&".join(f"{name}={texts[at]}" for name, texts in columns.items() if at < len(texts))
        for at in range(max(map(len, columns.values())))
    ]
    queries += ["&".join(f"{name}={texts[-1]}" for name, texts in columns.items())]
    queries += ["unknown=1&unknown=2&Limit=0"]
    cases = [Case("", query=tenants.writer.fill(query)) for query in queries]
    answers = await call.send(tenants.writer, cases)
    assert [
        f"{case.query[:200]} -> {answer}"
        for case, answer in zip(cases, answers, strict=True)
        if answer.status != 200
    ] == []


# --- discovery: links -------------------------------------------------------------------------

LINKING = [
    (call, name)
    for call in CALLS
    for name in LINKS
    if call.api is DISCOVERY and call.model and name in call.api.good(call.model)
]


@pytest.mark.parametrize(
    ("call", "name"), LINKING, ids=[f"{call.model}-{name}" for call, name in LINKING]
)
async def test_error_of_unknown_links_names_their_ids(
    tenants: Tenants, call: Call, name: str
) -> None:
    """Unknown ids are malformed, or belong to no record, another tenant or another kind.

    The error does not name valid ids of the list. The 400 precedes the 404 of a missing record.
    """
    caller, kind, good = tenants.caller, LINKS[name], DISCOVERY.good(call.model)
    known = caller.ids[kind]
    wrong = ["not-a-uuid", NIL, UNKNOWN, UNKNOWN.replace("-", ""), tenants.other.ids[kind]]
    wrong += [
        caller.ids[other] for other in (*LINKS.values(), "signals", "products") if other != kind
    ]
    lists = [[each] for each in wrong] + [[known, each] for each in wrong]
    lists.append([*wrong[:3], known, *wrong[3:]])
    cases = [call.case(caller, name, caller.body(good | {name: given})) for given in lists]
    foreign = tenants.other.ids.get(call.operation.collection, UNKNOWN)
    missing = [
        Case(name, to_json({name: [given]}), path_id=path_id)
        for path_id in ("x", UNKNOWN, foreign, "SIGNAL-999")
        for given in ("not-a-uuid", UNKNOWN)
        if call.operation.method == "PATCH"
    ]
    async with tenants.unchanged():
        assert await call.not_refused(caller, cases + missing) == []
        wordings = set()
        for answer, given in zip(await call.send(caller, cases), lists, strict=True):
            problem = answer.json()
            for message in (problem["detail"], problem["errors"][0]["message"]):
                assert known not in message
                assert [each for each in given if each not in message and each != known] == []
            if len(given) == 1:
                wordings.add(problem["detail"].replace(given[0], "ID"))
        assert len(wordings) == 1


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("SignalRawCreate", "insightIds"),
        ("OpportunityUpdate", "insightIds"),
        ("IdeaCreate", "opportunityIds"),
    ],
)
async def test_error_of_very_many_unknown_links_is_short(
    tenants: Tenants, model: str, name: str
) -> None:
    (call,) = [each for each in CALLS if each.model == model]
    unknown = [f"{UNKNOWN[:-6]}{number:06x}" for number in range(90_000)]
    malformed = [f"no-{number}" for number in range(1_000)]
    caller, good = tenants.caller, DISCOVERY.good(model)
    lists = (unknown, unknown[:10_001], unknown[:9_000] + malformed, ["x" * 10**6, "y" * 10**6])
    cases = [call.case(caller, name, caller.body(good | {name: given})) for given in lists]
    async with tenants.unchanged():
        assert await call.not_refused(caller, cases) == []


# --- discovery: pages -------------------------------------------------------------------------


@for_each(call for call in CALLS if "offset" in call.operation.query)
async def test_headers_have_the_effective_limit_and_offset(tenants: Tenants, call: Call) -> None:
    expected = {
        "limit=1": ("1", "0"),
        "limit=100": ("100", "0"),
        "limit=101": ("100", "0"),
        f"limit={10**30}&offset={2**31 - 1}": ("100", str(2**31 - 1)),
    }
    answers = await call.send(tenants.caller, [Case("", query=query) for query in expected])
    found = [(each.headers["x-limit"], each.headers["x-offset"]) for each in answers]
    assert found == list(expected.values())


# --- revenue record ---------------------------------------------------------------------------


@for_each(call for call in CALLS if call.api is REVENUE and call.required)
async def test_unknown_remote_id_is_404(tenants: Tenants, call: Call) -> None:
    """Remote ids are compared exactly, including case and spaces."""
    caller = tenants.caller
    ids = [
        "R-2",
        "r-1",
        *percent_encoded(*ANY_TEXT, "R-1 ", "R-1\n", four_byte_text(512)),
        caller.ids["rows"],
    ]
    source = caller.ids["sources"]
    cases = [Case("", call.good(caller), f"remoteId={each}&sourceId={source}") for each in ids]
    async with tenants.unchanged():
        for case, answer in zip(cases, await call.send(caller, cases), strict=True):
            assert call.refuses(answer, 404, "not_found"), (case, answer)


@pytest.fixture(scope="module")
async def cursors(stack: Stack, database: Database) -> AsyncIterator[tuple[Caller, dict[str, str]]]:
    """A tenant with two records of each kind, and the cursor to the second page of each list."""
    async with new_tenant(stack, database=database) as owner:
        source = await create_source(owner)
        for kind in MINIMAL_FIELDS:
            for remote in ("R-1", "R-2"):
                await source.push(kind, remote)
        async with database.connection() as connection:
            for kind in ("deals", "accounts"):
                await connection.execute(
                    f"insert into {kind} (workspace_id, id) values ($1, 'x'), ($1, 'y')",
                    UUID(owner.workspace),
                )
        caller = Caller(owner, stack.port, {})
        found = {}
        for call in PAGED:
            (page,) = await call.send(caller, [Case("", query="limit=1")])
            found[call.operation.name] = page.json()["pagination"]["nextCursor"]
        yield caller, found


PAGED = [call for call in CALLS if "cursor" in call.operation.query]


@for_each(PAGED)
async def test_cursor_is_valid_only_unchanged_and_for_its_own_list_and_tenant(
    tenants: Tenants, cursors: tuple[Caller, dict[str, str]], call: Call
) -> None:
    caller, found = cursors
    cursor = found[call.operation.name]
    (followed,) = await call.send(caller, [Case("", query=f"cursor={cursor}")])
    assert followed.status == 200
    wrong = {cursor[:-1], cursor[1:], cursor + "A", cursor + "%20", cursor + "%00", cursor * 2}
    wrong |= {
        cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        for at in range(0, len(cursor) - 1, 5)
    }
    wrong |= set(found.values()) - {cursor}
    cases = [Case("cursor", query=f"cursor={each}") for each in wrong]
    assert await call.not_refused(caller, cases) == []
    cases = [Case("cursor", query=f"cursor={text}") for text in (cursor, "nonsense")]
    assert await call.not_refused(tenants.caller, cases) == []
    of_other_tenant, nonsense = await call.send(tenants.caller, cases)
    assert of_other_tenant.content == nonsense.content


async def test_wrong_value_under_a_repeated_json_key_is_refused(
    tenants: Tenants,
) -> None:
    """The error names `fields`, or the wrong key if the last value of `fields` has it, too."""
    (call,) = [each for each in CALLS if each.model == "UpdateRowRequest"]
    start = b'{"fields": {"title": 5}, "fields": '
    cases = [
        call.case(tenants.caller, "fields", start + rest + b"}") for rest in (b"5", b"null", b"{}")
    ]
    cases.append(call.case(tenants.caller, "fields.title", start + b'{"title": 6}}'))
    twice = b'{"fields": {"notes": 5, "notes": null}}'
    cases.append(call.case(tenants.caller, "fields", twice))
    async with tenants.unchanged():
        assert await call.not_refused(tenants.caller, cases) == []
