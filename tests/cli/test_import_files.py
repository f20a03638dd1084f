"""The files that `gateway import` takes, what it says of them and with which code it ends."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domains.kernel.db.database import Database
from tests.cli.run_import import DEAL, Importer, get_record
from tests.revenue import push_records
from tests.stack import Tenant, eventually

CALL = {
    "kind": "conversation",
    "conversationId": "550e8400-e29b-41d4-a716-446655440000",
    "sourceId": "gong",
    "startTime": "2026-03-11T14:00:00Z",
}
MAIL = {
    "kind": "message",
    "messageId": "550e8400-e29b-41d4-a716-446655440001",
    "sourceId": "gmail",
    "createdAt": "2026-03-11T14:00:00Z",
    "body": "Hello",
}
PAPER = {
    "kind": "document",
    "id": "550e8400-e29b-41d4-a716-446655440002",
    "sourceId": "chat_upload",
    "url": "https://example.com/a.pdf",
}


def deal(number: int, **fields: Any) -> dict[str, Any]:
    return {"kind": "deal", "dealId": f"d{number}", **fields}


# --- lines that are refused -------------------------------------------------------------------

# Each with a part of the reason.
BAD: list[tuple[bytes | dict[str, Any], str]] = [
    (b"{", "not valid JSON"),
    (b'{"kind": "deal", "dealId": "x"} x', "not valid JSON"),
    (b'{"kind": "deal", "dealId": "x", "other": tru}', "not valid JSON"),
    (b'{"kind": "deal", "dealId": "x\xff"}', "UTF-8"),
    (b'{"kind": "deal", "dealId": "x", "other": "\xff"}', "UTF-8"),
    (b'{"kind": "deal", "dealId": "x", "name": "\\u0000"}', "U+0000"),
    (b'{"kind": "deal", "dealId": "x", "name": "\\ud800"}', "not valid JSON"),
    (b'{"kind": "deal", "dealId": "x", "amount": 1e999}', "amount"),
    (b'{"kind": "deal", "dealId": "x", "amount": NaN}', "not valid JSON"),
    (b'{"kind": "deal", "dealId": "x", "summary": {"a": ' + b"[" * 99 + b"]" * 99 + b"}}", "deep"),
    (b"[]", "expected `object`"),
    (b"5", "expected `object`"),
    (b'"deal"', "expected `object`"),
    ({"dealId": "x"}, "missing required field `kind`"),
    ({"kind": "row", "dealId": "x"}, "kind: must be one of products, deals"),
    ({"kind": "deal"}, "missing required field `dealId`"),
    ({"kind": "deal", "dealId": ""}, "dealId: must not be empty"),
    ({"kind": "deal", "dealId": 7}, "dealId: expected `str`"),
    (deal(1, dealId="é" * 65), "dealId: must have at most 128 bytes"),
    (deal(1, accountId="x" * 129), "accountId: must have at most 128 bytes"),
    (deal(1, name="x" * 1001), "name: expected `str` of length <= 1000"),
    (deal(1, amount="50"), "amount: expected `float | null`"),
    (deal(1, closed="no"), "closed: expected `bool | null`"),
    (deal(1, closeDate="soon"), "closeDate: must be an ISO 8601"),
    (deal(1, lastActivityDate="0001-01-01T00:00:00Z"), "lastActivityDate: lies outside"),
    (deal(1, contacts=[{"email": "x" * 513}]), "contacts[0].email"),
    (deal(1, summary=[]), "summary: expected `object | null`"),
    ({"kind": "account", "accountId": "x" * 129}, "accountId: must have at most 128 bytes"),
    ({"kind": "account", "accountId": "a", "syncedCrmFields": "x"}, "syncedCrmFields"),
    ({**CALL, "conversationId": "x"}, "conversationId: invalid UUID"),
    ({**CALL, "sourceId": "gmail"}, "sourceId: must be one of avoma, chorus"),
    ({**CALL, "sourceId": CALL["conversationId"]}, "sourceId: must be one of"),
    ({**CALL, "sourceId": None}, "sourceId: expected `str`"),
    ({**CALL, "startTime": None}, "startTime"),
    ({**CALL, "endTime": "2026-03-11T13:59:59Z"}, "endTime: must not be before startTime"),
    ({**CALL, "type": "BOTH"}, "type: invalid enum value"),
    ({**CALL, "category": "x"}, "category: invalid enum value"),
    ({**CALL, "crm": {"id": "x", "type": "boat"}}, "crm.type: invalid enum value"),
    ({**CALL, "crm": {"id": "x" * 129}}, "crm.id: must have at most 128 bytes"),
    ({**CALL, "recordings": {"videoUrl": "javascript:1"}}, "recordings.videoUrl"),
    ({**CALL, "transcript": [{"text": "x"}]}, "transcript[0]: object missing"),
    ({**MAIL, "sourceId": "gong"}, "sourceId: must be one of dynamics_crm, gmail"),
    ({**MAIL, "createdAt": "x"}, "createdAt: must be an ISO 8601"),
    ({**MAIL, "body": None}, "body: expected `str`"),
    ({**MAIL, "threadId": "x" * 513}, "threadId"),
    ({**MAIL, "attachments": [{"size": 2**63}]}, "attachments[0].size"),
    ({**PAPER, "sourceId": "gmail"}, "sourceId: must be one of chat_upload"),
    ({**PAPER, "url": "ftp://example.com/a"}, "url: must be an http or https URL"),
    ({**PAPER, "normalizedUrl": "x"}, "normalizedUrl: must be an http or https URL"),
    ({"kind": "product", "name": "x"}, "missing required field `id`"),
    ({"kind": "product", "id": CALL["conversationId"], "name": " "}, "name"),
]


def _text(line: bytes | dict[str, Any]) -> bytes:
    return line if isinstance(line, bytes) else json.dumps(line).encode()


async def test_bad_lines_are_told_and_the_good_ones_go_in(importer: Importer, acme: Tenant) -> None:
    lines = [_text(deal(0))]
    for number, (bad, _) in enumerate(BAD, start=1):
        lines += [b"", _text(bad), _text(deal(number))]
    path = importer.write_file("bad.jsonl", b"\r\n".join(lines))
    for options, status in ((["--dry-run"], 404), ([], 200)):
        ran = await importer.run(acme, path, "--json", *options)
        assert (ran.code, ran.counts) == (1, (len(BAD) + 1, 0, len(BAD)))
        refused = ran.refusals(path)
        assert list(refused) == [3 + 3 * number for number in range(len(BAD))]
        for (_, part), reason in zip(BAD, refused.values(), strict=True):
            assert part in reason
            assert len(reason) < 300
        for number in (0, 1, len(BAD)):
            assert (await acme.http.get(f"/v1/deals/d{number}")).status_code == status
    # What was refused left nothing behind.
    assert (await acme.http.get("/v1/deals/x")).status_code == 404
    for kind in ("accounts", "conversations", "messages", "documents"):
        assert await push_records.listed_ids(acme, kind) == []


async def test_strict_stops_at_the_first_bad_line(importer: Importer, acme: Tenant) -> None:
    path = importer.write_jsonl([deal(1), deal(2, amount="x"), deal(3), deal(4, amount="x")])
    ran = await importer.run(acme, path, "--strict", "--json")
    assert (ran.code, ran.counts) == (1, (1, 0, 1))
    assert list(ran.refusals(path)) == [2]
    assert await push_records.listed_ids(acme, "deals") == ["d1"]


async def test_a_dry_run_says_what_would_be_and_stores_nothing(
    importer: Importer, acme: Tenant
) -> None:
    await importer.import_records(acme, deals=[deal(1, name="one"), deal(2)])
    call, product = CALL, {"kind": "product", "id": CALL["conversationId"], "name": "P"}
    path = importer.write_jsonl([deal(1, name="One"), deal(2), deal(3), call, MAIL, PAPER, product])
    ran = await importer.run(acme, path, "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "Would be stored: 6; unchanged: 1; refused: 0\n"
    assert sorted(await push_records.listed_ids(acme, "deals")) == ["d1", "d2"]
    assert (await get_record(acme, "deals", "d1"))["name"] == "one"
    for kind in ("conversations", "messages", "documents"):
        assert await push_records.listed_ids(acme, kind) == []
    assert await acme.get("products") == []


async def test_of_very_many_refusals_the_first_thousand_are_told(
    importer: Importer, acme: Tenant
) -> None:
    path = importer.write_file("x.jsonl", b"{\n" * 2345)
    ran = await importer.run(acme, path, "--json")
    assert (ran.code, ran.counts) == (1, (0, 0, 2345))
    *told, last = ran.err.splitlines()
    assert [each.split(":")[1] for each in told] == [str(number) for number in range(1, 1001)]
    assert last == "... and 1,345 more lines were refused"


async def test_what_stands_in_a_file_does_not_steer_the_terminal(
    importer: Importer, acme: Tenant
) -> None:
    path = importer.write_jsonl([{**CALL, "type": "\x1b[2J[red]\u202e"}])
    ran = await importer.run(acme, path)
    assert ran.code == 1
    assert not {"\x1b", "\u202e"} & set(ran.err)


# --- one object -------------------------------------------------------------------------------


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["records.json", "records"])
async def test_one_object_is_read_element_by_element(
    importer: Importer, acme: Tenant, indent: int | None, name: str
) -> None:
    text = json.dumps(
        {
            "exportedAt": {"by": ['a "quoted\\" {', "}"], "version": 1.5e3},
            "deals": [
                {"dealId": "d1", "name": 'brackets ]}{[ " \\ \\" \u2028 in it', "closed": True},
                {"dealId": "d2", "amount": "x"},
                7,
                {"dealId": "d3", "unknown": [[{"a": []}], "]"]},
            ],
            "accounts": [],
            "messages": None,
            "documents": {},
            "orders": [{"id": 1}, {"id": 2}],
            "accountsToo": 3,
        },
        indent=indent,
    )
    path = importer.write_file(name, b"\xef\xbb\xbf" + text.encode())
    ran = await importer.run(acme, path, "--json")
    assert (ran.code, ran.counts) == (1, (2, 0, 4))
    assert sorted(await push_records.listed_ids(acme, "deals")) == ["d1", "d3"]
    read = await get_record(acme, "deals", "d1")
    assert read["name"] == 'brackets ]}{[ " \\ \\" \u2028 in it'
    wanted = {'"amount": "x"': "amount: expected", " 7": "expected `object`"}
    wanted |= {'"documents"': "documents: must be an array", '"orders"': "no kind of records"}
    if indent:
        refused = ran.refusals(path)
        for part, reason in wanted.items():
            line = next(n for n, each in enumerate(text.splitlines(), 1) if part in each)
            # A record begins with its bracket.
            line = line - 2 if "amount" in part else line
            assert reason in refused[line]
    else:
        assert [each.split(":")[1] for each in ran.err.splitlines()] == ["1"] * 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"deals": [{"dealId": "d1"},\n{"dealId": "d2"', 2),
        ('{"deals": [{"dealId": "d1"}\n{"dealId": "d2"}]}', 2),
        ('{"deals": [{"dealId": "d1"}]\n} x', 2),
        ('{"deals": [{"dealId": "d1"}],\ndeals: []}', 2),
        ('{"deals": [{"dealId": "d1"}], "x": "\n', 1),
        ('{"deals": [{"dealId": "d1"}], "x": \n12', 2),
    ],
)
async def test_a_broken_object_gives_what_stands_before(
    importer: Importer, acme: Tenant, text: str, line: int
) -> None:
    path = importer.write_file("broken.json", text)
    ran = await importer.run(acme, path, "--json")
    assert (ran.code, ran.counts) == (1, (1, 0, 1))
    assert "no further" in ran.refusals(path)[line]
    assert await push_records.listed_ids(acme, "deals") == ["d1"]


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("x.json", '{"records": 1}', "none of the fields products"),
        ("x.json", "[1]", "no JSON from here"),
        ("x.jsonl", '{"deals": []}', "missing required field `kind`"),
        ("x", '{"dealId": "d1"}', "missing required field `kind`"),
        ("x.csv", "Name of it,Colour\na,b\n", "the header has columns of neither deals"),
        ("x", "PK\x03\x04", "the header has columns of neither deals"),
        ("x.csv", "Deal Name,Amount\na,1\n", "no column has their id"),
        ("x.csv", "Deal Name,Amount\na,1\n".encode("utf-16"), "UTF-16"),
    ],
)
async def test_a_file_of_another_form_is_refused_with_a_reason(
    importer: Importer, acme: Tenant, name: str, text: str | bytes, part: str
) -> None:
    path = importer.write_file(name, text)
    ran = await importer.run(acme, path, "--json")
    assert (ran.code, ran.counts) == (1, (0, 0, 1))
    assert part in ran.refusals(path)[1]


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.csv", "x"])
async def test_an_empty_file_has_nothing_to_store(
    importer: Importer, acme: Tenant, name: str
) -> None:
    text = "{}" if name == "x.json" else ""
    ran = await importer.run(acme, importer.write_file(name, text), "--json")
    assert ran.counts == (0, 0, 1 if name == "x.json" else 0)


# --- tables -----------------------------------------------------------------------------------

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
    ran = await importer.run(acme, path, "--json")
    assert (ran.code, ran.counts) == (1, (2, 0, 2))
    assert ran.refusals(path) == {
        5: "Amount: '(5)' is no amount such as 50,000.00",
        6: "Close Date: '15/3/2026' is no date such as 12/31/2026 or 2026-12-31",
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
    # It is the account's by the id, which no field of a deal shows.
    await importer.import_records(acme, accounts=[{"accountId": "001A", "name": "Renamed"}])
    assert (await get_record(acme, "accounts", "001A"))["latestDeal"]["dealId"] == "006A"


async def test_deals_of_a_salesforce_export(importer: Importer, acme: Tenant) -> None:
    ran = await importer.run(
        acme, importer.write_file("Opportunity.csv", SALESFORCE_OBJECTS), "--json"
    )
    assert ran.counts == (1, 0, 0)
    read = await get_record(acme, "deals", "006A")
    # A column that says it counts more than the stage.
    assert (read["name"], read["stage"], read["closed"]) == ("Deal", "Closed Won", False)
    assert read["createdDate"] == "2025-09-01T10:30:00Z"
    assert read["owner"] == {"name": "Jane Doe", "email": "jane@ours.io"}


async def test_deals_and_companies_of_hubspot(importer: Importer, acme: Tenant) -> None:
    files = [
        importer.write_file("deals.csv", HUBSPOT_DEALS),
        importer.write_file("companies.csv", HUBSPOT_COMPANIES),
    ]
    ran = await importer.run(acme, *files, "--json")
    assert (ran.code, ran.counts, ran.err) == (0, (3, 0, 0), "")
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
    # Its domain is the website's host.
    source = await push_records.create_source(acme)
    call = await source.push("conversations", "c")
    assert (await get_record(acme, "conversations", call))["crm"]["id"] == "001A"
    assert (await get_record(acme, "accounts", "001B"))["syncedCrmFields"] is None


async def test_bad_rows_are_told_and_the_good_ones_go_in(importer: Importer, acme: Tenant) -> None:
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
    ran = await importer.run(acme, path, "--json")
    reasons = ran.refusals(path)
    parts = {
        3: "has 6 cells, the header 5",
        4: "dealId: must not be empty",
        5: "UTF-8",
        6: "U+0000",
        7: "name: expected",
        8: "no row of a CSV file",
        10: "closeDate: must be an ISO 8601",
        11: "Closed: 'perhaps' is neither true nor false",
        14: "Amount: '1 000' is no amount",
        15: "no row of a CSV file",
    }
    assert list(reasons) == list(parts)
    for line, part in parts.items():
        assert part in reasons[line]
    assert (ran.code, ran.counts) == (1, (3, 0, 10))
    assert sorted(await push_records.listed_ids(acme, "deals")) == ["d1", "d10", "d7"]
    assert (await get_record(acme, "deals", "d10"))["amount"] == -1.5


# --- the command ------------------------------------------------------------------------------


async def test_what_cannot_begin_is_one_sentence(importer: Importer, acme: Tenant) -> None:
    path = importer.write_jsonl([deal(1)])
    missing = importer.folder / "nowhere.json"
    for files in ([missing], [path, missing], [importer.folder]):
        ran = await importer.run(acme, *files)
        assert (ran.code, ran.out, len(ran.err.splitlines())) == (1, "", 1)
        assert f"{files[-1]} cannot be read" in ran.err
    assert await push_records.listed_ids(acme, "deals") == []
    unknown = Tenant.__new__(Tenant)
    unknown.workspace = "nobody's"
    ran = await importer.run(unknown, path)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (1, "", 1)
    assert "There is no workspace" in ran.err
    assert (await importer.run(acme)).code == 2
    assert (await importer.run(acme, path, "--wet-run")).code == 2


async def test_a_workspace_has_its_name_too(importer: Importer, acme: Tenant) -> None:
    named = Tenant.__new__(Tenant)
    named.workspace = acme.name
    assert (await importer.run(named, importer.write_jsonl([deal(1)]), "--json")).counts == (
        1,
        0,
        0,
    )
    assert await push_records.listed_ids(acme, "deals") == ["d1"]


def _command(
    importer: Importer,
    tenant: Tenant,
    *words: str,
    more: Mapping[str, str] | None = None,
    **streams: Any,
) -> Any:
    """The command as a process of its own, with some more in its environment."""
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "import", "--workspace", tenant.workspace, *words],
        env={**importer.environment, **(more or {})},
        cwd=importer.folder,
        # Where the tests run in the background an interrupt may be ignored, and so by the child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        **streams,
    )


async def test_standard_input_is_a_file_too(importer: Importer, acme: Tenant) -> None:
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    text = json.dumps(deal(1)) + "\n{\n"
    process = _command(importer, acme, "-", "--json", **pipes)
    out, err = await asyncio.to_thread(process.communicate, text.encode(), 60)
    assert process.returncode == 1
    assert json.loads(out) == {"stored": 1, "unchanged": 0, "refused": 1, "dryRun": False}
    assert err.decode() == "-:2: is not valid JSON in UTF-8\n"
    assert await push_records.listed_ids(acme, "deals") == ["d1"]


async def test_an_interrupt_leaves_whole_batches(
    importer: Importer, acme: Tenant, database: Database
) -> None:
    lines = [json.dumps(deal(number, **{**DEAL, "dealId": f"d{number}"})) for number in range(3500)]

    async def count() -> int:
        async with database.connection() as connection:
            found: int = await connection.fetchval(
                "select count(*) from deals where workspace_id = $1", UUID(acme.workspace)
            )
        return found

    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = _command(importer, acme, "-", **pipes)
    try:
        await asyncio.to_thread(process.stdin.write, ("\n".join(lines)).encode())
        # It waits for the rest of what it was reading when the interrupt comes.
        await asyncio.to_thread(process.stdin.flush)
        await eventually(count)
        process.send_signal(signal.SIGINT)
        await asyncio.to_thread(process.wait, 30)
        err = process.stderr.read().decode()
    finally:
        process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        process.wait()
    stored = await count()
    assert stored in (1000, 2000, 3000)
    assert process.returncode == 1
    assert f"Interrupted: {stored:,} records are stored." in err
    assert "Traceback" not in err


async def test_on_a_terminal_there_is_a_bar(importer: Importer, acme: Tenant) -> None:
    path = importer.write_jsonl([deal(number) for number in range(3000)])
    reading, writing = pty.openpty()
    terminal = {"TERM": "xterm", "COLUMNS": "120"}
    process = _command(
        importer, acme, str(path), stdout=subprocess.PIPE, stderr=writing, more=terminal
    )
    os.close(writing)

    def shown() -> bytes:
        said = b""
        try:
            while piece := os.read(reading, 65536):
                said += piece
        except OSError:
            # The other end is closed.
            pass
        return said

    said = (await asyncio.to_thread(shown)).decode()
    out, _ = process.communicate(timeout=60)
    os.close(reading)
    assert out.decode() == "Stored: 3,000; unchanged: 0; refused: 0\n"
    assert "Importing" in said
    assert "3,000 records" in said


# --- of any size ------------------------------------------------------------------------------

# Reads and checks a file as the command does; the most memory that took, in kB, behind the count.
READ = """
import sys, threading
from pathlib import Path
from gateway.cli.importing.batches import read_batches
from gateway.cli.importing.files import InputFile
stop = threading.Event()
batches = read_batches([InputFile(Path(sys.argv[1]), stop)], [], False, stop)
print(sum(len(each.records) - 1000000 * len(each.refused) for each in batches))
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
FORMS = {
    "x.jsonl": ("", '{{"kind":"deal","dealId":"{0}","name":"{0}","other":"{1}"}}\n', ""),
    "x.json": (
        '{"deals":[',
        '{{"dealId":"{0}","name":"{0}","other":"{1}"}},\n',
        '{"dealId":"x"}]}',
    ),
    "x.csv": ("Deal ID,Deal Name,Other\n", "{0},{0},{1}\n", ""),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured by /proc")
@pytest.mark.parametrize("name", FORMS)
async def test_a_large_file_takes_no_more_memory_than_a_small_one(
    tmp_path: Path, name: str
) -> None:
    first, line, last = FORMS[name]
    path = tmp_path / name
    peaks = []
    for count in (2_000, 14_000):
        with path.open("w", encoding="utf-8") as file:
            file.write(first)
            file.writelines(line.format(number, "text " * 600) for number in range(count))
            file.write(last)
        ran = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", READ, str(path)],
            capture_output=True,
            check=True,
        )
        found, peak = map(int, ran.stdout.split())
        assert found == count + (name == "x.json")
        peaks.append(peak / 1024)
    # The large one has 42 MB, the small one 6.
    assert path.stat().st_size > 40_000_000
    assert peaks[1] < peaks[0] + 10


async def test_a_record_that_is_too_long_is_passed_over(importer: Importer, acme: Tenant) -> None:
    long = '{"dealId": "long", "other": "' + "x" * (17 * 1024 * 1024) + '"}'
    kinds = long.replace("{", '{"kind": "deal", ', 1)
    files = [
        importer.write_file("x.jsonl", f'{kinds}\n{{"kind": "deal", "dealId": "d1"}}\n'),
        importer.write_file("x.json", f'{{"deals": [{long}, {{"dealId": "d2"}}]}}'),
    ]
    for path in files:
        ran = await importer.run(acme, path, "--json")
        assert (ran.code, ran.counts) == (1, (1, 0, 1))
        assert ran.refusals(path) == {1: "is longer than 16 MB"}
    assert sorted(await push_records.listed_ids(acme, "deals")) == ["d1", "d2"]
