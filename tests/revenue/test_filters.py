"""Filters of lists: matching and non-matching values."""

import unicodedata
from typing import Any, Literal

import asyncpg
import pytest

from domains.kernel.db.database import Database
from tests.revenue.push_records import Json, Source, create_source, get_json, listed_ids
from tests.stack import Tenant

# Texts with characters that have a special meaning in SQL patterns.
TEXTS = ["100% sure", "100 sure", "a_b", "aXb", r"back\slash", "Größe ÄÖ", "plain Words here"]
PARTS = {
    "%": ["100% sure"],
    "0% s": ["100% sure"],
    "_": ["a_b"],
    "A_B": ["a_b"],
    "\\": [r"back\slash"],
    "K\\S": [r"back\slash"],
    "größe äö": ["Größe ÄÖ"],
    "WORDS": ["plain Words here"],
    "words  here": [],
    "nowhere": [],
    "SURE": ["100 sure", "100% sure"],
    "": sorted(TEXTS),
}


Form = Literal["NFC", "NFD"]


class Pushed(dict[str, str]):
    """Records of a kind. Maps each record id to the name under which it was pushed."""

    def __init__(self, source: Source, kind: str) -> None:
        super().__init__()
        self._source = source
        self._kind = kind

    async def push(self, name: str, /, **fields: Any) -> str:
        record = await self._source.push(self._kind, name, **fields)
        self[record] = name
        return record

    async def found(self, **params: Any) -> list[str]:
        """Names of the listed records, in alphabetical order."""
        page = await get_json(self._source.tenant, self._kind, **params)
        return sorted(self[_id(record)] for record in page[self._kind])


def _id(record: dict[str, Any]) -> str:
    names = ("conversationId", "messageId", "rowId", "id")
    return str(next(record[name] for name in names if name in record))


@pytest.mark.parametrize(
    ("kind", "param", "field"),
    [
        ("conversations", "title", "displayName"),
        ("documents", "name", "displayName"),
        ("rows", "name", "name"),
    ],
)
async def test_parts_of_texts_match_literally_and_case_insensitively(
    source: Source, kind: str, param: str, field: str
) -> None:
    pushed = Pushed(source, kind)
    for text in TEXTS:
        await pushed.push(text, **{field: text})
    for part, texts in PARTS.items():
        assert await pushed.found(**{param: part}) == texts, part


COMPOSED = ["Café déjà", "한글 보고서", "導出が遅いガ"]


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
async def test_texts_are_compared_in_nfc_and_returned_as_sent(
    source: Source, database: Database, stored: Form
) -> None:
    pushed = {kind: Pushed(source, kind) for kind in ("conversations", "documents", "rows")}
    for number, text in enumerate(unicodedata.normalize(stored, text) for text in COMPOSED):
        people = [{"name": text, "email": f"{number}@acme.com"}]
        call = await pushed["conversations"].push(text, displayName=text, participants=people)
        await pushed["documents"].push(text, displayName=text)
        await pushed["rows"].push(text, name=text)
        async with database.connection() as connection:
            await connection.execute(
                "update conversations set crm_name = $1 where id = $2", text, call
            )
        shown = await get_json(source.tenant, f"conversations/{call}")
        assert (shown["title"], shown["participants"][0]["name"]) == (text, text)
    for text, part in zip(COMPOSED, ("fé d", "글", "遅い"), strict=True):
        for query in (unicodedata.normalize("NFC", part), unicodedata.normalize("NFD", part)):
            for kind, param in (
                ("conversations", "title"),
                ("conversations", "attendees"),
                ("documents", "name"),
                ("rows", "name"),
            ):
                found = await pushed[kind].found(**{param: query})
                assert found == [unicodedata.normalize(stored, text)], (kind, param, query)
    for query, text in (("de\u0301ja\u0300", COMPOSED[0]), ("導出", COMPOSED[2])):
        found = await pushed["conversations"].found(crmName=query)
        assert found == [unicodedata.normalize(stored, text)]
    assert await pushed["conversations"].found(title="Cafe") == []


