"""`gateway import` of contacts: the people of accounts, and the links that follow from them."""

from typing import Any

import pytest

from tests.cli.run_import import CALL, Importer, get_record
from tests.revenue import push_records
from tests.stack import Tenant, eventually

ACCOUNTS = """\
Id,Name,Website,Industry
001A,Acme,https://acme.com,Steel
001B,Beta,https://beta.com,
001C,Twin,,
001D,twin,,
"""
SALESFORCE_CONTACTS = """\
Contact ID,First Name,Last Name,Title,Email,Phone,Account ID,Account Name,IsDeleted
003A,Ana,Ruiz,CFO,Ana@Personal.example,+34 555,001A,Acme,false
003B,,Berg,,,,,BETA,false
003C,Gone,,,,,001A,Acme,true
003D,No,Account,,no@x.example,,,,
003E,Un,Known,,un@x.example,,001Z,Acme,
003F,Two,Accounts,,two@x.example,,,Twin,
"""
HUBSPOT_CONTACTS = """\
Record ID,First Name,Last Name,Email,Job Title,Associated Company,Associated Company IDs (Primary)
7,Cy,Lund,Cy Lund <cy@acme.com>,Buyer,Acme,001A;001B
8,Di,Mo,di@x.example; mo@x.example,,Acme,001A
"""
ANA = {"name": "Ana Ruiz", "email": "Ana@Personal.example", "title": "CFO", "phone": "+34 555"}
BERG = {"name": "Berg", "email": None, "title": None, "phone": None}
CY = {"name": "Cy Lund", "email": "cy@acme.com", "title": "Buyer", "phone": None}


async def _contacts(tenant: Tenant, account: str) -> Any:
    return (await get_record(tenant, "accounts", account))["contacts"]


@pytest.mark.parametrize("accounts_first", [True, False])
async def test_contacts_are_added_to_their_accounts(
    importer: Importer, acme: Tenant, accounts_first: bool
) -> None:
    accounts = importer.write_file("accounts.csv", ACCOUNTS)
    contacts = importer.write_file("contacts.csv", SALESFORCE_CONTACTS)
    hubspot = importer.write_file("hubspot.csv", HUBSPOT_CONTACTS)
    files = [accounts, contacts, hubspot] if accounts_first else [hubspot, contacts, accounts]
    assert (await importer.run(acme, *files, "--dry-run", "--json")).counts == (7, 0, 4)
    assert (await importer.run(acme, *files, "--json")).counts == (7, 0, 4)
    result = await importer.run(acme, *files, "--json")
    assert (result.code, result.counts) == (1, (0, 7, 4))
    reasons = [line.partition(": ")[2] for line in result.err.splitlines() if ".csv:" in line]
    assert [reason for reason in reasons if "account" in reason.lower() and "'" in reason] == [
        "Account ID: '001Z' is not an account of the workspace. Import the accounts first",
        "Account Name: 'Twin' is the name of several accounts. Name the account by its id",
    ]
    assert "Email: 'di@x.example; mo@x.example' is not an e-mail address" in reasons
    assert "Account ID: must not be empty: a contact belongs to an account" in reasons
    assert await _contacts(acme, "001A") == [ANA, CY]
    assert await _contacts(acme, "001B") == [BERG]
    assert (await get_record(acme, "accounts", "001A"))["syncedCrmFields"] == {"Industry": "Steel"}


async def test_accounts_keep_their_contacts_when_they_are_imported_again(
    importer: Importer, acme: Tenant
) -> None:
    own = {"name": "Cy L.", "email": "CY@acme.com", "title": None, "phone": None}
    account = {"accountId": "001A", "name": "Acme", "contacts": [own]}
    await importer.import_records(acme, accounts=[account])
    people = {"contactId": "7", "accountName": "Acme", "name": "Cy Lund", "email": "cy@acme.com"}
    await importer.import_records(acme, contacts=[people, {**people, "contactId": "8", **BERG}])
    # The account's own contacts come first, and replace those with the same address.
    assert await _contacts(acme, "001A") == [own, BERG]
    await importer.import_records(acme, accounts=[{"accountId": "001A", "name": "Acme"}])
    cy = {"name": "Cy Lund", "email": "cy@acme.com", "title": None, "phone": None}
    assert await _contacts(acme, "001A") == [BERG, cy]
    await importer.import_records(acme, accounts=[{**account, "contacts": []}])
    assert await _contacts(acme, "001A") == [BERG, cy]


async def test_addresses_of_contacts_link_conversations(importer: Importer, acme: Tenant) -> None:
    source = await push_records.create_source(acme)
    people = [{"name": "Ana", "email": "ana@personal.example"}]
    call = await source.push("conversations", "c-1", participants=people)
    native = {name: value for name, value in CALL.items() if name != "kind"}
    await importer.import_records(
        acme,
        accounts=[{"accountId": "001A", "name": "Acme"}, {"accountId": "001B", "name": "Beta"}],
        deals=[{"dealId": "006B", "name": "Renewal", "accountId": "001B", "closed": False}],
        conversations=[{**native, "participants": people}],
    )

    async def linked(expected: str) -> bool:
        ids = [call, CALL["conversationId"]]
        crm = [(await get_record(acme, "conversations", each))["crm"] for each in ids]
        return all(each is not None and each["id"] == expected for each in crm)

    contact = {"contactId": "003A", "accountId": "001A", "email": " Ana@Personal.example"}
    await importer.import_records(acme, contacts=[contact])
    await eventually(lambda: linked("001A"))
    later = await source.push("conversations", "c-2", participants=people)
    assert (await get_record(acme, "conversations", later))["crm"]["id"] == "001A"
    # A contact that moves to another account takes its conversations along.
    await importer.import_records(acme, contacts=[{**contact, "accountId": "001B"}])
    await eventually(lambda: linked("006B"))
    assert await _contacts(acme, "001B") != []
    # Without imported contacts, an account shows the people of its conversations.
    assert await _contacts(acme, "001A") == []


async def test_contacts_belong_to_one_workspace(
    importer: Importer, acme: Tenant, rival: Tenant
) -> None:
    await importer.import_records(acme, accounts=[{"accountId": "001A", "name": "Acme"}])
    path = importer.write_jsonl([{"kind": "contact", "contactId": "1", "accountId": "001A"}])
    assert (await importer.run(rival, path, "--json")).counts == (0, 0, 1)
    assert (await importer.run(acme, path, "--strict", "--json")).counts == (1, 0, 0)
    await importer.import_records(rival, accounts=[{"accountId": "001A", "name": "Acme"}])
    assert await _contacts(rival, "001A") == []
    assert len(await _contacts(acme, "001A")) == 1


async def test_contacts_do_not_find_accounts_of_later_batches(
    importer: Importer, acme: Tenant
) -> None:
    contact = {"kind": "contact", "contactId": "003A", "accountId": "a8999", "name": "Ana"}
    accounts = [{"kind": "account", "accountId": f"a{number}"} for number in range(9_000)]
    path = importer.write_jsonl([contact, *accounts])
    result = await importer.run(acme, path, "--json")
    assert result.counts == (9_000, 0, 1)
    assert list(result.refusals(path)) == [1]
    assert (await importer.run(acme, path, "--json")).counts == (1, 9_000, 0)
