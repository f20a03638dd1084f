"""`gateway import` of CSV exports of Salesforce and HubSpot."""

from tests.cli.run_import import Importer, get_record
from tests.revenue import push_records
from tests.stack import Tenant

SALESFORCE_DEALS = """\
"Opportunity ID","Opportunity Name","Account ID","Account Name","Stage","Amount","Close Date",\
"Created Date","Last Activity","Opportunity Owner","Owner Email","Type","Lead Source"
"006A","Big, ""new"" deal","001A","Acme Corp","Negotiation","$50,000.00","3/15/2026",\
"9/1/2025","1/10/2026","Jane Doe","jane@ours.io","New Business","Web"
"006B","Two
lines","","Acme Corp","Closed Won","1200","12/31/2025","9/1/2025, 2:30 PM","","Jane Doe","","",""
"006C","Lost","","","Closed Lost","(5)","","","","","","",""
"006D","Bad","","","","","15/3/2026","","","","","",""

"Opportunities of the year"
"Copyright (c) 2026"
"""
SALESFORCE_OBJECTS = """\
Id,AccountId,Name,StageName,Amount,CloseDate,IsClosed,CreatedDate,LastActivityDate,Owner.Name,\
Owner.Email
006A,001A,Deal,Closed Won,1.5,2026-03-15,false,2025-09-01T10:30:00.000+0000,2026-01-10,Jane Doe,\
jane@ours.io
"""
HUBSPOT_DEALS = """\
\ufeffRecord ID,Deal Name,Deal Stage,Pipeline,Amount,Close Date,Create Date,Last Activity Date,\
Deal owner,Associated Company,Associated Company IDs (Primary)
101,Renewal,closedwon,Sales Pipeline,"50,000.00",2026-03-15 16:00,2025-09-01 10:30,\
2026-01-10 15:30,Jane Doe,Acme Corp,9001
102,Open,Contract sent,Sales Pipeline,,,,,,Acme Corp,9001;9002
"""
SALESFORCE_ACCOUNTS = """\
account id;ACCOUNT NAME;Website;Account Owner;Last Activity;Billing City;Employees
001A;Acme Corp;http://www.acme.com/;Jane Doe;1/10/2026;Berlin;1,200
001B;Other;;;;;
"""
HUBSPOT_COMPANIES = """\
Record ID,Company name,Company Domain Name,Company owner,Create Date,Last Activity Date,\
Close Date,Industry
9001,Acme Corp,acme.com,Jane Doe,2025-09-01 10:30,2026-01-10 15:30,2026-03-01 00:00,TECH
"""


async def test_deals_of_a_salesforce_report(importer: Importer, acme: Tenant) -> None:
    path = importer.write_file("report.csv", SALESFORCE_DEALS.replace("\n", "\r\n"))
    result = await importer.run(acme, path, "--json")
    assert (result.code, result.counts) == (1, (2, 0, 2))
    assert result.refusals(path) == {
        5: "Amount: '(5)' is not an amount such as 50,000.00",
        6: "Close Date: '15/3/2026' is not a date such as 12/31/2026 or 2026-12-31",
    }
    assert await get_record(acme, "deals", "006A") == {
        "dealId": "006A",
        "name": 'Big, "new" deal',
        "accountName": "Acme Corp",
        "stage": "Negotiation",
        "pipeline": "New Business",
        "amount": 50000.0,
        "closeDate": "2026-03-15T00:00:00Z",
        "closed": None,
        "createdDate": "2025-09-01T00:00:00Z",
        "lastActivityDate": "2026-01-10T00:00:00Z",
        "owner": {"name": "Jane Doe", "email": "jane@ours.io"},
        "summary": None,
        "crmAutofill": None,
        "contacts": [],
    }
    read = await get_record(acme, "deals", "006B")
    assert (read["closed"], read["createdDate"]) == (True, "2025-09-01T14:30:00Z")
    assert (read["name"], read["owner"]) == (
        "Two\r\nlines",
        {"name": "Jane Doe", "email": None},
    )
    # The deal is linked by the account id, which no field of a deal shows.
    await importer.import_records(acme, accounts=[{"accountId": "001A", "name": "Renamed"}])
    assert (await get_record(acme, "accounts", "001A"))["latestDeal"]["dealId"] == "006A"


