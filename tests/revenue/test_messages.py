"""Messages: valid and invalid pushes, and responses."""

from typing import Any

from domains.kernel.db.database import Database
from tests.revenue.push_records import STARTED, Source, assert_refused, get_json, listed_ids


async def test_a_message_is_returned_as_pushed(source: Source, database: Database) -> None:
    attachments = [
        {
            "name": "terms.pdf",
            "url": "https://example.com/secret-link",
            "mimeType": "application/pdf",
            "sizeBytes": 12,
        },
        {"name": "photo", "url": "https://example.com/photo"},
    ]
    record = await source.push(
        "messages",
        "m-1",
        displayName="Re: Pricing",
        body="Hello,\n\n  here   are the terms.",
        sender={"id": "s", "name": "Ana Ruiz", "email": "Ana@Acme.com"},
        recipients=[{"email": "rep@ours.io"}, {"name": "Bo"}, {"id": "only"}],
        attachments=attachments,
        threadId="t-1",
    )
    message = await get_json(source.tenant, f"messages/{record}")
    first, second = (attachment.pop("id") for attachment in message["attachments"])
    assert first != second
    assert message == {
        "messageId": record,
        "sourceId": source.id,
        "remoteId": "m-1",
        "threadId": "t-1",
        "subject": "Re: Pricing",
        "sender": {"name": "Ana Ruiz", "email": "Ana@Acme.com"},
        "recipients": [
            {"name": None, "email": "rep@ours.io"},
            {"name": "Bo", "email": None},
            {"name": None, "email": None},
        ],
        "bodyPreview": "Hello, here are the terms.",
        "createdAt": STARTED,
        "language": None,
        "body": "Hello,\n\n  here   are the terms.",
        "attachments": [
            {"filename": "terms.pdf", "contentType": "application/pdf", "size": 12},
            {"filename": "photo", "contentType": None, "size": None},
        ],
    }
    (item,) = (await get_json(source.tenant, "messages"))["messages"]
    assert item == {name: message[name] for name in item}
    assert not {"body", "attachments"} & set(item)
    # The URLs of attachments are stored and never shown.
    async with database.connection() as connection:
        kept = await connection.fetchval("select attachments from messages where id = $1", record)
    assert b"https://example.com/secret-link" in bytes(kept)


async def test_missing_fields_are_null(source: Source) -> None:
    record = await source.push("messages", "m-1")
    message = await get_json(source.tenant, f"messages/{record}")
    assert (message["threadId"], message["subject"], message["attachments"]) == (None, None, [])


async def test_the_preview_is_the_beginning_of_the_body_on_one_line(source: Source) -> None:
    for body, preview in (
        ("", ""),
        (" \n\t ", ""),
        ("a" * 200, "a" * 200),
        ("a" * 201, "a" * 200 + "…"),
        ("word " * 100, ("word " * 100)[:200].rstrip() + "…"),
        ("a\r\n\r\nb\u00a0c", "a b c"),
        ("🥊" * 300, "🥊" * 200 + "…"),
        (" " * 5000 + "late", "late"),
        ("<style>p{}</style><p>Q&amp;A is<br><b>slow</b></p>" * 9, ("Q&A is slow " * 9).rstrip()),
        ("a < b &amp; <rosa@acme.example>", "a < b & <rosa@acme.example>"),
    ):
        record = await source.push("messages", "m-1", body=body)
        message = await get_json(source.tenant, f"messages/{record}")
        assert (message["bodyPreview"], message["body"]) == (preview, body)


async def test_messages_of_a_thread_are_listed(source: Source) -> None:
    for number, thread in enumerate(["a", "b", "a", None]):
        at = f"2026-03-11T14:0{number}:00Z"
        await source.push("messages", f"m-{number}", threadId=thread, createdAt=at)
    assert await listed_ids(source.tenant, "messages", threadId="a") == ["m-2", "m-0"]


async def test_invalid_messages_are_refused(source: Source) -> None:
    invalid: list[tuple[dict[str, Any], str | None]] = [
        ({"body": "a" * 100_001}, "body"),
        ({"recipients": []}, "recipients"),
        ({"recipients": [{"email": "a@b.c"}] * 1001}, "recipients"),
        ({"sender": None}, "sender"),
        ({"createdAt": None}, "createdAt"),
        ({"createdAt": "yesterday"}, "createdAt"),
        ({"attachments": [{"name": "x"}]}, "attachments.url"),
    ]
    await assert_refused(source, "messages", invalid)
