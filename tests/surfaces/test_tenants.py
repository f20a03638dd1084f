"""Two tenants: what belongs to one is to the other as if it did not exist, in every operation."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from gateway.discovery.surface import DISCOVERY
from tests.stack import Tenant

PREFIX = "/external/v1"
HANDLERS: dict[str, HTTPRouteHandler] = {
    handler.opt["operation"].id: handler for handler in DISCOVERY.handlers
}

# What the other tenant sends; `{signal}` and the like stand for ids that are not theirs.
BODIES: dict[str, dict[str, Any]] = {
    "updateSignal": {"context": "mine now", "insightIds": []},
    "processSignal": {},
    "updateInsight": {"name": "mine now", "opportunityIds": [], "ideaIds": []},
    "updateOpportunity": {"name": "mine now", "insightIds": [], "ideaIds": []},
    "updateIdea": {"name": "mine now", "insightIds": [], "opportunityIds": []},
}
# Operations without an id in the path, and the ids of others that they can be given.
LISTS: dict[str, list[str]] = {
    "listSignals": ["externalId=A-1"],
    "listInsights": [
        *("signalId={signal}", "signalId=SIGNAL-1", "productId={product}"),
        *("accountId={account}", "tagId=a-tag", "q=export"),
    ],
    "listOpportunities": ["productId={product}", "q=export"],
    "listIdeas": ["productId={product}", "q=export"],
    "listProducts": [],
}
LINKING: dict[str, tuple[dict[str, Any], list[str]]] = {
    "createSignal": ({"source": {"type": "x"}}, ["insight"]),
    "createInsight": ({"description": "d"}, ["opportunity", "idea"]),
    "createOpportunity": ({"name": "n", "description": "d"}, ["insight", "idea"]),
    "createIdea": ({"name": "n", "description": "d"}, ["insight", "opportunity"]),
}
# Names no record: what it is given it reads or makes in the caller's own workspace.
ALONE = {"createProduct", "processTranscript", "getAuthContext"}


def _addressed(handler: HTTPRouteHandler) -> bool:
    return "{id" in min(handler.paths)


def _method(handler: HTTPRouteHandler) -> str:
    return str(min(handler.http_methods))


@pytest.fixture
async def ids(acme: Tenant) -> dict[str, str]:
    """One record of each kind, all linked and with evidence."""
    account = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002"
    product = (await acme.create("products", name="Atlas"))["id"]
    text = "The Atlas export fails every day."
    signal = await acme.create_signal(text, accountId=account, productIds=[product])
    signal = await acme.wait_until_processed(signal["id"])
    await acme.patch(f"signals/{signal['id']}", externalId="A-1")
    (insight,) = signal["insightIds"]
    await acme.patch(f"insights/{insight}", tagIds=["a-tag"])
    fields = {"name": "export", "description": "d", "productId": product, "insightIds": [insight]}
    opportunity = (await acme.create("opportunities", **fields))["id"]
    idea = (await acme.create("ideas", **fields, opportunityIds=[opportunity]))["id"]
    return {
        "signal": signal["id"],
        "insight": insight,
        "opportunity": opportunity,
        "idea": idea,
        "product": product,
        "account": account,
    }


async def _everything(tenant: Tenant, ids: dict[str, str]) -> Any:
    lists = ("signals", "insights", "opportunities", "ideas", "products")
    seen = [await tenant.get(resource) for resource in lists]
    return [*seen, await tenant.get(f"insights/{ids['insight']}/evidence")]


def _said(answer: httpx.Response, named: str) -> Any:
    """The whole of a refusal but for the id that it names."""
    body = answer.json()
    assert body.pop("requestId") == answer.headers["X-Request-Id"]
    headers = {name for name in answer.headers if name not in ("content-length", "date")}
    return answer.status_code, headers, str(body).replace(named, "ID")


def test_every_operation_is_in_the_matrix() -> None:
    addressed = {name for name, handler in HANDLERS.items() if _addressed(handler)}
    alone = set(HANDLERS) - addressed
    assert alone == set(LISTS) | set(LINKING) | ALONE
    assert set(BODIES) == {
        name for name in addressed if _method(HANDLERS[name]) in ("POST", "PATCH")
    }


async def test_no_address_reaches_another_tenant_s_record(
    acme: Tenant, rival: Tenant, ids: dict[str, str]
) -> None:
    before = await _everything(acme, ids)
    tried = 0
    for name, handler in HANDLERS.items():
        if not _addressed(handler):
            continue
        path = min(handler.paths)
        noun = {"opportunities": "opportunity"}.get(
            path.split("/")[1], path.split("/")[1].removesuffix("s")
        )
        pairs = [(ids[noun], str(uuid4()))] + [("SIGNAL-1", "SIGNAL-7")] * (noun == "signal")
        for theirs, nobody_s in pairs:
            said = []
            for named in (theirs, nobody_s):
                url = PREFIX + re.sub(r"\{id:str\}", named, path)
                answer = await rival.http.request(_method(handler), url, json=BODIES.get(name))
                assert answer.status_code == 404, (name, answer.text)
                said.append(_said(answer, named))
            assert said[0] == said[1], name
            tried += 1
    assert tried > 15
    assert await _everything(acme, ids) == before


async def test_no_list_shows_another_tenant_s_records(rival: Tenant, ids: dict[str, str]) -> None:
    for name, filters in LISTS.items():
        path = PREFIX + min(HANDLERS[name].paths)
        for query in ["", *filters]:
            answer = await rival.http.get(f"{path}?{query.format(**ids)}")
            assert (answer.status_code, answer.json()) == (200, []), (name, query)
            assert answer.headers["X-Total-Count"] == "0"


async def test_no_create_links_to_another_tenant_s_record(
    acme: Tenant, rival: Tenant, ids: dict[str, str]
) -> None:
    before = await _everything(acme, ids)
    for name, (body, nouns) in LINKING.items():
        path = PREFIX + min(HANDLERS[name].paths)
        for noun in nouns:
            said = []
            for named in (ids[noun], str(uuid4())):
                answer = await rival.http.post(path, json=body | {f"{noun}Ids": [named]})
                assert answer.status_code == 400, (name, noun)
                said.append(_said(answer, named))
            assert said[0] == said[1]
        assert (await rival.http.get(path)).json() == []
        # Nor does a change of one's own record.
        mine = (await rival.http.post(path, json=body)).json()["id"]
        for noun in nouns:
            change = {f"{noun}Ids": [ids[noun]]}
            assert (await rival.http.patch(f"{path}/{mine}", json=change)).status_code == 400
    assert await _everything(acme, ids) == before


async def test_references_that_are_stored_as_given_read_nothing_of_others(
    acme: Tenant, rival: Tenant, ids: dict[str, str]
) -> None:
    """The product's name is acme's: naming its id does not make it matched for anybody else."""
    text = "Honestly the Atlas export fails every day."
    path = f"{PREFIX}{min(HANDLERS['processTranscript'].paths)}"
    found = await rival.http.post(path, json={"transcript": text, "createInsights": True})
    assert {each["productId"] for each in found.json()} == {None}
    own = await rival.create("products", name="Corona", id=ids["product"])
    assert own["workspaceId"] == rival.workspace
    assert (await acme.get(f"products/{ids['product']}"))["name"] == "Atlas"
    assert (await rival.get("auth/context"))["workspace"]["id"] == rival.workspace
    assert len(await acme.get("signals")) == 1
