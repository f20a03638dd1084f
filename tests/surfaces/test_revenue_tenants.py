"""Two tenants of the revenue record: what belongs to one is to the other as if it did not exist, in
every operation, and no link to the CRM leads from one to the other.
"""

import re
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.revenue.crm import relinking
from gateway.revenue.surface import REVENUE
from tests.revenue.push_records import MINIMAL_FIELDS, STARTED, Json, Source, create_source
from tests.stack import Tenant, eventually

PREFIX = "/v1"
HANDLERS: dict[str, HTTPRouteHandler] = {
    handler.opt["operation"].id: handler for handler in REVENUE.handlers
}

# The kind of record that the id in a path names, and what a PATCH of it sends.
BY_ID = {
    "getSource": "sources",
    "updateSource": "sources",
    "deleteSource": "sources",
    "getObjectType": "object-types",
    "updateObjectType": "object-types",
    "deleteObjectType": "object-types",
    "getRow": "rows",
    "getConversation": "conversations",
    "listConversationEvidence": "conversations",
    "getMessage": "messages",
    "getDocument": "documents",
    "getDeal": "deals",
    "getAccount": "accounts",
}
CHANGES: dict[str, Json] = {
    "updateSource": {"displayName": "mine now"},
    "updateObjectType": {"displayName": "mine now"},
    "updateRow": {"displayName": "mine now"},
    "updateDocument": {"displayName": "mine now"},
}
# The kind of record that source and id in a query name.
BY_ADDRESS = {
    "updateRow": "rows",
    "deleteRow": "rows",
    "deleteConversation": "conversations",
    "deleteMessage": "messages",
    "updateDocument": "documents",
    "deleteDocument": "documents",
}
# The ids of others that a body can be given.
CREATING = {
    "createObjectType": ("sourceId",),
    "createRow": ("sourceId", "objectTypeId"),
    "createConversation": ("sourceId",),
    "createMessage": ("sourceId",),
    "createDocument": ("sourceId",),
}
# Filters by which something of the other tenant would be found.
LISTS: dict[str, tuple[str, ...]] = {
    "listSources": ("name=theirs",),
    "listObjectTypes": ("sourceId={source}",),
    "listRows": ("sourceId={source}", "objectTypeId={type}", "remoteId=theirs", "name=secret"),
    "listConversations": (
        *("sourceId={source}", "title=secret", "attendees=ana@acme.com", "attendees=acme.com"),
        *("attendees=secret", "crmName=secret"),
    ),
    "listMessages": (
        *("sourceId={source}", "remoteId=theirs", "threadId=secret"),
        "participantEmail=ana@acme.com",
    ),
    "listDocuments": ("sourceId={source}", "name=secret"),
    "listDeals": ("name=secret", "stage=secret", "owner=secret", "amountMin=1"),
    "listAccounts": ("name=secret", "website=secret", "owner=secret"),
}
# Names no record of anybody: what it makes or tells is the caller's own.
ALONE = {"health", "createSource"}
PAGED = [name for name in LISTS if name not in ("listSources", "listObjectTypes")]

ID_OF = {
    "rows": "rowId",
    "conversations": "conversationId",
    "messages": "messageId",
    "documents": "id",
    "deals": "dealId",
    "accounts": "accountId",
}


class Home(NamedTuple):
    """A tenant with two records of each kind, of which all that can be found says `secret`."""

    tenant: Tenant
    source: Source
    records: dict[str, str]

    async def everything(self) -> Any:
        """All that the tenant can read."""
        seen: Json = {}
        for name in LISTS:
            path = _path(name)
            seen[path] = (await self.tenant.http.get(path)).json()
        for kind, record in self.records.items():
            path = f"{PREFIX}/{kind}/{record}"
            answer = await self.tenant.http.get(path)
            assert answer.status_code == 200
            seen[path] = answer.json()
        return seen


@pytest.fixture
async def theirs(acme: Tenant, database: Database) -> Home:
    """What the rival must not see."""
    source = await create_source(acme, "theirs")
    ana = {"email": "ana@acme.com", "name": "Ana Secret"}
    said: dict[str, Json] = {
        "rows": {"name": "A secret"},
        "conversations": {"displayName": "A secret", "participants": [ana]},
        "messages": {"displayName": "A secret", "threadId": "secret", "sender": ana},
        "documents": {"displayName": "A secret"},
    }
    async with database.connection() as connection:
        for kind, columns, values in (
            ("deals", "stage, amount, contact_emails", "'secret', 5, '{ana@acme.com}'"),
            ("accounts", "website, domain, contact_emails", "'secret', 'acme.com', '{}'"),
        ):
            for each in ("theirs", "another"):
                await connection.execute(
                    f"insert into {kind} (workspace_id, id, name, owner_name, {columns})"
                    f" values ($1, $2, 'A secret', 'secret', {values})",
                    UUID(acme.workspace),
                    each,
                )
    records = {"sources": source.id, "object-types": source.object_type}
    for kind, fields in said.items():
        await source.push(kind, "another", **fields)
        records[kind] = await source.push(kind, "theirs", **fields)
    return Home(acme, source, records | {"deals": "theirs", "accounts": "theirs"})


