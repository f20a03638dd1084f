"""`gateway import` of JSON Lines and of JSON objects."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.run_import import CALL, MAIL, PAPER, Importer, deal, get_record
from tests.revenue import push_records
from tests.stack import Tenant

# --- lines ------------------------------------------------------------------------------------

# Bad lines, each with a part of the reason.
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
    ({**CALL, "sourceId": "gmail"}, "sourceId: must be one of aircall_dialer, avoma"),
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


async def test_newer_origins_categories_and_links_to_play_are_imported(
    importer: Importer, acme: Tenant
) -> None:
    origins = ("nooks_dialer", "ringcentral_dialer", "aircall_dialer", "hubspot_dialer")
    categories = (
        *("partner_call", "consulting_call", "customer_service_team", "it_team", "legal_team"),
        "consulting_team",
    )
    recordings = {
        "videoUrl": None,
        "audioUrl": "https://example.com/a",
        "videoStreamUrl": None,
        "audioStreamUrl": "https://example.com/b",
    }
    calls = [
        {
            **CALL,
            "conversationId": f"550e8400-e29b-41d4-a716-44665544100{number}",
            "sourceId": origins[number % len(origins)],
            "category": category,
            "recordings": recordings,
        }
        for number, category in enumerate(categories)
    ]
    lines = [*calls, {**PAPER, "sourceId": "mailbox_attachment"}]
    path = importer.write_file("x.jsonl", b"\n".join(map(_text, lines)))
    result = await importer.run(acme, path, "--json")
    assert (result.code, result.counts) == (0, (len(lines), 0, 0))
    for call in calls:
        read = await get_record(acme, "conversations", call["conversationId"])
        shown = {name: read[name] for name in ("sourceId", "category", "recordings")}
        assert shown == {name: call[name] for name in shown}
    for origin in origins:
        found = await push_records.listed_ids(acme, "conversations", sourceId=origin)
        assert found
    found = await push_records.listed_ids(acme, "documents", sourceId="mailbox_attachment")
    assert found == [PAPER["id"]]


def _text(line: bytes | dict[str, Any]) -> bytes:
    return line if isinstance(line, bytes) else json.dumps(line).encode()


async def test_bad_lines_are_refused_and_good_ones_stored(importer: Importer, acme: Tenant) -> None:
    lines = [_text(deal(0))]
    for number, (bad, _) in enumerate(BAD, start=1):
        lines += [b"", _text(bad), _text(deal(number))]
    path = importer.write_file("bad.jsonl", b"\r\n".join(lines))
    for options, status in ((["--dry-run"], 404), ([], 200)):
        result = await importer.run(acme, path, "--json", *options)
        assert (result.code, result.counts) == (1, (len(BAD) + 1, 0, len(BAD)))
        refused = result.refusals(path)
        assert list(refused) == [3 + 3 * number for number in range(len(BAD))]
        for (_, part), reason in zip(BAD, refused.values(), strict=True):
            assert part in reason
            assert len(reason) < 300
        for number in (0, 1, len(BAD)):
            assert (await acme.http.get(f"/v1/deals/d{number}")).status_code == status
    assert (await acme.http.get("/v1/deals/x")).status_code == 404
    for kind in ("accounts", "conversations", "messages", "documents"):
        assert await push_records.listed_ids(acme, kind) == []


async def test_only_a_line_feed_ends_a_line(importer: Importer, acme: Tenant) -> None:
    name = "a\u2028b\u2029c\u0085d"
    lines = [
        json.dumps(deal(1, name=name), ensure_ascii=False).encode(),
        b'{"kind": "deal",\r"dealId": "d2"}\r',
        b'{"kind": "deal", "dealId": "x", "name": "\x0b\x0c"}',
        json.dumps(deal(4)).encode(),
    ]
    path = importer.write_file("x.jsonl", b"\n".join(lines))
    result = await importer.run(acme, path, "--json")
    assert (result.code, result.counts) == (1, (3, 0, 1))
    assert list(result.refusals(path)) == [3]
    assert sorted(await push_records.listed_ids(acme, "deals")) == ["d1", "d2", "d4"]
    assert (await get_record(acme, "deals", "d1"))["name"] == name


async def test_a_record_of_more_than_16_mb_is_refused(importer: Importer, acme: Tenant) -> None:
    long = '{"dealId": "long", "other": "' + "x" * (17 * 1024 * 1024) + '"}'
    kinds = long.replace("{", '{"kind": "deal", ', 1)
    files = [
        importer.write_file("x.jsonl", f'{kinds}\n{{"kind": "deal", "dealId": "d1"}}\n'),
        importer.write_file("x.json", f'{{"deals": [{long}, {{"dealId": "d2"}}]}}'),
    ]
    for path in files:
        result = await importer.run(acme, path, "--json")
        assert (result.code, result.counts) == (1, (1, 0, 1))
        assert result.refusals(path) == {1: "is longer than 16 MB"}
    assert sorted(await push_records.listed_ids(acme, "deals")) == ["d1", "d2"]


async def test_refused_records_are_written_for_correction(
    importer: Importer, acme: Tenant, tmp_path: Path
) -> None:
    big = "123456789012345678901234567890"
    deals = f'{{"dealId": "d1",\n "amount": "x", "summary": {{"a": {big}}}}}, 7, {{"dealId": "d2"}}'
    files = [
        importer.write_file("x.json", f'{{"deals": [{deals}]}}'),
        importer.write_file("x.jsonl", '{"kind": "deal", "dealId": "d1", "amount": "x"}\n{\n[]\n'),
    ]
    for path, written in zip(files, (f', "summary": {{"a": {big}}}', ""), strict=True):
        rejects = tmp_path / "rejects.jsonl"
        result = await importer.run(acme, path, "--rejects", rejects, "--json")
        assert result.code == 1
        assert "refused parts are no records" in result.err
        text = rejects.read_text()
        reason = "amount: expected `float | null`, got `str`"
        assert json.loads(text) == json.loads(
            f'{{"reason": "{reason}", "kind": "deals", "dealId": "d1", "amount": "x"{written}}}'
        )
        # Corrected, the file is imported; the reason is not.
        corrected = importer.write_file("corrected.jsonl", text.replace('"x"', "5"))
        assert (await importer.run(acme, corrected, "--json")).counts == (1, 0, 0)


@pytest.mark.parametrize("name", ["x.jsonl", "x.json"])
async def test_unknown_fields_are_named(importer: Importer, acme: Tenant, name: str) -> None:
    """A misspelt field is reported, because its value is not stored."""
    deals = [deal(1, ammount=5), deal(2, amount=7, Stage="Won", **{"x" * 100: 1})]
    text = "\n".join(map(json.dumps, deals))
    path = importer.write_file(name, text if name == "x.jsonl" else json.dumps({"deals": deals}))
    result = await importer.run(acme, path, "--json")
    assert (result.code, result.counts) == (0, (2, 0, 0))
    assert result.notes(path) == [f"fields not imported: Stage, ammount, {'x' * 64}"]


# --- objects and other files ------------------------------------------------------------------


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["records.json", "records"])
async def test_an_object_with_arrays_of_records(
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
    result = await importer.run(acme, path, "--json")
    assert (result.code, result.counts) == (1, (2, 0, 4))
    assert sorted(await push_records.listed_ids(acme, "deals")) == ["d1", "d3"]
    read = await get_record(acme, "deals", "d1")
    assert read["name"] == 'brackets ]}{[ " \\ \\" \u2028 in it'
    expected = {'"amount": "x"': "amount: expected", " 7": "expected `object`"}
    expected |= {
        '"documents"': "documents: must be an array",
        '"orders"': "unknown kind of records",
    }
    if indent:
        refused = result.refusals(path)
        for part, reason in expected.items():
            line = next(n for n, each in enumerate(text.split("\n"), 1) if part in each)
            # The refusal has the line of the record's opening bracket, two lines above.
            line = line - 2 if "amount" in part else line
            assert reason in refused[line]
    else:
        lines = [each.split(":")[1] for each in result.err.splitlines()]
        assert lines == [" fields not imported", *["1"] * 4]


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
async def test_records_before_malformed_json_are_stored(
    importer: Importer, acme: Tenant, text: str, line: int
) -> None:
    path = importer.write_file("broken.json", text)
    result = await importer.run(acme, path, "--json")
    assert (result.code, result.counts) == (1, (1, 0, 1))
    assert "the rest was not read" in result.refusals(path)[line]
    assert await push_records.listed_ids(acme, "deals") == ["d1"]


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("x.json", '{"records": 1}', "none of the fields products"),
        ("x.json", "[1]", "not JSON from here"),
        ("x.jsonl", '{"deals": []}', "missing required field `kind`"),
        ("x", '{"dealId": "d1"}', "missing required field `kind`"),
        ("x.csv", "Name of it,Colour\na,b\n", "the header has columns of neither deals"),
        ("x", "PK\x03\x04", "the header has columns of neither deals"),
        ("x.csv", "Deal Name,Amount\na,1\n", "no column has their id"),
        ("x.jsonl", '{"kind": "deal", "dealId": "d"}'.encode("utf-16"), "UTF-16"),
        ("x.csv", b"\x89PNG\r\n" + bytes(range(256)), "the file is not text"),
    ],
)
async def test_a_file_with_an_unknown_structure_is_refused(
    importer: Importer, acme: Tenant, name: str, text: str | bytes, part: str
) -> None:
    path = importer.write_file(name, text)
    result = await importer.run(acme, path, "--json")
    assert (result.code, result.counts) == (1, (0, 0, 1))
    assert part in result.refusals(path)[1]


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.csv", "x"])
async def test_an_empty_file_has_nothing_to_store(
    importer: Importer, acme: Tenant, name: str
) -> None:
    text = "{}" if name == "x.json" else ""
    result = await importer.run(acme, importer.write_file(name, text), "--json")
    assert result.counts == (0, 0, 1 if name == "x.json" else 0)
