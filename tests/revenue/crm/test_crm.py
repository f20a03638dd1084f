"""Links from conversations and messages to deals and accounts, and the activity that follows."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.revenue.crm import relinking
from tests.revenue.crm.crm_records import CrmRecords
from tests.revenue.push_records import STARTED, Source, get_json
from tests.stack import Tenant, eventually

LATER = "2026-04-01T10:00:00Z"


async def _linked_record(source: Source, record: str) -> Any:
    return (await get_json(source.tenant, f"conversations/{record}"))["crm"]


async def _last_activity(source: Source, path: str) -> Any:
    return (await get_json(source.tenant, path))["lastActivityDate"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


ANA = {"participants": [{"email": "ANA@acme.com"}, {"email": "rep@ours.io"}]}
ACCOUNT = ("accounts", "acc", {"name": "Acme Corp", "domain": "acme.com"})
DEAL = ("deals", "deal", {"name": "Renewal", "contact_emails": ["ana@acme.com"], "closed": False})


async def test_records_are_linked_by_contact_or_by_domain(source: Source, crm: CrmRecords) -> None:
    contact = {"name": "Bo Ltd", "contact_emails": ["bo@gmail.com"], "domain": "bo.com"}
    await crm.put_all(DEAL, ACCOUNT, ("accounts", "bo", contact))
    for participants, linked in (
        ([{"email": "ana@acme.com"}], ("deal", "Renewal", "opportunity")),
        ([{"email": "bo@gmail.com"}], ("bo", "Bo Ltd", "account")),
        ([{"email": "somebody@ACME.com"}], ("acc", "Acme Corp", "account")),
        # A contact wins over a domain.
        ([{"email": "x@acme.com"}, {"email": "bo@gmail.com"}], ("bo", "Bo Ltd", "account")),
        ([{"email": "x@mail.acme.com"}, {"email": "y@gmail.com"}], None),
        ([{"id": "x", "name": "ana@acme.com"}], None),
    ):
        record = await source.push("conversations", "one", participants=participants)
        found = await _linked_record(source, record)
        assert found == (linked and dict(zip(("id", "name", "type"), linked, strict=True)))
    (item,) = (await get_json(source.tenant, "conversations"))["conversations"]
    assert item["crm"] is None


async def test_internal_people_create_no_links(source: Source, crm: CrmRecords) -> None:
    ours = {"name": "Ourselves", "domain": "ours.io", "contact_emails": ["rep@ours.io"]}
    await crm.put_all(("accounts", "ours", ours))
    people = [{"email": "rep@ours.io"}, {"email": "x@nowhere.org"}]
    record = await source.push("conversations", "a", participants=people)
    assert (await _linked_record(source, record))["id"] == "ours"
    record = await source.push(
        "conversations", "b", participants=people, ownerEmails=["boss@ours.io"]
    )
    assert await _linked_record(source, record) is None


async def test_an_open_deal_wins_over_its_account_and_then_the_latest_activity_wins(
    source: Source, crm: CrmRecords
) -> None:
    emails = ["ana@acme.com"]
    await crm.put_all(("accounts", "acc", {"name": "ACME corp", "contact_emails": emails}))
    record = await source.push("conversations", "one", **ANA)
    assert (await _linked_record(source, record))["id"] == "acc"
    closed = {"name": "Old", "closed": True, "contact_emails": emails}
    # A closed deal with the later activity wins over the account.
    await crm.put_all(
        ("deals", "old", {**closed, "activity_given_at": at(LATER)}),
        ("accounts", "acc", {"activity_given_at": at(STARTED)}),
    )
    assert (await _linked_record(source, record))["id"] == "old"
    await crm.put_all(("deals", "old", {"activity_given_at": at("2020-01-01T00:00:00+00:00")}))
    assert (await _linked_record(source, record))["id"] == "acc"
    # The account's open deal, by its name in any letter case.
    await crm.put_all(("deals", "new", {"name": "New", "account_name": "Acme Corp"}))
    assert await _linked_record(source, record) == {
        "id": "new",
        "name": "New",
        "type": "opportunity",
    }
    # A deal that has the contact itself wins over a deal whose account has it.
    await crm.put_all(
        ("deals", "own", {"name": "Own", "contact_emails": emails}),
        ("deals", "new", {"activity_given_at": at(LATER)}),
    )
    assert (await _linked_record(source, record))["id"] == "own"
    await crm.put_all(("deals", "own", {"closed": True}), ("deals", "new", {"closed": True}))
    assert (await _linked_record(source, record))["id"] == "acc"


async def test_links_follow_changes_of_deals_and_accounts(source: Source, crm: CrmRecords) -> None:
    record = await source.push("conversations", "one", **ANA)
    assert await _linked_record(source, record) is None
    await crm.put_all(ACCOUNT)
    assert (await _linked_record(source, record))["name"] == "Acme Corp"
    await crm.put_all(("accounts", "acc", {"name": "Acme Inc."}))
    assert (await _linked_record(source, record))["name"] == "Acme Inc."
    shown = await get_json(source.tenant, "conversations", crmName="acme inc.")
    assert len(shown["conversations"]) == 1
    await crm.put_all(DEAL)
    assert (await _linked_record(source, record))["id"] == "deal"
    await crm.put_all(("deals", "deal", {"contact_emails": ["somebody@else.org"]}))
    assert (await _linked_record(source, record))["id"] == "acc"
    await crm.put_all(("accounts", "acc", {"domain": "acme.org"}))
    assert await _linked_record(source, record) is None


async def test_an_imported_link_is_not_replaced(
    source: Source, crm: CrmRecords, database: Database
) -> None:
    record = await source.push("conversations", "one", **ANA)
    async with database.connection() as connection:
        await connection.execute(
            "update conversations set crm_given = true, crm_id = 'deal', crm_name = 'Given',"
            " crm_type = 'opportunity' where id = $1",
            record,
        )
    await crm.put_all(ACCOUNT, ("deals", "deal", {"name": "Other", "account_id": "acc"}))
    await crm.put_all(("deals", "better", {"contact_emails": ["ana@acme.com"]}))
    assert await _linked_record(source, record) == {
        "id": "deal",
        "name": "Given",
        "type": "opportunity",
    }


async def test_activity_is_the_time_of_the_newest_linked_record(
    source: Source, crm: CrmRecords
) -> None:
    await crm.put_all(ACCOUNT, ("deals", "deal", {**DEAL[2], "account_id": "acc"}))
    for path in ("deals/deal", "accounts/acc"):
        assert await _last_activity(source, path) is None
    await source.push("conversations", "a", **ANA)
    await source.push("conversations", "b", **ANA, startedAt="2025-01-01T00:00:00Z")
    for path in ("deals/deal", "accounts/acc"):
        assert await _last_activity(source, path) == STARTED
    await source.push("messages", "m", sender={"email": "ana@acme.com"}, createdAt=LATER)
    # Push a message that matches the account alone.
    much_later = "2026-05-01T00:00:00Z"
    await source.push("messages", "n", sender={"email": "other@acme.com"}, createdAt=much_later)
    assert await _last_activity(source, "deals/deal") == much_later
    await source.delete("messages", "n")
    for path in ("deals/deal", "accounts/acc"):
        assert await _last_activity(source, path) == LATER
    # Activity goes back when a message gets another sender or a record is deleted.
    await source.push("messages", "m", sender={"email": "x@nowhere.org"}, createdAt=LATER)
    for path in ("deals/deal", "accounts/acc"):
        assert await _last_activity(source, path) == STARTED
    await source.delete("conversations", "a")
    assert await _last_activity(source, "accounts/acc") == "2025-01-01T00:00:00Z"
    (deal,) = (await get_json(source.tenant, "deals"))["deals"]
    assert deal["lastActivityDate"] == "2025-01-01T00:00:00Z"


async def test_imported_activity_is_not_replaced(source: Source, crm: CrmRecords) -> None:
    await crm.put_all(("deals", "deal", {**DEAL[2], "activity_given_at": at(STARTED)}))
    await source.push("messages", "m", sender={"email": "ana@acme.com"}, createdAt=LATER)
    assert await _last_activity(source, "deals/deal") == STARTED


async def test_records_pushed_before_the_deal_count_as_activity(
    source: Source, crm: CrmRecords
) -> None:
    await source.push("conversations", "a", **ANA)
    await source.push("messages", "m", sender={"email": "ana@acme.com"}, createdAt=LATER)
    await crm.put_all(DEAL)
    assert await _last_activity(source, "deals/deal") == LATER


async def test_concurrent_writes_leave_the_newest_activity(source: Source, crm: CrmRecords) -> None:
    await crm.put_all(ACCOUNT, DEAL)
    responses = await asyncio.gather(
        *(
            source.post(
                "messages",
                f"m-{number % 10}",
                sender={"email": "ana@acme.com"},
                createdAt=f"2026-03-11T14:00:{(number * 7) % 40:02}Z",
            )
            for number in range(40)
        ),
        *(source.delete("messages", f"m-{number}") for number in range(5)),
        crm.put("deals", "deal", name="Changed"),
    )
    assert {response.status_code for response in responses if response is not None} <= {
        201,
        200,
        404,
        409,
    }
    await crm.wait_until_relinked()
    page = await get_json(source.tenant, "messages")
    newest = max(message["createdAt"] for message in page["messages"])
    assert await _last_activity(source, "deals/deal") >= newest


async def test_an_account_shows_its_latest_deal(source: Source, crm: CrmRecords) -> None:
    named = {"account_name": "acme CORP", "closed": False}
    await crm.put_all(ACCOUNT)
    latest: list[Any] = []
    shown: Any = {}
    steps: list[dict[str, Any]] = [
        {"id": "closed", "closed": True, "created_at": at(LATER), "account_name": "Acme Corp"},
        {"id": "older", **named, "created_at": at("2025-01-01T00:00:00+00:00")},
        {"id": "undated", **named, "created_at": None},
        {
            "id": "newer",
            "account_id": "acc",
            "account_name": "Somebody else",
            "created_at": at(STARTED),
            "stage": "Demo",
            "amount": 50000.0,
            "close_date": at("2026-06-01T00:00:00+00:00"),
            "name": "Newer",
        },
        {"id": "elsewhere", **named, "account_id": "other", "created_at": at(LATER)},
    ]
    for columns in steps:
        await crm.put("deals", **columns)
        shown = await get_json(source.tenant, "accounts/acc")
        latest.append(shown["latestDeal"])
    assert [deal["dealId"] for deal in latest] == ["closed", "older", "older", "newer", "newer"]
    assert latest[-1] == {
        "dealId": "newer",
        "name": "Newer",
        "stage": "Demo",
        "amount": 50000.0,
        "closeDate": "2026-06-01T00:00:00Z",
    }
    (item,) = (await get_json(source.tenant, "accounts"))["accounts"]
    assert item == {name: shown[name] for name in item}
    assert not {"contacts", "syncedCrmFields"} & set(item)


async def test_contacts_that_were_not_imported_are_external_people(
    source: Source, crm: CrmRecords, database: Database
) -> None:
    columns = {"name": "Deal", "account_id": "acc", "closed": False}
    await crm.put_all(ACCOUNT, ("deals", "deal", columns))
    people = [
        {"email": "Ana@acme.com", "name": "Ana Ruiz"},
        {"email": "rep@ours.io", "name": "Rep"},
    ]
    await source.push("conversations", "a", participants=people, ownerEmails=["rep@ours.io"])
    await source.push(
        "messages",
        "m",
        sender={"email": "bo@acme.com"},
        recipients=people,
        ownerEmails=["rep@ours.io"],
    )
    met = [
        {"name": "Ana Ruiz", "email": "ana@acme.com", "title": None, "phone": None},
        {"name": None, "email": "bo@acme.com", "title": None, "phone": None},
    ]
    for path in ("deals/deal", "accounts/acc"):
        assert (await get_json(source.tenant, path))["contacts"] == met
    async with database.connection() as connection:
        await connection.execute(
            "update deals set contacts = '[]' where workspace_id = $1", source.tenant.workspace
        )
    assert (await get_json(source.tenant, "deals/deal"))["contacts"] == []


async def test_an_account_imported_after_its_deal_gets_its_activity_and_contacts(
    source: Source, crm: CrmRecords
) -> None:
    deal = {"name": "D", "account_name": "Yonder", "contact_emails": ["ana@acme.com"]}
    await crm.put_all(("deals", "deal", deal))
    await source.push("conversations", "one", **ANA)
    await crm.put_all(("accounts", "yonder", {"name": "YONDER"}))
    shown = await get_json(source.tenant, "accounts/yonder")
    assert shown["lastActivityDate"] == STARTED
    assert shown["latestDeal"]["dealId"] == "deal"
    assert "ana@acme.com" in [each["email"] for each in shown["contacts"]]


async def test_deals_that_lose_a_race_for_a_record_have_no_activity(
    source: Source, crm: CrmRecords, database: Database
) -> None:
    """Each of several concurrent POSTs of one record links it to another deal."""
    names = ("first", "second", "third", "fourth")
    for name in names:
        await crm.put("deals", name, contact_emails=[f"{name}@acme.com"])
    await crm.wait_until_relinked()
    await source.push("messages", "m", sender={"email": "first@acme.com"})
    async with database.connection() as connection, connection.transaction():
        await connection.execute(
            "select 1 from messages where source_id = $1 for update", source.id
        )
        waiting = [
            asyncio.ensure_future(
                source.post("messages", "m", sender={"email": f"{name}@acme.com"})
            )
            for name in names[1:]
        ]

        async def all_wait() -> bool:
            return await _waiting(database) == len(waiting)

        await eventually(all_wait)
    assert {(await each).status_code for each in waiting} == {201}
    active = [await _last_activity(source, f"deals/{name}") for name in names]
    assert sorted(filter(None, active)) == [STARTED]
    await source.delete("messages", "m")
    assert [await _last_activity(source, f"deals/{name}") for name in names] == [None] * 4


async def _waiting(database: Database) -> int:
    """Number of statements that wait for a lock."""
    async with database.connection() as connection:
        return int(
            await connection.fetchval(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
            )
        )


async def test_spaces_around_an_email_address_are_ignored(source: Source, crm: CrmRecords) -> None:
    await crm.put_all(ACCOUNT)
    people = [{"email": " Bo@ACME.com\t"}]
    record = await source.push("conversations", "one", participants=people)
    assert (await _linked_record(source, record))["id"] == "acc"
    for attendee in ("bo@acme.com", "acme.com"):
        page = await get_json(source.tenant, "conversations", attendees=attendee)
        assert len(page["conversations"]) == 1
    record = await source.push(
        "conversations", "one", participants=people, ownerEmails=["x@acme.com "]
    )
    assert (await get_json(source.tenant, f"conversations/{record}"))["type"] == "INTERNAL"


async def test_many_changes_are_relinked_in_batches(
    source: Source, crm: CrmRecords, acme: Tenant, database: Database
) -> None:
    """Changes more deals than one job handles, and an account with over 5,000 linked records."""
    await source.push("conversations", "first", **ANA)
    async with database.connection() as connection:
        await connection.execute(
            """insert into conversations (workspace_id, id, source_id, remote_id, started_at,
                   ended_at, type, participants, outside, outside_domains, state)
               select workspace_id, gen_random_uuid(), source_id, 'c-' || n, started_at, ended_at,
                   type, participants, outside, outside_domains, state
               from conversations, generate_series(1, 5200) n where workspace_id = $1""",
            acme.workspace,
        )
        await connection.execute(
            "insert into deals (workspace_id, id, name) select $1, 'd-' || n, 'D'"
            " from generate_series(1, 250) n",
            acme.workspace,
        )
    async with database.transaction() as tx:
        workspace = WorkspaceId(UUID(acme.workspace))
        await relinking.mark_changed(
            tx, workspace, "deals", [f"d-{number}" for number in range(1, 251)]
        )
    await crm.put_all(ACCOUNT)
    async with database.connection() as connection:
        linked = await connection.fetchval(
            "select count(*) from conversations where workspace_id = $1 and crm_id = 'acc'",
            acme.workspace,
        )
    assert linked == 5201