def _path(name: str) -> str:
    return PREFIX + min(HANDLERS[name].paths)


def _method(name: str) -> str:
    return str(min(HANDLERS[name].http_methods))


def _said(answer: httpx.Response, *named: str) -> Any:
    """The whole of a refusal but for the ids that it names."""
    body = answer.json()
    if isinstance(body["detail"], dict):
        assert body["detail"].pop("request_id") == answer.headers["X-Request-Id"]
    text = str(body)
    for each in named:
        text = text.replace(each, "ID")
    headers = {name for name in answer.headers if name not in ("content-length", "date")}
    return answer.status_code, headers, text


def test_every_operation_is_in_the_matrix() -> None:
    by_id = {name for name in HANDLERS if "{" in _path(name)}
    assert set(BY_ID) == by_id
    by_address = {name for name in set(HANDLERS) - by_id if _method(name) in ("PATCH", "DELETE")}
    assert set(BY_ADDRESS) == by_address
    creating = {name for name in HANDLERS if _method(name) == "POST"}
    assert set(CREATING) == creating - ALONE
    assert set(LISTS) == set(HANDLERS) - by_id - by_address - creating - ALONE
    assert set(CHANGES) == {name for name in HANDLERS if _method(name) == "PATCH"}


async def test_no_path_reaches_another_tenant_s_record(theirs: Home, rival: Tenant) -> None:
    before = await theirs.everything()
    for name, kind in BY_ID.items():
        said = []
        for named in (theirs.records[kind], str(uuid4())):
            url = re.sub(r"\{.*\}", named, _path(name))
            answer = await rival.http.request(_method(name), url, json=CHANGES.get(name))
            assert answer.status_code == 404, (name, answer.text)
            said.append(_said(answer, named))
        assert said[0] == said[1], name
    assert await theirs.everything() == before


async def test_no_address_reaches_another_tenant_s_record(theirs: Home, rival: Tenant) -> None:
    """Through their source as through an unknown one; through one's own there is no such record."""
    own = await create_source(rival)
    before = await theirs.everything()
    for name, kind in BY_ADDRESS.items():
        # Also where the caller has a record of the same id.
        await own.push(kind, "another")
        for remote in ("theirs", "another"):
            refused = []
            for source in (theirs.source.id, theirs.source.id.upper(), str(uuid4())):
                answer = await rival.http.request(
                    _method(name),
                    _path(name),
                    params={"remoteId": remote, "sourceId": source},
                    json=CHANGES.get(name),
                )
                assert answer.status_code == 403, (name, answer.text)
                assert answer.json()["detail"]["error"] == "forbidden"
                assert answer.json()["detail"]["field"] == "sourceId"
                refused.append(_said(answer))
            assert refused[0] == refused[1] == refused[2], name
        missing = []
        for remote in ("theirs", "nobody-s", theirs.records[kind]):
            answer = await rival.http.request(
                _method(name),
                _path(name),
                params={"remoteId": remote, "sourceId": own.id},
                json=CHANGES.get(name),
            )
            assert answer.status_code == 404, (name, answer.text)
            missing.append(_said(answer, remote))
        assert missing[0] == missing[1] == missing[2], name
    assert await theirs.everything() == before


async def test_nothing_is_created_through_another_tenant_s_ids(theirs: Home, rival: Tenant) -> None:
    own = await create_source(rival)
    before = await theirs.everything()
    for name, fields in CREATING.items():
        kind = _path(name).split("/")[-1]
        body: Json
        if kind == "object-types":
            definitions = [{"name": "a", "fieldType": "int"}]
            body = {"name": "new", "displayName": "New", "fieldDefinitions": definitions}
            body["sourceId"] = own.id
        else:
            body = own.body(kind, "theirs")
        for field in fields:
            foreign = theirs.source.id if field == "sourceId" else theirs.source.object_type
            said = []
            for named in (foreign, foreign.upper(), str(uuid4())):
                answer = await rival.http.post(_path(name), json=body | {field: named})
                assert answer.status_code == 403, (name, answer.text)
                assert answer.json()["detail"]["error"] == "forbidden"
                assert answer.json()["detail"]["field"] == field
                said.append(_said(answer))
            assert said[0] == said[1] == said[2], name
        # Both of them theirs.
        both = {"sourceId": theirs.source.id, "objectTypeId": theirs.source.object_type}
        assert (await rival.http.post(_path(name), json=body | both)).status_code == 403
        # With ids of one's own it is a record of one's own, whoever else has one of that name.
        made = await rival.http.post(_path(name), json=body)
        assert made.status_code == 201, made.text
        assert made.json().get("status", "created") == "created"
    assert await theirs.everything() == before