async def test_attendees_match_by_email_address_domain_or_name(source: Source) -> None:
    people = {
        "ana": [{"email": "Ana@Acme.com", "name": "Ana Ruiz"}],
        "bo": [{"email": "bo@mail.acme.com", "name": "Bo. Smith"}, {"email": "x@other.org"}],
        "cy": [{"id": "c", "name": "Cy Ruizian  Lee"}],
        "odd": [{"email": '"a@b"@acme.com.evil.io'}],
    }
    pushed = Pushed(source, "conversations")
    for name, participants in people.items():
        await pushed.push(name, participants=participants)
    for attendee, names in {
        "ana@acme.com": ["ana"],
        "ANA@ACME.COM": ["ana"],
        "na@acme.com": [],
        "@acme.com": ["ana"],
        "acme.com": ["ana"],
        "Acme.COM": ["ana"],
        "@mail.acme.com": ["bo"],
        "@cme.com": [],
        "com": [],
        "ruiz": ["ana", "cy"],
        "RUIZ": ["ana", "cy"],
        "Ana Ruiz": ["ana"],
        "cy ruizian lee": ["cy"],
        "bo. smith": ["bo"],
        "acme": [],
        "@acme.com.evil.io": ["odd"],
    }.items():
        assert await pushed.found(attendees=attendee) == names, attendee


async def test_the_crm_name_matches_by_whole_words(source: Source, database: Database) -> None:
    names = {
        "one": "Acme Enterprise Deal (2026)",
        "two": "Acme Enterprises Deal",
        "three": "The ACME  enterprise deal: renewal",
        "four": "Ünder Deal_x",
        "five": None,
    }
    pushed = Pushed(source, "conversations")
    for name, crm_name in names.items():
        record = await pushed.push(name)
        async with database.connection() as connection:
            await connection.execute(
                "update conversations set crm_name = $1, crm_id = 'x' where id = $2",
                crm_name,
                record,
            )
    for phrase, records in {
        "Acme Enterprise Deal": ["one", "three"],
        "acme enterprise": ["one", "three"],
        "enterprise": ["one", "three"],
        "Enterprises": ["two"],
        "Deal": ["one", "three", "two"],
        "Acme Deal": [],
        "deal enterprise": [],
        "nterprise": [],
        "(2026)": ["one"],
        "2026": ["one"],
        "deal:": ["three"],
        "ünder": ["four"],
        "nder": [],
        "deal_x": ["four"],
        "a.*l": [],
        "%": [],
        "a " * 500: [],
    }.items():
        assert await pushed.found(crmName=phrase) == sorted(records), phrase
    longer = await source.http.get("/v1/conversations", params={"crmName": "a" * 1001})
    assert longer.status_code == 400


@pytest.mark.parametrize(
    ("kind", "after", "before", "field"),
    [
        ("conversations", "startedAfter", "startedBefore", "startedAt"),
        ("messages", "createdAfter", "createdBefore", "createdAt"),
        ("rows", "createdAfter", "createdBefore", "createdAt"),
    ],
)
async def test_time_bounds_are_inclusive(
    source: Source, kind: str, after: str, before: str, field: str
) -> None:
    times = {
        "a": "2026-03-10T23:59:59.999999Z",
        "b": "2026-03-11T00:00:00Z",
        "c": "2026-03-11T14:00:00Z",
        "d": "2026-03-11T23:59:59.999999Z",
        "e": "2026-03-12T00:00:00Z",
    }
    pushed = Pushed(source, kind)
    for name, at in times.items():
        await pushed.push(name, **{field: at})
    for params, names in (
        ({after: times["c"]}, "cde"),
        ({after: "2026-03-11T14:00:00.000001Z"}, "de"),
        ({before: times["c"]}, "abc"),
        ({before: "2026-03-11T13:59:59.999999Z"}, "ab"),
        ({after: times["c"], before: times["c"]}, "c"),
        ({after: "2026-03-11T16:00:00+02:00", before: times["c"]}, "c"),
        # A date is its midnight in UTC.
        ({after: "2026-03-11"}, "bcde"),
        ({before: "2026-03-11"}, "ab"),
        ({after: "2026-03-11", before: "2026-03-11"}, "b"),
        # A time without an offset is in UTC.
        ({after: "2026-03-11T14:00:00"}, "cde"),
        ({before: "9999-12-31"}, "abcde"),
    ):
        assert await pushed.found(**params) == list(names), params


