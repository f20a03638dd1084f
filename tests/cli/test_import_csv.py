"""`gateway import` of CSV exports of Salesforce and HubSpot."""

import asyncio
import subprocess
import sys
from pathlib import Path

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
"006D","Bad","","","","","31/31/2026","","","","","",""
"006E","Worse","","","","5K","","","","","","",""

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
001A;Acme Corp;http://www.acme.com/;Jane Doe;10.1.2026;Berlin;1,200
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
    assert (result.code, result.counts) == (1, (3, 0, 2))
    assert result.refusals(path) == {
        6: "Close Date: '31/31/2026' is not a date such as 2026-12-31 or 12/31/2026",
        7: "Amount: '5K' is not an amount such as 50,000.00",
    }
    assert result.notes(path) == [
        "deals in UTF-8, separated by commas"
        "; Amount: decimal point, as in '$50,000.00' in line 2"
        "; Close Date: month first, as in '3/15/2026' in line 2"
        "; Created Date: month first, as in '3/15/2026' in line 2"
        "; Last Activity: month first, as in '3/15/2026' in line 2"
        "; not imported: Lead Source",
        "rows skipped: 2 below the table",
    ]
    assert await get_record(acme, "deals", "006A") == {
        "dealId": "006A",
        "name": 'Big, "new" deal',
        "accountName": "Acme Corp",
        "stage": "Negotiation",
        "pipeline": "New Business",
        "amount": 50000.0,
        "closeDate": "2026-03-15T00:00:00Z",
        "closed": False,
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
    assert (await get_record(acme, "deals", "006C"))["amount"] == -5
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
    assert (result.code, result.counts) == (0, (3, 0, 0))
    read = await get_record(acme, "deals", "101")
    assert (read["name"], read["accountName"], read["closed"]) == ("Renewal", "Acme Corp", True)
    assert (read["amount"], read["pipeline"]) == (50000.0, "Sales Pipeline")
    assert read["closeDate"] == "2026-03-15T16:00:00Z"
    assert read["lastActivityDate"] == "2026-01-10T15:30:00Z"
    assert (await get_record(acme, "deals", "102"))["closed"] is False
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
        "d1,Müller,1,,".encode(),
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
        b"d11,x,1 00,0001-01-01,",
        b'd12,"never ends,1,,',
        b"d13,x,1,,",
    ]
    path = importer.write_file("deals.csv", b"\n".join(rows))
    result = await importer.run(acme, path, "--json")
    reasons = result.refusals(path)
    parts = {
        3: "has 6 cells, the header 5",
        4: "Deal ID: must not be empty",
        5: "is not in UTF-8",
        6: "U+0000",
        7: f"Deal Name: '{'x' * 64}' expected `str` of length <= 1000",
        8: "not a valid CSV row",
        10: "Close Date: 'soon' is not a date",
        11: "Closed: 'perhaps' is neither true nor false",
        14: "Amount: '1 00' is not an amount",
        15: "not a valid CSV row: a quote is not closed",
    }
    assert list(reasons) == list(parts)
    for line, part in parts.items():
        assert part in reasons[line]
    assert (result.code, result.counts) == (1, (4, 0, 10))
    assert sorted(await push_records.listed_ids(acme, "deals")) == ["d1", "d10", "d13", "d7"]
    assert (await get_record(acme, "deals", "d10"))["amount"] == -1.5


# --- values and structure ---------------------------------------------------------------------


async def test_options_decide_ambiguous_values(importer: Importer, acme: Tenant) -> None:
    path = importer.write_file(
        "deals.csv", "Deal ID,Amount,Close Date\nd1,1.234,04/03/2026\nd2,1.5,03/25/2026\n"
    )
    assert (await importer.run(acme, path, "--json")).counts == (2, 0, 0)
    read = await get_record(acme, "deals", "d1")
    assert (read["amount"], read["closeDate"]) == (1.234, "2026-04-03T00:00:00Z")
    options = ["--decimal", "comma", "--dates", "dmy"]
    assert (await importer.run(acme, path, *options, "--json")).counts == (1, 1, 0)
    read = await get_record(acme, "deals", "d1")
    assert (read["amount"], read["closeDate"]) == (1234, "2026-03-04T00:00:00Z")
    # Clear values are read by themselves.
    read = await get_record(acme, "deals", "d2")
    assert (read["amount"], read["closeDate"]) == (1.5, "2026-03-25T00:00:00Z")