async def test_no_list_shows_another_tenant_s_records(
    theirs: Home, rival: Tenant, database: Database
) -> None:
    """Neither where the caller has none, nor beside the caller's own."""
    ids = {"source": theirs.source.id, "type": theirs.source.object_type}

    async def listed(name: str, query: str) -> list[Json]:
        answer = await rival.http.get(f"{_path(name)}?{query.format(**ids)}")
        assert answer.status_code == 200, (name, query, answer.text)
        found = answer.json()
        if name in PAGED:
            assert found.pop("pagination") == {"nextCursor": None, "hasMore": False}
        ((_, records),) = found.items()
        return list(records)

    for name, filters in LISTS.items():
        for query in ("", *filters):
            assert await listed(name, query) == [], (name, query)
    own = await create_source(rival)
    mine = {kind: await own.push(kind, "mine") for kind in MINIMAL_FIELDS}
    async with database.connection() as connection:
        for kind in ("deals", "accounts"):
            mine[kind] = "mine"
            await connection.execute(
                f"insert into {kind} (workspace_id, id) values ($1, 'mine')", UUID(rival.workspace)
            )
    for name, filters in LISTS.items():
        kind = _path(name).split("/")[-1]
        found = await listed(name, "")
        if kind in mine:
            assert [each[ID_OF[kind]] for each in found] == [mine[kind]]
        else:
            assert len(found) == 1
        for query in filters:
            # MINIMAL_FIELDS has people of acme.com: then it is the caller's own that is found.
            if "acme.com" in query:
                assert await listed(name, query) == found, (name, query)
            else:
                assert await listed(name, query) == [], (name, query)


async def test_no_cursor_of_another_tenant_is_taken(theirs: Home, rival: Tenant) -> None:
    for name in PAGED:
        page = (await theirs.tenant.http.get(_path(name), params={"limit": 1})).json()
        cursor = page["pagination"]["nextCursor"]
        assert cursor is not None, name
        said = []
        for given in (cursor, cursor[:-4] + "AAAA", "nonsense"):
            answer = await rival.http.get(_path(name), params={"cursor": given})
            assert answer.status_code == 400, name
            said.append(_said(answer))
        assert said[0] == said[1] == said[2]
        assert (await theirs.tenant.http.get(_path(name), params={"cursor": cursor})).is_success


async def test_names_are_each_tenant_s_own(theirs: Home, rival: Tenant) -> None:
    """A name or an id that another tenant has is free, and the health tells of oneself."""
    before = await theirs.everything()
    own = await create_source(rival, "theirs")
    assert own.id != theirs.source.id
    again = {"name": "theirs", "displayName": "x"}
    assert (await rival.http.post(f"{PREFIX}/sources", json=again)).status_code == 409
    for kind in MINIMAL_FIELDS:
        assert await own.push(kind, "theirs") != theirs.records[kind]
        assert (await own.delete(kind, "theirs")).status_code == 200
    health = (await rival.http.get(f"{PREFIX}/health")).json()
    assert health["org_id"] == rival.workspace
    assert await theirs.everything() == before


# --- links to the CRM -------------------------------------------------------------------------


async def _crm_of(database: Database, owner: Tenant, name: str, email: str) -> None:
    """A deal and an account, the account under the same id for everybody."""
    async with database.connection() as connection:
        await connection.execute(
            "insert into accounts (workspace_id, id, name, website, domain, contact_emails)"
            " values ($1, 'A-1', $2, 'https://globex.com', 'globex.com', $3)",
            UUID(owner.workspace),
            name,
            [email],
        )
        await connection.execute(
            "insert into deals (workspace_id, id, name, account_name, closed, contact_emails)"
            " values ($1, 'D-1', $2, $2, false, $3)",
            UUID(owner.workspace),
            name,
            [email],
        )


