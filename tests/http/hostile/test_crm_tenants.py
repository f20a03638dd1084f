"""Two tenants of the revenue record: records of one have no links to the CRM of the other."""

from typing import Any
from uuid import UUID

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.revenue.crm import relinking
from tests.revenue.push_records import STARTED, Json, create_source, get_json
from tests.stack import Tenant, eventually


async def _import_crm(database: Database, owner: Tenant, name: str, email: str) -> None:
    """Insert an account and a deal, which have the same ids for every tenant."""
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


async def test_conversations_and_messages_are_not_linked_to_the_crm_of_another_tenant(
    acme: Tenant, rival: Tenant, database: Database
) -> None:
    """The contact and the domain match. The deal and the account do not change."""
    await _import_crm(database, acme, "Globex", "ana@globex.com")
    own = await create_source(rival)
    before = [
        await get_json(acme, path) for path in ("deals", "accounts", "deals/D-1", "accounts/A-1")
    ]
    people = [{"email": "ana@globex.com", "name": "Ana"}, {"email": "bo@globex.com", "name": "Bo"}]
    calls = [
        await own.push("conversations", f"C-{number}", participants=[person])
        for number, person in enumerate(people)
    ]
    await own.push("messages", "M-1", sender=people[0], recipients=people)
    for call in calls:
        assert (await get_json(rival, f"conversations/{call}"))["crm"] is None
    after = [
        await get_json(acme, path) for path in ("deals", "accounts", "deals/D-1", "accounts/A-1")
    ]
    assert after == before
    assert before[2]["contacts"] == before[3]["contacts"] == []


async def test_records_of_two_tenants_with_the_same_ids_are_separate(
    acme: Tenant, rival: Tenant, database: Database
) -> None:
    """The deals, accounts and contacts of both have the same ids, names and addresses."""
    activity: dict[str, Json] = {}
    for owner, name, at in (
        (acme, "Globex", "2026-03-11T14:00:00Z"),
        (rival, "Initech", "2026-03-12T14:00:00Z"),
    ):
        await _import_crm(database, owner, name, "ana@globex.com")
        source = await create_source(owner)
        person = {"email": "ana@globex.com", "name": f"Ana of {name}"}
        call = await source.push("conversations", "C-1", participants=[person], startedAt=at)
        assert (await get_json(owner, f"conversations/{call}"))["crm"] == {
            "id": "D-1",
            "name": name,
            "type": "opportunity",
        }
        activity[name] = {"at": at, "owner": owner}
    for name, expected in activity.items():
        deal = await get_json(expected["owner"], "deals/D-1")
        account = await get_json(expected["owner"], "accounts/A-1")
        assert (deal["name"], deal["lastActivityDate"]) == (name, expected["at"])
        assert (account["name"], account["lastActivityDate"]) == (name, expected["at"])
        assert [each["name"] for each in deal["contacts"]] == [f"Ana of {name}"]
        assert [each["name"] for each in account["contacts"]] == [f"Ana of {name}"]
        assert account["latestDeal"]["name"] == name
    # A deletion by one tenant does not change the activity of the other.
    (source,) = (await get_json(rival, "sources"))["sources"]
    params = {"remoteId": "C-1", "sourceId": source["id"]}
    deleted = await rival.http.delete("/v1/conversations", params=params)
    assert deleted.status_code == 200
    assert (await get_json(rival, "deals/D-1"))["lastActivityDate"] is None
    assert (await get_json(acme, "deals/D-1"))["lastActivityDate"] == STARTED


async def test_a_deal_belongs_to_no_account_of_another_tenant(
    acme: Tenant, rival: Tenant, database: Database
) -> None:
    await _import_crm(database, acme, "Globex", "ana@globex.com")
    async with database.connection() as connection:
        await connection.execute(
            "insert into deals (workspace_id, id, name, account_id, account_name) values"
            " ($1, 'D-2', 'By id', 'A-1', null), ($1, 'D-3', 'By name', null, 'globex')",
            UUID(rival.workspace),
        )
    assert (await get_json(acme, "accounts/A-1"))["latestDeal"]["name"] == "Globex"
    assert (await rival.http.get("/v1/accounts/A-1")).status_code == 404
    assert (await get_json(rival, "accounts"))["accounts"] == []


async def test_relinking_stays_within_the_tenant(
    acme: Tenant, rival: Tenant, database: Database
) -> None:
    """An import of one tenant relinks its own conversations only."""
    calls = {}
    for owner in (acme, rival):
        source = await create_source(owner)
        person = {"email": "ana@globex.com", "name": "Ana"}
        calls[owner.name] = await source.push("conversations", "C-1", participants=[person])
    await _import_crm(database, acme, "Globex", "ana@globex.com")
    async with database.transaction() as tx:
        workspace = WorkspaceId(UUID(acme.workspace))
        await relinking.mark_changed(tx, workspace, "deals", ["D-1"])
        await relinking.mark_changed(tx, workspace, "accounts", ["A-1"])

    async def linked() -> Any:
        return (await get_json(acme, f"conversations/{calls[acme.name]}"))["crm"]

    assert (await eventually(linked))["name"] == "Globex"
    assert (await get_json(rival, f"conversations/{calls[rival.name]}"))["crm"] is None
    assert (await get_json(acme, "deals/D-1"))["lastActivityDate"] == STARTED
