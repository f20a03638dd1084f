"""Bad input to every operation of both APIs: refused in the documented form, by the name of what is
wrong, and without effect; and good values of every kind, accepted and read back as they were sent.

The values follow from the contracts in tests/contracts and from the tables of the two sites.
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
from tests.http.hostile.discovery import LINKS
from tests.http.hostile.engine import Call, Case, Home, Site, World
from tests.http.hostile.sites import CALLS, DISCOVERY, REVENUE, SITES, each
from tests.http.hostile.values import ANY_TEXT, NIL, UNKNOWN, coded, json_of, undecodable, wide
from tests.revenue.push_records import MINIMAL_FIELDS, create_source
from tests.stack import Stack, new_tenant

WITH_BODY = each(call for call in CALLS if call.model)
WITH_QUERY = each(call for call in CALLS if call.operation.query)
WITH_ID = each(call for call in CALLS if call.operation.parameter)
EACH_SITE = pytest.mark.parametrize("site", SITES, ids=["discovery", "revenue"])


# --- the tables are complete ------------------------------------------------------------------


def _declared(site: Site) -> list[tuple[str, str, Declared]]:
    """Method, path below the prefix and declaration of every route of every prefix."""
    return [
        (str(method), re.sub("_([a-z])", lambda found: found[1].upper(), path), declared)
        for prefix, router in zip(site.surface.prefixes, site.surface.routers(), strict=True)
        for route in router.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if (declared := handler.opt.get("operation")) is not None
        for method in handler.http_methods
        for path in [route.path_format.removeprefix(prefix)]
    ]


@EACH_SITE
def test_contract_has_every_operation_of_the_router(site: Site) -> None:
    declared = _declared(site)
    operations = site.contract.operations
    walked = sorted((found.id, method, path) for method, path, found in declared)
    expected = [(name, found.method, found.path) for name, found in operations.items()]
    assert walked == sorted(expected * len(site.surface.prefixes))
    for _, _, operation in declared:
        query = msgspec.structs.fields(operation.query) if operation.query else ()
        assert {field.encode_name: field.required for field in query} == {
            name: field.required for name, field in operations[operation.id].query.items()
        }


@EACH_SITE
def test_contract_has_every_field_of_every_body(site: Site) -> None:
    for _, _, declared in _declared(site):
        request = declared.request
        union = get_args(request) if isinstance(request, UnionType) else (request,)
        structs: list[Any] = [struct for struct in union if struct]
        names = tuple(struct.__name__ for struct in structs)
        assert names == site.contract.operations[declared.id].bodies
        for struct in structs:
            _, components = msgspec.json.schema_components([struct])
            for model, described in components.items():
                fields = site.contract.models[model]
                assert set(described["properties"]) == set(fields)
                required = {name for name, field in fields.items() if field.required}
                assert set(described["required"]) == required


@each(CALLS)
def test_no_entry_of_the_tables_is_empty(call: Call) -> None:
    for name in call.site.contract.models.get(call.model, ()):
        assert any(call.site.values.wrong(call.model, name))
    assert not call.model or call.site.text_fields[call.model] in call.site.good(call.model)
    assert all(texts.good and texts.wrong for texts in call.parameters().values())


# --- bodies -----------------------------------------------------------------------------------


@WITH_BODY
async def test_wrong_or_missing_value_is_refused_by_its_field(world: World, call: Call) -> None:
    """Each comes with good values for all other fields."""
    site, model, home = call.site, call.model, world.mine
    good = site.good(model)
    cases = []
    for name, field in site.contract.models[model].items():
        for path, value in site.values.wrong(model, name):
            cases.append(call.case(home, path, home.body(site.wrong_body(model, name, value))))
        if field.required:
            named = "" if f"{model}.{name}" in site.shapes else name
            rest = {each: value for each, value in good.items() if each != name}
            cases.append(call.case(home, named, home.body(rest)))
    async with world.unchanged():
        assert await call.let_through(home, cases) == []


@EACH_SITE
async def test_wrong_body_as_a_whole_is_refused_without_a_field(world: World, site: Site) -> None:
    async with world.unchanged():
        for name, body in site.wrong_bodies():
            call = Call(site, site.contract.operations[name], "")
            case = call.case(world.mine, "", world.mine.body(body))
            assert await call.let_through(world.mine, [case]) == []


@WITH_BODY
async def test_undecodable_body_is_refused(world: World, call: Call) -> None:
    """All bodies are decoded by the same code: each operation gets a third of these."""
    good = call.good(world.mine)
    assert good
    contents = list(undecodable(good, call.site.text_fields[call.model]))
    cases = [call.case(world.mine, "", content) for content in contents[CALLS.index(call) % 3 :: 3]]
    async with world.unchanged():
        assert await call.let_through(world.mine, cases) == []


@WITH_BODY
async def test_good_values_are_accepted_and_read_back(world: World, call: Call) -> None:
    """Bounds, nulls, every value of an enumeration, any text, and a hundred levels of JSON."""
    bodies = list(call.site.good_bodies(call.model))
    deep: object = []
    for _ in range(98):
        deep = [deep]
    least = call.site.complete(call.model, call.site.values.least(call.model))
    bodies.append(least | {"unknown": deep})
    assert await call.site.differences(call, world.own, bodies) == []


# --- ids in paths -----------------------------------------------------------------------------


@WITH_ID
async def test_record_of_others_is_as_one_that_does_not_exist(world: World, call: Call) -> None:
    """Malformed, nil, of another kind or of another tenant: refused in the words for unknown ids.

    The request is good otherwise. The revenue record refuses malformed UUIDs by name.
    """
    home, kind = world.mine, call.operation.collection
    content = call.good(home)
    own = {home.ids[kind], *([home.ids["public-id"]] if kind == "signals" else [])}
    foreign = world.foreign.ids
    others = {*home.ids.values(), NIL, UNKNOWN.upper(), foreign[kind], foreign[kind].upper()}
    others.add(foreign["public-id"])
    unknown, malformed = call.site.wrong_ids(call.operation, others - own)
    cases = [Case("", content, reference=each) for each in (UNKNOWN, *unknown)]
    async with world.unchanged():
        said = []
        for case, answer in zip(cases, await call.send(home, cases), strict=True):
            assert call.refuses(answer, 404, "not_found"), (case, answer)
            sentence = str(call.site.refusal(answer, "not_found", None))
            # The router puts a slash before an id that is only a control character.
            shown = "'/?" + re.escape(repr(unquote(case.reference)[:64])[1:])
            words = re.sub(shown, "ID", sentence, flags=re.IGNORECASE)
            said.append((sorted(answer.headers), words))
        assert [each for each in said if each != said[0]] == []
        field = call.operation.parameter or ""
        cases = [Case(field, content, reference=each) for each in malformed]
        assert await call.let_through(home, cases) == []


# --- queries ----------------------------------------------------------------------------------


@WITH_QUERY
async def test_wrong_parameter_is_refused_by_its_name(world: World, call: Call) -> None:
    """With good values of the required ones, and of all; and every one that is given twice."""
    home, texts = world.mine, call.parameters()
    content = call.good(home)
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
        cases += [Case(name, content, home.fill("&".join(query))) for query in queries]
    async with world.unchanged():
        assert await call.let_through(home, cases) == []


@each(call for call in CALLS if call.operation.query and call.operation.method == "GET")
async def test_good_parameters_are_accepted(world: World, call: Call) -> None:
    """Bounds, every value of an enumeration, any text; one of each parameter at a time."""
    columns = {name: list(each.good) for name, each in call.parameters().items()}
    queries = [
        "&".join(f"{name}={texts[at]}" for name, texts in columns.items() if at < len(texts))
        for at in range(max(map(len, columns.values())))
    ]
    queries += ["&".join(f"{name}={texts[-1]}" for name, texts in columns.items())]
    queries += ["unknown=1&unknown=2&Limit=0"]
    cases = [Case("", query=world.own.fill(query)) for query in queries]
    answers = await call.send(world.own, cases)
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
    if call.site is DISCOVERY and call.model and name in call.site.good(call.model)
]


@pytest.mark.parametrize(
    ("call", "name"), LINKING, ids=[f"{call.model}-{name}" for call, name in LINKING]
)
async def test_links_to_records_of_nobody_are_refused_by_their_ids(
    world: World, call: Call, name: str
) -> None:
    """Malformed, unknown, foreign and of another kind; good ids of the same list are not named.

    They are refused before a record that does not exist: 400 comes before 404.
    """
    home, kind, good = world.mine, LINKS[name], DISCOVERY.good(call.model)
    known = home.ids[kind]
    wrong = ["not-a-uuid", NIL, UNKNOWN, UNKNOWN.replace("-", ""), world.foreign.ids[kind]]
    wrong += [
        home.ids[other] for other in (*LINKS.values(), "signals", "products") if other != kind
    ]
    lists = [[each] for each in wrong] + [[known, each] for each in wrong]
    lists.append([*wrong[:3], known, *wrong[3:]])
    cases = [call.case(home, name, home.body(good | {name: given})) for given in lists]
    foreign = world.foreign.ids.get(call.operation.collection, UNKNOWN)
    missing = [
        Case(name, json_of({name: [given]}), reference=reference)
        for reference in ("x", UNKNOWN, foreign, "SIGNAL-999")
        for given in ("not-a-uuid", UNKNOWN)
        if call.operation.method == "PATCH"
    ]
    async with world.unchanged():
        assert await call.let_through(home, cases + missing) == []
        for answer, given in zip(await call.send(home, cases), lists, strict=True):
            problem = answer.json()
            for said in (problem["detail"], problem["errors"][0]["message"]):
                assert known not in said
                assert [each for each in given if each not in said and each != known] == []


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("SignalRawCreate", "insightIds"),
        ("OpportunityUpdate", "insightIds"),
        ("IdeaCreate", "opportunityIds"),
    ],
)
async def test_very_many_unknown_links_are_refused_shortly(
    world: World, model: str, name: str
) -> None:
    (call,) = [each for each in CALLS if each.model == model]
    unknown = [f"{UNKNOWN[:-6]}{number:06x}" for number in range(90_000)]
    malformed = [f"no-{number}" for number in range(1_000)]
    home, good = world.mine, DISCOVERY.good(model)
    lists = (unknown, unknown[:10_001], unknown[:9_000] + malformed, ["x" * 10**6, "y" * 10**6])
    cases = [call.case(home, name, home.body(good | {name: given})) for given in lists]
    async with world.unchanged():
        assert await call.let_through(home, cases) == []


# --- discovery: pages -------------------------------------------------------------------------


@each(call for call in CALLS if "offset" in call.operation.query)
async def test_headers_state_which_bounds_are_in_force(world: World, call: Call) -> None:
    expected = {
        "limit=1": ("1", "0"),
        "limit=100": ("100", "0"),
        "limit=101": ("100", "0"),
        f"limit={10**30}&offset={2**31 - 1}": ("100", str(2**31 - 1)),
    }
    answers = await call.send(world.mine, [Case("", query=query) for query in expected])
    found = [(each.headers["x-limit"], each.headers["x-offset"]) for each in answers]
    assert found == list(expected.values())


# --- revenue record ---------------------------------------------------------------------------


@each(call for call in CALLS if call.site is REVENUE and call.required)
async def test_address_of_no_record_is_404(world: World, call: Call) -> None:
    """By the id in the source system, which is case-sensitive and exact."""
    home = world.mine
    ids = ["R-2", "r-1", *coded(*ANY_TEXT, "R-1 ", "R-1\n", wide(512)), home.ids["rows"]]
    source = home.ids["sources"]
    cases = [Case("", call.good(home), f"remoteId={each}&sourceId={source}") for each in ids]
    async with world.unchanged():
        for case, answer in zip(cases, await call.send(home, cases), strict=True):
            assert call.refuses(answer, 404, "not_found"), (case, answer)


@pytest.fixture(scope="module")
async def cursors(stack: Stack, database: Database) -> AsyncIterator[tuple[Home, dict[str, str]]]:
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
        home = Home(owner, stack.port, {})
        found = {}
        for call in PAGED:
            (page,) = await call.send(home, [Case("", query="limit=1")])
            found[call.operation.name] = page.json()["pagination"]["nextCursor"]
        yield home, found


PAGED = [call for call in CALLS if "cursor" in call.operation.query]


@each(PAGED)
async def test_cursor_is_accepted_only_by_the_list_that_gave_it(
    cursors: tuple[Home, dict[str, str]], call: Call
) -> None:
    """Refused: cursors of other lists, with a letter changed, cut, or with something behind."""
    home, found = cursors
    cursor = found[call.operation.name]
    (followed,) = await call.send(home, [Case("", query=f"cursor={cursor}")])
    assert followed.status == 200
    wrong = {cursor[:-1], cursor[1:], cursor + "A", cursor + "%20", cursor + "%00", cursor * 2}
    wrong |= {
        cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        for at in range(0, len(cursor) - 1, 5)
    }
    wrong |= set(found.values()) - {cursor}
    cases = [Case("cursor", query=f"cursor={each}") for each in wrong]
    assert await call.let_through(home, cases) == []


async def test_field_that_is_given_twice_is_refused_as_a_whole_or_counts_once(
    world: World,
) -> None:
    """It cannot be known which of two is wrong, only that one is."""
    (call,) = [each for each in CALLS if each.model == "UpdateRowRequest"]
    start = b'{"fields": {"title": 5}, "fields": '
    cases = [
        call.case(world.mine, "fields", start + rest + b"}") for rest in (b"5", b"null", b"{}")
    ]
    cases.append(call.case(world.mine, "fields.title", start + b'{"title": 6}}'))
    twice = b'{"fields": {"notes": 5, "notes": null}}'
    cases.append(call.case(world.mine, "fields", twice))
    async with world.unchanged():
        assert await call.let_through(world.mine, cases) == []
