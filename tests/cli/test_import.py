"""Records stored by `gateway import`, read over the API: values, ids, workspaces and links."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from domains.kernel.db.database import Database
from domains.kernel.db.statistics import update_statistics
from tests.cli.run_import import (
    ACCOUNT,
    CONVERSATION,
    DEAL,
    DOCUMENT,
    EXAMPLES,
    MESSAGE,
    PROCESSED,
    PRODUCT,
    Importer,
    deal,
    get_record,
)
from tests.revenue import push_records
from tests.stack import Tenant, eventually


def conversation(**fields: Any) -> dict[str, Any]:
    """A conversation with the required fields and `fields`."""
    required = {
        "conversationId": str(uuid4()),
        "sourceId": "gong",
        "startTime": "2026-03-11T14:00:00Z",
        "participants": [{"email": "ana@acme.com", "name": "Ana Ruiz"}],
    }
    return required | fields


def message(**fields: Any) -> dict[str, Any]:
    """An e-mail with the required fields and `fields`."""
    required = {
        "messageId": str(uuid4()),
        "sourceId": "gmail",
        "createdAt": "2026-03-12T14:00:00Z",
        "body": "The export fails every day.",
        "sender": {"email": "ana@acme.com", "name": "Ana Ruiz"},
    }
    return required | fields


# --- values -----------------------------------------------------------------------------------

LATEST = {**DEAL, **ACCOUNT["latestDeal"], "accountId": ACCOUNT["accountId"]}


@pytest.mark.parametrize("lines", [False, True])
async def test_documented_records_are_returned_as_imported(
    importer: Importer, acme: Tenant, lines: bool
) -> None:
    everything: dict[str, list[Any]] = {kind: [each] for kind, (each, _) in EXAMPLES.items()}
    # The documented account names LATEST as its latest deal. The other deal belongs to the same
    # account by name, and is older.
    everything["deals"] = [LATEST, {**DEAL, "createdDate": "2023-08-01T10:30:00Z"}]
    everything["products"] = [PRODUCT]
    if lines:
        path = importer.write_jsonl(
            {"kind": kind if number % 2 else kind[:-1], **each}
            for number, (kind, records) in enumerate(everything.items())
            for each in records
        )
    else:
        path = importer.write_file("all.json", json.dumps(everything, indent=2))
    ran = await importer.run(acme, path)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "Stored: 7; unchanged: 0; refused: 0\n"
    for kind, (example, field) in EXAMPLES.items():
        expected = everything["deals"][1] if kind == "deals" else example
        assert await get_record(acme, kind, example[field]) == expected
        listed = (await push_records.get_json(acme, kind))[kind]
        mine = next(each for each in listed if each[field] == example[field])
        assert mine == {name: expected[name] for name in mine}
    product = await acme.get(f"products/{PRODUCT['id']}")
    assert (product["name"], product["workspaceId"]) == ("Dashboards", acme.workspace)
    # Filters find the imported records.
    assert await push_records.listed_ids(
        acme, "conversations", sourceId="gong", crmName="acme deal"
    )
    assert await push_records.listed_ids(
        acme, "conversations", attendees="example.com", title="pipeline"
    )
    assert await push_records.listed_ids(acme, "messages", participantEmail="ALICE@acme.com")
    assert await push_records.listed_ids(
        acme, "documents", sourceId="chat_upload", name="onboarding"
    )
    assert await push_records.listed_ids(acme, "accounts", owner="jane@example", website="ACME.com")


async def test_missing_fields_get_defaults(importer: Importer, acme: Tenant) -> None:
    call, mail = conversation(), message()
    html = {**message(), "bodyPreview": "<p>Seats &amp; prices"}
    paper = {"id": str(uuid4()), "sourceId": "chat_upload", "url": "https://x.io/a/Our%20plan.pdf"}
    await importer.import_records(
        acme,
        deals=[{"dealId": "d"}],
        accounts=[{"accountId": "a"}],
        conversations=[call],
        messages=[mail, html],
        documents=[paper],
    )
    deal = await get_record(acme, "deals", "d")
    assert deal.pop("contacts") == []
    assert {name for name, value in deal.items() if value is not None} == {"dealId"}
    account = await get_record(acme, "accounts", "a")
    assert (account["name"], account["latestDeal"], account["contacts"]) == (None, None, [])
    read = await get_record(acme, "conversations", call["conversationId"])
    assert (read["endTime"], read["type"]) == (call["startTime"], "EXTERNAL")
    assert read["participants"] == [{"name": "Ana Ruiz", "email": "ana@acme.com", "attended": True}]
    assert [read[name] for name in ("title", "transcript", "summary", "recordings")] == [None] * 4
    read = await get_record(acme, "messages", mail["messageId"])
    assert (read["bodyPreview"], read["recipients"]) == (mail["body"], [])
    # The preview of another system may be HTML.
    read = await get_record(acme, "messages", html["messageId"])
    assert read["bodyPreview"] == "Seats & prices"
    read = await get_record(acme, "documents", paper["id"])
    assert (read["displayName"], read["remoteId"]) == ("Our plan.pdf", paper["id"])
    assert (read["contentType"], read["normalizedUrl"]) == ("text/plain", None)


async def test_a_conversation_without_external_people_is_internal(
    importer: Importer, acme: Tenant, database: Database
) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "update workspaces set domains = '{ours.io}' where name = $1", acme.name
        )
    ours = [{"email": "Rep@OURS.io"}, {"name": "Somebody"}]
    calls = [
        conversation(participants=ours),
        conversation(participants=[*ours, {"email": "ana@acme.com"}]),
        conversation(participants=[*ours, {"email": "ana@acme.com"}], ownerEmails=["x@acme.com"]),
        conversation(participants=ours, type="EXTERNAL"),
        conversation(participants=[]),
    ]
    await importer.import_records(acme, conversations=calls)
    types = [
        (await get_record(acme, "conversations", each["conversationId"]))["type"] for each in calls
    ]
    assert types == ["INTERNAL", "EXTERNAL", "INTERNAL", "EXTERNAL", "EXTERNAL"]


async def test_domains_of_accounts_belong_to_their_organization(
    importer: Importer, acme: Tenant, database: Database
) -> None:
    accounts = {
        "page": {"website": "https://www.facebook.com/acme"},
        "mail": {"domain": "gmail.com"},
        "other": {"domain": "gmail.com", "website": "https://www.Acme.example"},
        "both": {"domain": "acme.example", "website": "https://acme.de"},
        "idn": {"website": "www.müller.example"},
    }
    records = [{"accountId": name, **fields} for name, fields in accounts.items()]
    await importer.import_records(acme, accounts=records)
    async with database.connection() as connection:
        stored = await connection.fetch(
            "select id, domain from accounts where workspace_id = $1", UUID(acme.workspace)
        )
    assert dict(stored) == {
        "page": None,
        "mail": None,
        "other": "acme.example",
        "both": "acme.example",
        "idn": "xn--mller-kva.example",
    }


async def test_formats_of_times(importer: Importer, acme: Tenant) -> None:
    times = [1710000000, 1710000000000, "1710000000", "2024-03-09 16:00", "2024-03-09T17:00+01:00"]
    deals = [{"dealId": f"d{n}", "closeDate": time} for n, time in enumerate(times)]
    await importer.import_records(acme, deals=deals)
    for each in deals:
        read = await get_record(acme, "deals", each["dealId"])
        assert read["closeDate"] == "2024-03-09T16:00:00Z"


async def test_values_at_their_limits_are_stored(importer: Importer, acme: Tenant) -> None:
    wide = "𝄞"
    person = {"name": wide * 1000, "email": wide * 512}
    deal = {
        "dealId": wide * 32,
        "accountId": "a" * 128,
        "contacts": [person],
        "owner": person,
        **dict.fromkeys(("name", "accountName", "stage", "pipeline"), wide * 1000),
    }
    account = {
        "accountId": "a" * 128,
        "name": wide * 1000,
        "website": f"https://{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.com/{'x' * 2000}",
        "contacts": [person],
        "owner": person,
        "syncedCrmFields": {"Worth": 123456789012345678901234567890},
    }
    call = conversation(
        title=wide * 10_000,
        participants=[person],
        crm={"id": wide * 32, "name": wide * 1000, "type": "opportunity"},
    )
    mail = message(
        threadId=wide * 512,
        remoteId=wide * 512,
        subject=wide * 10_000,
        sender=person,
        body=wide * 100_000,
    )
    await importer.import_records(
        acme, deals=[deal], accounts=[account], conversations=[call], messages=[mail]
    )
    assert await push_records.listed_ids(acme, "deals") == [deal["dealId"]]
    assert (await get_record(acme, "accounts", account["accountId"]))["name"] == account["name"]
    assert (await get_record(acme, "conversations", call["conversationId"]))["title"] == call[
        "title"
    ]
    answer = await push_records.get_json(acme, "messages", threadId=mail["threadId"])
    assert [each["messageId"] for each in answer["messages"]] == [mail["messageId"]]


# --- repeated imports and other workspaces ----------------------------------------------------


async def _state(database: Database, tenant: Tenant) -> Any:
    """Pending jobs and link changes, and the row versions of the imported records."""
    tables = ("deals", "accounts", "conversations", "messages", "documents", "products")
    async with database.connection() as connection:
        # Read first, because the rows do not change once nothing is pending.
        pending = await connection.fetchval(
            "select (select count(*) from crm_changes where workspace_id = $1::uuid)"
            " + (select count(*) from jobs where workspace_id = $1::uuid"
            " and state not in ('done', 'failed'))",
            tenant.workspace,
        )
        rows = [
            await connection.fetch(
                f"select id, xmin::text from {table} where workspace_id = $1::uuid order by id",
                tenant.workspace,
            )
            for table in tables
        ]
    return pending, rows


async def test_a_second_import_changes_nothing(
    importer: Importer, acme: Tenant, database: Database
) -> None:
    everything = {kind: [each] for kind, (each, _) in EXAMPLES.items()} | {"products": [PRODUCT]}
    # Generated values are the same again.
    attachments = [{"filename": "a.pdf"}, {"filename": "b.pdf", "url": "https://x.io/b.pdf"}]
    everything["messages"] = [*everything["messages"], message(attachments=attachments)]
    everything["conversations"] = [*everything["conversations"], conversation()]
    assert (await importer.import_records(acme, **everything)).counts == (8, 0, 0)

    async def settled() -> Any:
        state = await _state(database, acme)
        return state if state[0] == 0 else None

    before = await eventually(settled)
    assert (await importer.import_records(acme, **everything)).counts == (0, 8, 0)
    assert await _state(database, acme) == before

    everything["deals"] = [{**DEAL, "stage": "Closed Won", "summary": None}]
    everything["products"] = [{**PRODUCT, "name": "Boards"}]
    assert (await importer.import_records(acme, **everything)).counts == (2, 6, 0)
    deal = await get_record(acme, "deals", DEAL["dealId"])
    # Without an imported summary, one is made from the records linked to the deal.
    assert deal.pop("summary") != DEAL["summary"]
    assert deal == {name: value for name, value in DEAL.items() if name != "summary"} | {
        "stage": "Closed Won"
    }
    assert (await acme.get(f"products/{PRODUCT['id']}"))["name"] == "Boards"


async def test_the_last_of_several_records_with_one_id_is_stored(
    importer: Importer, acme: Tenant
) -> None:
    deals = [{"dealId": "d", "name": name} for name in ("one", "two", "three")]
    named = [{**PRODUCT, "name": name} for name in ("one", "two")]
    ran = await importer.import_records(acme, deals=deals, products=named)
    assert ran.counts == (2, 3, 0)
    assert (await get_record(acme, "deals", "d"))["name"] == "three"
    assert (await acme.get(f"products/{PRODUCT['id']}"))["name"] == "two"


async def test_workspaces_can_use_the_same_ids(
    importer: Importer, acme: Tenant, rival: Tenant
) -> None:
    mine = {kind: [each] for kind, (each, _) in EXAMPLES.items()} | {"products": [PRODUCT]}
    theirs: dict[str, list[Any]] = {
        "deals": [{**DEAL, "name": "Theirs"}],
        "accounts": [{**ACCOUNT, "name": "Theirs"}],
        "conversations": [{**CONVERSATION, "title": "Theirs"}],
        "messages": [{**MESSAGE, "subject": "Theirs"}],
        "documents": [{**DOCUMENT, "displayName": "Theirs"}],
        "products": [{**PRODUCT, "name": "Theirs"}],
    }
    assert (await importer.import_records(acme, **mine)).counts == (6, 0, 0)
    assert (await importer.import_records(rival, **theirs)).counts == (6, 0, 0)
    assert (await importer.import_records(acme, **mine)).counts == (0, 6, 0)
    for kind, (example, field) in EXAMPLES.items():
        latest = {"latestDeal": None} if kind == "accounts" else {}
        read = await get_record(acme, kind, example[field])
        assert {**read, **latest} == {**example, **latest}
        read = await get_record(rival, kind, example[field])
        assert {**read, **latest} == {**theirs[kind][0], **latest}
    assert (await acme.get("products"))[0]["name"] == "Dashboards"
    assert (await rival.get("products"))[0]["name"] == "Theirs"


async def test_a_deleted_record_is_restored(
    importer: Importer, acme: Tenant, database: Database
) -> None:
    await importer.import_records(acme, conversations=[CONVERSATION])
    async with database.connection() as connection:
        await connection.execute(
            "update conversations set deleted_at = now() where workspace_id = $1::uuid",
            acme.workspace,
        )
    path = f"/v1/conversations/{CONVERSATION['conversationId']}"
    assert (await acme.http.get(path)).status_code == 404
    assert (await importer.import_records(acme, conversations=[CONVERSATION])).counts == (1, 0, 0)
    assert (await acme.http.get(path)).json() == CONVERSATION


# --- pushed records ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["conversations", "messages", "documents"])
@pytest.mark.parametrize("deleted", [False, True])
async def test_the_id_of_a_pushed_record_is_refused(
    importer: Importer, acme: Tenant, kind: str, deleted: bool, database: Database
) -> None:
    source = await push_records.create_source(acme)
    taken = await source.push(kind, "r-1")
    if deleted:
        assert (await source.delete(kind, "r-1")).status_code == 200
    example, field = EXAMPLES[kind]
    records = [{"kind": kind, **example}, {"kind": kind, **example, field: taken}]
    path = importer.write_jsonl([*records, {"kind": "deal", "dealId": "d"}])
    async with database.connection() as connection:
        before = await connection.fetchrow(f"select * from {kind} where id = $1::uuid", taken)
    reason = {2: f"{field}: is the id of a record that was pushed"}
    for options in (["--dry-run"], []):
        ran = await importer.run(acme, path, "--json", *options)
        assert (ran.code, ran.counts) == (1, (2, 0, 1))
        assert ran.refusals(path) == reason
    async with database.connection() as connection:
        after = await connection.fetchrow(f"select * from {kind} where id = $1::uuid", taken)
    unmoved = set(before.keys()) - {"deal_id", "account_id", "crm_id", "crm_name", "crm_type"}
    # Jobs of the pushed record are running.
    unmoved -= {"state", "error", "recording_error"}
    assert {name: before[name] for name in unmoved} == {name: after[name] for name in unmoved}
    # The first is stored already; with --strict, the third is not read.
    ran = await importer.run(acme, path, "--json", "--strict")
    assert (ran.code, ran.counts, ran.refusals(path)) == (1, (0, 1, 1), reason)


# --- links ------------------------------------------------------------------------------------


async def test_missing_links_and_activity_are_computed(importer: Importer, acme: Tenant) -> None:
    source = await push_records.create_source(acme)
    call = await source.push("conversations", "c-1")
    await importer.import_records(
        acme,
        accounts=[{"accountId": "A", "name": "ACME Corp", "website": "www.Acme.com/about"}],
        deals=[
            {"dealId": "D", "name": "Renewal", "accountName": "acme corp", "closed": False},
            {"dealId": "E", "accountName": "acme corp", "closed": True, "contacts": []},
        ],
        messages=[message()],
        conversations=[conversation(participants=[{"email": "someone@elsewhere.org"}])],
    )

    async def linked() -> Any:
        deal = await get_record(acme, "deals", "D")
        if (await get_record(acme, "conversations", call))["crm"] is None:
            return None
        return deal if deal["lastActivityDate"] == "2026-03-12T14:00:00Z" else None

    deal = await eventually(linked)
    assert deal["contacts"] == [
        {"name": "Ana Ruiz", "email": "ana@acme.com", "title": None, "phone": None}
    ]
    read = await get_record(acme, "conversations", call)
    assert read["crm"] == {"id": "D", "name": "Renewal", "type": "opportunity"}
    account = await get_record(acme, "accounts", "A")
    assert account["lastActivityDate"] == "2026-03-12T14:00:00Z"
    assert account["latestDeal"]["dealId"] == "D"
    assert [each["email"] for each in account["contacts"]] == ["ana@acme.com"]
    other = await get_record(acme, "deals", "E")
    assert (other["lastActivityDate"], other["contacts"]) == (None, [])


async def test_imported_links_and_activity_are_kept(importer: Importer, acme: Tenant) -> None:
    link = {"id": "G", "name": "As imported", "type": "opportunity"}
    calls = [conversation(crm=link), conversation(), conversation(crm={**link, "id": None})]
    contacts = [{"name": "Bo", "email": "bo@acme.com", "title": None, "phone": None}]
    everything: dict[str, list[Any]] = {
        "accounts": [
            {
                "accountId": "A",
                "name": "Acme",
                "website": "https://acme.com",
                "lastActivityDate": "2020-01-01T00:00:00Z",
                "contacts": [],
            }
        ],
        "deals": [
            {"dealId": "D", "accountId": "A", "lastActivityDate": "2020-01-01T00:00:00Z"},
            {"dealId": "G", "name": "Growth", "contacts": contacts},
        ],
        "conversations": calls,
    }
    await importer.import_records(acme, **everything)
    first, second, third = (each["conversationId"] for each in calls)

    async def linked() -> Any:
        deal = await get_record(acme, "deals", "G")
        linked = await get_record(acme, "conversations", second)
        return deal if deal["lastActivityDate"] and linked["crm"] else None

    deal = await eventually(linked)
    assert deal["lastActivityDate"] == "2026-03-11T14:00:00Z"
    assert deal["contacts"] == contacts
    assert (await get_record(acme, "conversations", first))["crm"] == link
    assert (await get_record(acme, "conversations", second))["crm"]["id"] == "D"
    assert (await get_record(acme, "conversations", third))["crm"] == {**link, "id": None}
    for kind, id_ in (("deals", "D"), ("accounts", "A")):
        assert (await get_record(acme, kind, id_))["lastActivityDate"] == "2020-01-01T00:00:00Z"
    assert (await get_record(acme, "accounts", "A"))["contacts"] == []
    # Computed links do not count as changes when the same file is imported again, and are kept.
    assert (await importer.import_records(acme, **everything)).counts == (0, 6, 0)
    everything["conversations"] = [{**calls[1], "title": "Named"}, {**calls[0], "crm": None}]
    assert (await importer.import_records(acme, **everything)).counts == (2, 3, 0)
    assert (await get_record(acme, "conversations", second))["crm"]["id"] == "D"

    async def found_now() -> Any:
        crm = (await get_record(acme, "conversations", first))["crm"]
        return crm and crm["id"] == "D"

    await eventually(found_now)


async def test_the_latest_deal_is_the_latest_open_one(importer: Importer, acme: Tenant) -> None:
    def deal(name: str, created: int, closed: bool | None, **account: str) -> dict[str, Any]:
        day = f"2026-01-{created:02}T00:00:00Z"
        return {"dealId": name, "createdDate": day, "closed": closed, **account}

    await importer.import_records(
        acme,
        accounts=[{"accountId": each, "name": f"Company {each}"} for each in "ABCD"],
        deals=[
            deal("a1", 1, False, accountId="A"),
            deal("a2", 2, None, accountName="COMPANY a"),
            deal("a3", 3, True, accountId="A"),
            # The account id takes precedence over the account name.
            deal("b1", 4, False, accountId="B", accountName="Company A"),
            deal("c1", 1, True, accountName="company C"),
            deal("c2", 2, True, accountId="C"),
        ],
    )
    latest = {
        each["accountId"]: each["latestDeal"] and each["latestDeal"]["dealId"]
        for each in (await push_records.get_json(acme, "accounts"))["accounts"]
    }
    assert latest == {"A": "a2", "B": "b1", "C": "c2", "D": None}


async def test_a_conversation_without_a_summary_gets_one(importer: Importer, acme: Tenant) -> None:
    words = "The export crashes every morning."
    transcript = [{"speaker": "Ana Ruiz", "text": words, "startTime": 0, "endTime": 4}]
    call = conversation(title="Demo for Acme", transcript=transcript)
    summarised = conversation(
        transcript=transcript, summary={"Outcome": "Won"}, category="closed_won"
    )
    assert (await importer.import_records(acme, conversations=[call, summarised])).counts == (
        2,
        0,
        0,
    )

    async def summary() -> Any:
        read = await get_record(acme, "conversations", call["conversationId"])
        is_processed = read["processing"] == PROCESSED
        assert is_processed == (read["summary"] is not None)
        return read["summary"]

    assert await eventually(summary)
    read = await get_record(acme, "conversations", call["conversationId"])
    assert (read["category"], read["language"]) == ("prospect_demo", "en")
    kept = await get_record(acme, "conversations", summarised["conversationId"])
    assert (kept["summary"], kept["category"]) == ({"Outcome": "Won"}, "closed_won")
    assert kept["processing"] == PROCESSED
    evidence = await get_record(acme, "conversations", f"{call['conversationId']}/evidence")
    assert evidence.keys() == read["summary"].keys()
    assert evidence["Pain Points"][0]["quote"] == words
    # Only computed summaries have evidence.
    assert await get_record(acme, "conversations", f"{summarised['conversationId']}/evidence") == {}
    # Computed values do not count as changes.
    assert (await importer.import_records(acme, conversations=[call, summarised])).counts == (
        0,
        2,
        0,
    )
    assert await summary()
    # A conversation that is replaced keeps no result of the former one.
    bare = {name: value for name, value in call.items() if name != "transcript"}
    assert (await importer.import_records(acme, conversations=[bare])).counts == (1, 0, 0)
    read = await get_record(acme, "conversations", call["conversationId"])
    assert (read["summary"], read["category"], read["processing"]) == (None, None, PROCESSED)
    assert read["language"] is None
    evidence = await get_record(acme, "conversations", f"{call['conversationId']}/evidence")
    assert evidence == {}


async def test_a_large_import_updates_the_statistics_of_each_kind(
    importer: Importer, acme: Tenant, database: Database
) -> None:
    async def analyzed() -> dict[str, int]:
        async with database.connection() as connection:
            counts = await connection.fetch(
                "select relname, analyze_count from pg_stat_user_tables"
                " where relname in ('accounts', 'deals', 'jobs', 'products')"
            )
        return dict(counts)

    before = await analyzed()
    deals = map(deal, range(10_000))
    accounts = ({"kind": "account", "accountId": f"a{number}"} for number in range(10))
    path = importer.write_jsonl([*accounts, *deals])
    assert (await importer.run(acme, path, "--dry-run")).code == 0
    assert (await importer.run(acme, path)).code == 0
    # By a dry run and for ten accounts there was no update.
    expected = before | {name: before[name] + 1 for name in ("deals", "jobs")}

    async def is_updated() -> bool:
        return await analyzed() == expected

    assert await eventually(is_updated)


async def test_statistics_that_cannot_be_updated_stay_as_they_are(database: Database) -> None:
    await update_statistics(database.read, ("no_such_table", "products"))
