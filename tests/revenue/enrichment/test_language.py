"""The language of records, and the note for a language that the engine does not support."""

import pytest

from domains.kernel.db.database import Database
from tests.discovery.test_language import ENGLISH, GERMAN, NOTE, THAI
from tests.revenue.crm.crm_records import CrmRecords
from tests.revenue.enrichment.calls import call
from tests.revenue.push_records import Json, Source, get_json
from tests.revenue.stored_rows import encoded, wait_until_processed
from tests.stack import eventually


@pytest.mark.parametrize(
    ("text", "language", "note"),
    [(GERMAN, "de", None), (ENGLISH, "en", None), (THAI, "th", NOTE), ("Ok.", None, None)],
)
async def test_a_conversation(
    source: Source, database: Database, text: str, language: str | None, note: str | None
) -> None:
    record = await source.push("conversations", "c", **call(("a", text), ("b", text)))
    await wait_until_processed(database, "conversations", record)
    shown = await get_json(source.tenant, f"conversations/{record}")
    assert shown["processing"] == {"status": "processed", "error": None, "note": note}
    assert shown["language"] == language
    (item,) = (await get_json(source.tenant, "conversations"))["conversations"]
    assert (item["processing"], item["language"]) == (shown["processing"], language)


async def test_a_german_conversation_has_a_summary_in_its_words(
    source: Source, database: Database
) -> None:
    promise = "Ich schicke Ihnen bis Freitag eine Anleitung."
    record = await source.push("conversations", "c", **call(("a", GERMAN), ("b", promise)))
    await wait_until_processed(database, "conversations", record)
    summary = (await get_json(source.tenant, f"conversations/{record}"))["summary"]
    assert summary["Pain Points"] == [GERMAN.rstrip(".")]
    (step,) = summary["Next Steps"]
    assert promise.rstrip(".") in step
    evidence = await get_json(source.tenant, f"conversations/{record}/evidence")
    assert [each["quote"] for each in evidence["Pain Points"]] == [GERMAN]
    assert [each["quote"] for each in evidence["Next Steps"]] == [promise]


async def test_a_new_version_has_its_own_language(source: Source, database: Database) -> None:
    for text, language in ((THAI, "th"), ("Ok.", None), (GERMAN, "de")):
        record = await source.push("conversations", "c", **call(("a", text)))
        await wait_until_processed(database, "conversations", record)
        assert (await get_json(source.tenant, f"conversations/{record}"))["language"] == language


async def test_a_document(source: Source, database: Database) -> None:
    for text, language in ((GERMAN * 500, "de"), (THAI, "th"), ("Ok.", None)):
        content = encoded(text.encode())
        record = await source.push("documents", "d", url=None, content=content)
        await wait_until_processed(database, "documents", record)
        shown = await get_json(source.tenant, f"documents/{record}")
        assert shown["language"] == language
        # No findings are made of documents, so that none are missing.
        assert shown["processing"] == {"status": "processed", "error": None, "note": None}
        (item,) = (await get_json(source.tenant, "documents"))["documents"]
        assert item["language"] == language


async def test_a_message_of_a_deal(source: Source, crm: CrmRecords) -> None:
    await crm.put_all(("deals", "d", {"contact_emails": ["ana@acme.com"], "closed": False}))

    async def has(record: str, expected: str) -> bool:
        shown: Json = await get_json(source.tenant, f"messages/{record}")
        return bool(shown["language"] == expected)

    quoted = f"{GERMAN}\n\nOn Tue, Mar 10, 2026 at 9:12 AM Bob wrote:\n> {ENGLISH}\n> {ENGLISH}\n"
    german = await source.push("messages", "m", body=quoted)
    thai = await source.push("messages", "t", body=THAI)
    await eventually(lambda: has(german, "de"))
    await eventually(lambda: has(thai, "th"))
    assert await source.push("messages", "m", body=ENGLISH) == german
    await eventually(lambda: has(german, "en"))
    listed = (await get_json(source.tenant, "messages"))["messages"]
    assert {item["messageId"]: item["language"] for item in listed} == {german: "en", thai: "th"}