async def test_stages_and_owners(importer: Importer, acme: Tenant) -> None:
    stages = {
        True: [
            *("Closed Won", "06. Won", "Lost", "closedlost", "Closed Lost: price", "Won (2026)"),
            *("Geschlossen und gewonnen", "Clôturé - perdu", "Cerrada ganada", "Deal lost"),
        ],
        False: ["Negotiation", "1 - Discovery", "Contract sent"],
        None: ["Lost contact", "Disqualified", "Not closed", "1234", ""],
    }
    values = [(stage, closed) for closed, names in stages.items() for stage in names]
    owners = ["ana@ours.io", "Ana Ruiz", "Ana Ruiz <ana@ours.io>", "(ana@ours.io)"]
    rows = [f"s{number},{stage}," for number, (stage, _) in enumerate(values)]
    rows += [f"o{number},,{owner}" for number, owner in enumerate(owners)]
    text = "\n".join(["Deal ID,Deal Stage,Deal owner", *rows])
    result = await importer.run(acme, importer.write_file("deals.csv", text), "--json")
    assert result.counts == (len(rows), 0, 0)
    listed = (await push_records.get_json(acme, "deals", limit=50))["deals"]
    stored = {each["dealId"]: each for each in listed}
    for number, (stage, closed) in enumerate(values):
        assert stored[f"s{number}"]["closed"] is closed, stage
    names = [None, "Ana Ruiz", "Ana Ruiz", None]
    emails = ["ana@ours.io", None, "ana@ours.io", "ana@ours.io"]
    for number, (name, email) in enumerate(zip(names, emails, strict=True)):
        assert stored[f"o{number}"]["owner"] == {"name": name, "email": email}


async def test_rows_that_are_no_records_are_skipped(importer: Importer, acme: Tenant) -> None:
    rows = [
        "sep=;",
        "Open deals, by owner",
        "",
        "Deal ID;Deal Name;Amount;Amount;Archived",
        "d1;Total;EUR;1.000,50;FALSE",
        "d2;Two;EUR;two;TRUE",
        "d3;Three;3,5;EUR;",
        ";Summe;;1.003,00;",
        "Grand Total (3 records);;;;",
        "",
        "Confidential: internal use only;;;;",
    ]
    path = importer.write_file("deals.csv", "\r\n".join(rows))
    result = await importer.run(acme, path)
    assert (result.code, result.out) == (0, "Stored: 2; unchanged: 0; refused: 0; skipped: 4\n")
    assert result.notes(path) == [
        "deals in UTF-8, separated by semicolons; the header is in line 4"
        "; Amount: decimal comma, as in '3,5' in line 7"
        "; Amount: decimal comma, as in '1.000,50' in line 5",
        "rows skipped: 1 deleted, 2 totals, 1 below the table",
    ]
    read = [await get_record(acme, "deals", each) for each in ("d1", "d3")]
    assert [(each["name"], each["amount"]) for each in read] == [("Total", 1000.5), ("Three", 3.5)]


async def test_reading_resumes_after_a_quote_that_is_not_closed(
    importer: Importer, acme: Tenant
) -> None:
    rows = [
        "Deal ID,Deal Name,Amount",
        'd1,"open,1',
        "d2,two,2",
        'd3,"two',
        'lines",3',
        'd4,"two',
        'lines" and more,4',
        "continued, as text",
        'd5,"five",5',
        'd5,"x "y"" z","two',
        'lines",5',
        'd6,"open,6',
        '"d7","seven","7"',
    ]
    path = importer.write_file("deals.csv", "\n".join(rows))
    result = await importer.run(acme, path, "--json")
    assert sorted(await push_records.listed_ids(acme, "deals")) == ["d2", "d3", "d5", "d7"]
    refusals = result.refusals(path)
    assert list(refusals) == [2, 6, 10, 11]
    assert "lines 6 to 8 are not read" in refusals[6]
    assert "lines 11 to 12 are not read" in refusals[11]