async def test_records_without_a_time_are_listed_by_the_time_of_storage(source: Source) -> None:
    await source.push("rows", "old", createdAt="2020-01-01T00:00:00Z")
    await source.push("rows", "none")
    await source.push("rows", "future", createdAt="2100-01-01T00:00:00Z")
    assert await listed_ids(source.tenant, "rows") == ["future", "none", "old"]
    assert await listed_ids(source.tenant, "rows", createdBefore="2090-01-01") == ["none", "old"]


async def test_ids_match_exactly(source: Source, acme: Tenant) -> None:
    other = await create_source(acme, "other")
    for each in (source, other):
        await each.push("messages", "m", threadId="Thread")
        await each.push("rows", "r", objectTypeId=each.object_type)
    for kind in ("messages", "rows"):
        assert len(await listed_ids(acme, kind)) == 2
        assert len(await listed_ids(acme, kind, sourceId=other.id)) == 1
        assert len(await listed_ids(acme, kind, sourceId=other.id.upper())) == 1
        assert len(await listed_ids(acme, kind, remoteId="m" if kind == "messages" else "r")) == 2
        assert await listed_ids(acme, kind, remoteId="M") == []
    assert len(await listed_ids(acme, "rows", objectTypeId=other.object_type)) == 1
    assert len(await listed_ids(acme, "messages", threadId="Thread")) == 2
    assert await listed_ids(acme, "messages", threadId="thread") == []
    assert await listed_ids(acme, "messages", sourceId="gmail") == []
    assert len(await listed_ids(acme, "messages", threadId="Thread", sourceId=source.id)) == 1


async def test_messages_match_by_sender_or_recipient(source: Source) -> None:
    pushed = Pushed(source, "messages")
    await pushed.push("a", sender={"email": "One@X.io"}, recipients=[{"id": "n"}])
    recipients = [{"email": "two@x.io"}, {"email": "one@x.io"}]
    await pushed.push("b", sender={"name": "S"}, recipients=recipients)
    for email, names in {
        "one@x.io": ["a", "b"],
        "ONE@X.IO": ["a", "b"],
        "two@x.io": ["b"],
        "x.io": [],
        "wo@x.io": [],
    }.items():
        assert await pushed.found(participantEmail=email) == names


async def test_conversations_match_by_type(source: Source) -> None:
    await source.push("conversations", "in", ownerEmails=["a@acme.com"])
    await source.push("conversations", "out")
    for kind in ("INTERNAL", "EXTERNAL"):
        assert len(await listed_ids(source.tenant, "conversations", type=kind)) == 1
    refused = await source.http.get("/v1/conversations", params={"type": "internal"})
    assert refused.status_code == 400


async def test_each_list_accepts_its_own_native_origins(source: Source) -> None:
    for kind, known, unknown in (
        ("conversations", ["gong", "zoom_phone"], ["gmail", "chat_upload", "Gong", "x"]),
        ("messages", ["gmail", "salesforce_crm"], ["gong", "chat_upload", "x"]),
        ("documents", ["chat_upload"], ["gmail", "gong", "x"]),
        ("rows", [], ["gmail", "gong", "chat_upload", "x"]),
    ):
        for name in known:
            assert await listed_ids(source.tenant, kind, sourceId=name) == []
        for name in [*unknown, source.id.replace("-", ""), f"{{{source.id}}}"]:
            response = await source.http.get(f"/v1/{kind}", params={"sourceId": name})
            assert response.status_code == 400, (kind, name)
            assert response.json()["detail"].startswith("sourceId: must be a UUID")