async def test_deals_of_a_salesforce_export(importer: Importer, acme: Tenant) -> None:
    result = await importer.run(
        acme, importer.write_file("Opportunity.csv", SALESFORCE_OBJECTS), "--json"
    )
    assert result.counts == (1, 0, 0)
    read = await get_record(acme, "deals", "006A")
    # The column IsClosed takes precedence over the stage.
    assert (read["name"], read["stage"], read["closed"]) == ("Deal", "Closed Won", False)
    assert read["createdDate"] == "2025-09-01T10:30:00Z"
    assert read["owner"] == {"name": "Jane Doe", "email": "jane@ours.io"}


async def test_deals_and_companies_of_hubspot(importer: Importer, acme: Tenant) -> None:
    files = [
        importer.write_file("deals.csv", HUBSPOT_DEALS),
        importer.write_file("companies.csv", HUBSPOT_COMPANIES),
    ]
    result = await importer.run(acme, *files, "--json")
    assert (result.code, result.counts, result.err) == (0, (3, 0, 0), "")
    read = await get_record(acme, "deals", "101")
    assert (read["name"], read["accountName"], read["closed"]) == ("Renewal", "Acme Corp", True)
    assert (read["amount"], read["pipeline"]) == (50000.0, "Sales Pipeline")
    assert read["closeDate"] == "2026-03-15T16:00:00Z"
    assert read["lastActivityDate"] == "2026-01-10T15:30:00Z"
    assert (await get_record(acme, "deals", "102"))["closed"] is None
    read = await get_record(acme, "accounts", "9001")
    assert (read["name"], read["website"]) == ("Acme Corp", "acme.com")
    assert read["createdDate"] == "2025-09-01T10:30:00Z"
    assert read["syncedCrmFields"] == {"Close Date": "2026-03-01 00:00", "Industry": "TECH"}
    assert read["latestDeal"]["dealId"] == "102"
    assert (await importer.run(acme, *files, "--json")).counts == (0, 3, 0)


async def test_accounts_of_salesforce(importer: Importer, acme: Tenant) -> None:
    path = importer.write_file("accounts.csv", SALESFORCE_ACCOUNTS)
    assert (await importer.run(acme, path, "--json")).counts == (2, 0, 0)
    read = await get_record(acme, "accounts", "001A")
    assert (read["name"], read["owner"]) == ("Acme Corp", {"name": "Jane Doe", "email": None})
    assert read["syncedCrmFields"] == {"Billing City": "Berlin", "Employees": "1,200"}
    # The host of the account's website is its e-mail domain.
    source = await push_records.create_source(acme)
    call = await source.push("conversations", "c")
    assert (await get_record(acme, "conversations", call))["crm"]["id"] == "001A"
    assert (await get_record(acme, "accounts", "001B"))["syncedCrmFields"] is None


async def test_bad_rows_are_refused_and_good_ones_stored(importer: Importer, acme: Tenant) -> None:
    rows = [
        b"Deal ID,Deal Name,Amount,Close Date,Closed",
        b"d1,one,1,,",
        b"d2,one,1,,,more",
        b",none,1,,",
        b"d3,\xff,1,,",
        b"d4,a\0b,1,,",
        b"d5,%s,1,," % (b"x" * 1001),
        b'd6,"quoted" wrong,1,,',
        b"d7,short",
        b"d8,x,1,soon,",
        b"d9,x,1,,perhaps",
        b'd10,"two\nlines",-$1.50,2026-01-02,TRUE',
        b"d11,x,1 000,,",
        b'd12,"never ends,1,,',
        b"d13,x,1,,",
    ]
    path = importer.write_file("deals.csv", b"\n".join(rows))
    result = await importer.run(acme, path, "--json")
    reasons = result.refusals(path)
    parts = {
        3: "has 6 cells, the header 5",
        4: "dealId: must not be empty",
        5: "UTF-8",
        6: "U+0000",
        7: "name: expected",
        8: "not a valid CSV row",
        10: "closeDate: must be an ISO 8601",
        11: "Closed: 'perhaps' is neither true nor false",
        14: "Amount: '1 000' is not an amount",
        15: "not a valid CSV row",
    }
    assert list(reasons) == list(parts)
    for line, part in parts.items():
        assert part in reasons[line]
    assert (result.code, result.counts) == (1, (3, 0, 10))
    assert sorted(await push_records.listed_ids(acme, "deals")) == ["d1", "d10", "d7"]
    assert (await get_record(acme, "deals", "d10"))["amount"] == -1.5