async def test_a_table_from_a_pipe_is_read_as_a_whole(importer: Importer, acme: Tenant) -> None:
    # The value that decides comes after many pieces of the pipe.
    blank = "".join(f"d{number},\n" for number in range(2, 40_002))
    text = f"Deal ID,Close Date\nd1,04/03/2026\n{blank}d0,25/03/2026\n"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "import", "--workspace", acme.workspace, "--json", "-"),
        env=importer.gateway.changed_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(text.encode()), 60)
    assert process.returncode == 0
    assert "day first, as in '25/03/2026' in line 40003" in err.decode()
    assert (await get_record(acme, "deals", "d1"))["closeDate"] == "2026-03-04T00:00:00Z"


# --- refused rows -----------------------------------------------------------------------------


async def test_refused_rows_are_written_for_correction(
    importer: Importer, acme: Tenant, tmp_path: Path
) -> None:
    rows = [
        "Company ID;Company name;Website;Last Activity Date;City",
        '1;"Größe; AG";;2026-01-02;Bonn',
        '2;"Größe; AG";;03/04/2026;Köln',
        "3;No;;;;more",
        '4;"open;;;',
        "5;Five;;;",
    ]
    path, rejects = importer.write_file("companies.csv", "\n".join(rows)), tmp_path / "rejects.csv"
    result = await importer.run(acme, path, "--rejects", rejects, "--json")
    assert result.counts == (2, 0, 3)
    written = rejects.read_text("utf-8-sig").splitlines()
    assert written[0] == f"Reason refused;{rows[0]}"
    reasons = result.refusals(path)
    assert written[1] == f"{reasons[3]};{rows[2]}"
    assert written[2] == f"{reasons[4]};{rows[3]}"
    assert written[3].startswith("not a valid CSV row: a quote is not closed;")
    # Corrected, the file is imported; the reason is not.
    corrected = [written[0], written[1].replace("03/04/2026", "2026-04-03")]
    path = importer.write_file("corrected.csv", "\n".join(corrected))
    result = await importer.run(acme, path, "--rejects", rejects, "--json")
    assert (result.counts, rejects.read_bytes()) == ((1, 0, 0), b"")
    read = await get_record(acme, "accounts", "2")
    assert (read["name"], read["syncedCrmFields"]) == ("Größe; AG", {"City": "Köln"})
    # A row that is refused again has the new reason only.
    path = importer.write_file("again.csv", "\n".join(written[:2]))
    result = await importer.run(acme, path, "--rejects", rejects, "--json")
    assert result.counts == (0, 0, 1)
    assert rejects.read_text("utf-8-sig").splitlines() == written[:2]


async def test_rejects_need_one_file_and_another_name(importer: Importer, acme: Tenant) -> None:
    path = importer.write_file("deals.csv", "Deal ID,Amount\nd1,x\n")
    link = path.with_name("link.csv")
    link.symlink_to(path)
    cases: list[list[str | Path]] = [
        [path, path, "--rejects", "r.csv"],
        [path, "--rejects", path],
        [path, "--rejects", link],
    ]
    for arguments in cases:
        result = await importer.run(acme, *arguments)
        assert (result.code, "--rejects needs one FILE" in result.err) == (2, True)
    assert path.read_text() == "Deal ID,Amount\nd1,x\n"
    result = await importer.run(acme, path, "--rejects", path / "folder" / "r.csv")
    assert (result.code, result.out) == (1, "")
    assert "the file of --rejects cannot be written" in result.err
