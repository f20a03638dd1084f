"""Bad input to every operation of both APIs: refused in the documented form, by the name of what is
wrong, and without effect; and good values of every kind, accepted and read back as they were sent.

The values follow from the contracts in tests/contracts and from the tables of the two sites.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

import msgspec
import pytest
from litestar.routes import HTTPRoute

from gateway.surface import Operation as Declared
from tests.http.hostile.discovery import Discovery
from tests.http.hostile.engine import Call, Case, Site, World
from tests.http.hostile.revenue import Revenue
from tests.http.hostile.values import NIL, UNKNOWN, undecodable

SITES: tuple[Site, ...] = (Discovery(), Revenue())
# Every operation with every one of its bodies.
CALLS = [
    Call(site, operation, model)
    for site in SITES
    for operation in site.contract.operations.values()
    for model in operation.bodies or ("",)
]


def _each(calls: Iterable[Call]) -> pytest.MarkDecorator:
    """Run a test for each of the calls."""
    return pytest.mark.parametrize(
        "call", [pytest.param(each, id=f"{each.operation.name}-{each.model}") for each in calls]
    )


WITH_BODY = _each(call for call in CALLS if call.model)
WITH_QUERY = _each(call for call in CALLS if call.operation.query)
WITH_ID = _each(call for call in CALLS if call.operation.parameter)
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
    walked = sorted((each.id, method, path) for method, path, each in declared)
    expected = [(name, each.method, each.path) for name, each in operations.items()]
    assert walked == sorted(expected * len(site.surface.prefixes))
    for _, _, each in declared:
        query = {} if each.query is None else msgspec.structs.fields(each.query)
        assert {field.encode_name: field.required for field in query} == {
            name: field.required for name, field in operations[each.id].query.items()
        }


@EACH_SITE
def test_contract_has_every_field_of_every_body(site: Site) -> None:
    for _, _, each in _declared(site):
        operation = site.contract.operations[each.id]
        structs = [] if each.request is None else [each.request]
        (schema, *_), components = (
            msgspec.json.schema_components(structs) if structs else ([{}], {})
        )
        bodies = [one["$ref"].rpartition("/")[2] for one in schema.get("anyOf", [schema]) if one]
        assert set(bodies) == set(operation.bodies)
        for model, described in components.items():
            fields = site.contract.models[model]
            assert set(described["properties"]) == set(fields)
            required = {name for name, field in fields.items() if field.required}
            assert set(described["required"]) == required


@_each(CALLS)
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
    bodies.append(bodies[-1] | {"unknown": deep})
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
            shown = repr(unquote(case.reference)[:64])
            said.append((sorted(answer.headers), sentence.replace(shown, "ID")))
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


@_each(call for call in CALLS if call.operation.query and call.operation.method == "GET")
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