async def _read(owner: Tenant, path: str) -> Json:
    answer = await owner.http.get(f"{PREFIX}/{path}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_calls_and_mails_of_one_tenant_are_not_linked_to_the_crm_of_another(
    acme: Tenant, rival: Tenant, database: Database
) -> None:
    """Neither by a contact, nor by the domain of a website, nor shown in a deal or account."""
    await _crm_of(database, acme, "Globex", "ana@globex.com")
    own = await create_source(rival)
    before = [
        await _read(acme, path) for path in ("deals", "accounts", "deals/D-1", "accounts/A-1")
    ]
    people = [{"email": "ana@globex.com", "name": "Ana"}, {"email": "bo@globex.com", "name": "Bo"}]
    calls = [
        await own.push("conversations", f"C-{number}", participants=[person])
        for number, person in enumerate(people)
    ]
    await own.push("messages", "M-1", sender=people[0], recipients=people)
    for call in calls:
        assert (await _read(rival, f"conversations/{call}"))["crm"] is None
    after = [await _read(acme, path) for path in ("deals", "accounts", "deals/D-1", "accounts/A-1")]
    assert after == before
    assert before[2]["contacts"] == before[3]["contacts"] == []


async def test_what_two_tenants_have_under_the_same_id_stays_apart(
    acme: Tenant, rival: Tenant, database: Database
) -> None:
    """Deals, accounts and contacts of the same ids, names and addresses: each sees its own."""
    seen: dict[str, Json] = {}
    for owner, name, at in (
        (acme, "Globex", "2026-03-11T14:00:00Z"),
        (rival, "Initech", "2026-03-12T14:00:00Z"),
    ):
        await _crm_of(database, owner, name, "ana@globex.com")
        source = await create_source(owner)
        person = {"email": "ana@globex.com", "name": f"Ana of {name}"}
        call = await source.push("conversations", "C-1", participants=[person], startedAt=at)
        assert (await _read(owner, f"conversations/{call}"))["crm"] == {
            "id": "D-1",
            "name": name,
            "type": "opportunity",
        }
        seen[name] = {"at": at, "owner": owner}
    for name, of in seen.items():
        deal = await _read(of["owner"], "deals/D-1")
        account = await _read(of["owner"], "accounts/A-1")
        assert (deal["name"], deal["lastActivityDate"]) == (name, of["at"])
        assert (account["name"], account["lastActivityDate"]) == (name, of["at"])
        assert [each["name"] for each in deal["contacts"]] == [f"Ana of {name}"]
        assert [each["name"] for each in account["contacts"]] == [f"Ana of {name}"]
        assert account["latestDeal"]["name"] == name
    # One of them deletes; the other's activity stays.
    (source,) = (await _read(rival, "sources"))["sources"]
    params = {"remoteId": "C-1", "sourceId": source["id"]}
    gone = await rival.http.delete(f"{PREFIX}/conversations", params=params)
    assert gone.status_code == 200
    assert (await _read(rival, "deals/D-1"))["lastActivityDate"] is None
    assert (await _read(acme, "deals/D-1"))["lastActivityDate"] == STARTED


async def test_a_deal_belongs_to_no_account_of_another_tenant(
    acme: Tenant, rival: Tenant, database: Database
) -> None:
    await _crm_of(database, acme, "Globex", "ana@globex.com")
    async with database.connection() as connection:
        await connection.execute(
            "insert into deals (workspace_id, id, name, account_id, account_name) values"
            " ($1, 'D-2', 'By id', 'A-1', null), ($1, 'D-3', 'By name', null, 'globex')",
            UUID(rival.workspace),
        )
    assert (await _read(acme, "accounts/A-1"))["latestDeal"]["name"] == "Globex"
    assert (await rival.http.get(f"{PREFIX}/accounts/A-1")).status_code == 404
    assert (await _read(rival, "accounts"))["accounts"] == []


async def test_links_that_are_looked_at_again_stay_within_their_tenant(
    acme: Tenant, rival: Tenant, database: Database
) -> None:
    """An import of one tenant links its own calls, and leaves those of the other alone."""
    calls = {}
    for owner in (acme, rival):
        source = await create_source(owner)
        person = {"email": "ana@globex.com", "name": "Ana"}
        calls[owner.name] = await source.push("conversations", "C-1", participants=[person])
    await _crm_of(database, acme, "Globex", "ana@globex.com")
    async with database.transaction() as tx:
        workspace = WorkspaceId(UUID(acme.workspace))
        await relinking.mark_changed(tx, workspace, "deals", ["D-1"])
        await relinking.mark_changed(tx, workspace, "accounts", ["A-1"])

    async def linked() -> Any:
        return (await _read(acme, f"conversations/{calls[acme.name]}"))["crm"]

    assert (await eventually(linked))["name"] == "Globex"
    assert (await _read(rival, f"conversations/{calls[rival.name]}"))["crm"] is None
    assert (await _read(acme, "deals/D-1"))["lastActivityDate"] == STARTED