_DEALS = """
    insert into deals (workspace_id, id, name, stage, closed, owner_name, owner_email, amount,
        close_date, activity_given_at, activity_seen_at)
    values ($1, 'a', 'Acme 100%', 'Negotiation', false, 'Jane Doe', 'jane@ours.io', 50000,
            '2026-03-15', '2026-01-10T15:30:00Z', '2026-06-01'),
           ($1, 'b', 'Beta', 'Closed Won', true, 'Jo_hn', null, 0.5,
            '2026-03-16', null, '2026-02-01'),
           ($1, 'c', null, null, null, null, null, null, null, null, null)
"""
_ACCOUNTS = """
    insert into accounts (workspace_id, id, name, website, owner_name, owner_email, created_at,
        activity_given_at)
    values ($1, 'a', 'Acme', 'https://www.acme.com', 'Jane Doe', 'jane@ours.io', '2025-01-01',
            '2026-01-10T15:30:00Z'),
           ($1, 'b', 'Beta 5%', null, null, 'bo@ours.io', '2025-02-01', '2026-02-01'),
           ($1, 'c', null, 'https://c.io', null, null, null, null)
"""


async def test_filters_of_deals(acme: Tenant, connection: asyncpg.Connection) -> None:
    await connection.execute(_DEALS, acme.workspace)
    cases: list[tuple[Json, str]] = [
        ({}, "bac"),
        ({"name": "acme"}, "a"),
        ({"name": "%"}, "a"),
        ({"stage": "nego"}, "a"),
        ({"stage": "CLOSED"}, "b"),
        ({"closed": "true"}, "b"),
        # A deal that is not known to be closed counts as open.
        ({"closed": "false"}, "ac"),
        ({"closed": "false", "name": "a"}, "a"),
        ({"owner": "DOE"}, "a"),
        ({"owner": "o_h"}, "b"),
        ({"owner": "jane@ours.io"}, ""),
        ({"closeDateAfter": "2026-03-15"}, "ba"),
        ({"closeDateAfter": "2026-03-15T00:00:01Z"}, "b"),
        ({"closeDateBefore": "2026-03-15"}, "a"),
        ({"closeDateBefore": "2026-03-15T00:00:00Z"}, "a"),
        ({"amountMin": "50000"}, "a"),
        ({"amountMin": "50000.01"}, ""),
        ({"amountMax": ".5"}, "b"),
        ({"amountMin": "-1", "amountMax": "1e6"}, "ba"),
        ({"lastActivityAfter": "2026-01-10T15:30:00Z"}, "ba"),
        ({"lastActivityAfter": "2026-01-11"}, "b"),
        ({"lastActivityBefore": "2026-01-10T15:30:00Z"}, "a"),
        ({"lastActivityBefore": "2100-01-01"}, "ba"),
        ({"lastActivityAfter": "2000-01-01"}, "ba"),
        ({"name": "a", "closed": "true", "amountMin": "0"}, "b"),
    ]
    for params, names in cases:
        assert await listed_ids(acme, "deals", **params) == list(names), params


async def test_filters_of_accounts(acme: Tenant, connection: asyncpg.Connection) -> None:
    await connection.execute(_ACCOUNTS, acme.workspace)
    cases: list[tuple[Json, str]] = [
        ({}, "bac"),
        ({"name": "ACM"}, "a"),
        ({"name": "%"}, "b"),
        ({"website": "acme.com"}, "a"),
        ({"website": "HTTPS"}, "ac"),
        ({"owner": "jane d"}, "a"),
        ({"owner": "@OURS"}, "ba"),
        ({"owner": "doe\njane"}, "a"),
        ({"createdAfter": "2025-02-01"}, "b"),
        ({"createdBefore": "2025-01-01"}, "a"),
        ({"createdAfter": "2025-01-01", "createdBefore": "2025-02-01"}, "ba"),
        ({"lastActivityAfter": "2026-01-10T15:30:00Z"}, "ba"),
        ({"lastActivityBefore": "2026-01-31"}, "a"),
    ]
    for params, names in cases:
        assert await listed_ids(acme, "accounts", **params) == list(names), params
