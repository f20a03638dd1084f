"""Bad input to every operation of the revenue record, out of one table: it is refused in the two
documented forms, by the name of what is wrong, and leaves nothing behind; and what is good is taken
and read back as it was sent. Walking the router shows that the table is whole.
"""

import asyncio
import base64
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from domains.kernel.db.database import Database
from domains.kernel.tenancy.api_keys import SCOPES
from gateway.revenue.surface import REVENUE
from tests.conftest import MakeTenant
from tests.revenue.push_records import MINIMAL_FIELDS, Source, create_source
from tests.stack import Stack, Tenant, new_tenant
from tests.surfaces.bad_input import (
    ANY_TEXT,
    HUGE,
    NIL,
    NO_TEXTS,
    NO_UUID,
    NOT_A_LIST,
    NOT_A_NUMBER,
    NOT_A_SWITCH,
    NOT_AN_OBJECT,
    NOT_TEXT,
    NOT_TEXTS,
    NOT_UUID,
    SOME_UUID,
    UNKNOWN,
    At,
    Call,
    Case,
    Field,
    Json,
    Parameter,
    Values,
    bodies_of,
    called,
    choice,
    coded,
    declared,
    inner,
    json_of,
    names,
    one_of,
    queries_of,
    required,
    send,
    send_all,
    undecodable,
)

PREFIX = "/v1"
MEGABYTE = 1024 * 1024
# The id in the source system of the one record of each kind that there is.
REMOTE = "R-1"

# Values that stand for the tenant's own source and object type.
SOURCE = "{source}"
OBJECT_TYPE = "{object_type}"


# --- operations -------------------------------------------------------------------------------

OPERATIONS = {
    "health": Call("GET", "/health"),
    "listSources": Call("GET", "/sources", query="SourceQuery"),
    "getSource": Call("GET", "/sources/{source_id}"),
    "createSource": Call("POST", "/sources", ("CreateSourceRequest",)),
    "updateSource": Call("PATCH", "/sources/{source_id}", ("UpdateSourceRequest",)),
    "deleteSource": Call("DELETE", "/sources/{source_id}"),
    "listObjectTypes": Call("GET", "/object-types", query="ObjectTypeQuery"),
    "getObjectType": Call("GET", "/object-types/{object_type_id}"),
    "createObjectType": Call("POST", "/object-types", ("CreateObjectTypeRequest",)),
    "updateObjectType": Call(
        "PATCH", "/object-types/{object_type_id}", ("UpdateObjectTypeRequest",)
    ),
    "deleteObjectType": Call("DELETE", "/object-types/{object_type_id}"),
    "listRows": Call("GET", "/rows", query="RowQuery"),
    "getRow": Call("GET", "/rows/{row_id}"),
    "createRow": Call("POST", "/rows", ("RowRequest",)),
    "updateRow": Call("PATCH", "/rows", ("UpdateRowRequest",), "RecordAddress"),
    "deleteRow": Call("DELETE", "/rows", query="RecordAddress"),
    "listConversations": Call("GET", "/conversations", query="ConversationQuery"),
    "getConversation": Call("GET", "/conversations/{conversation_id}"),
    "listConversationEvidence": Call("GET", "/conversations/{conversation_id}/evidence"),
    "createConversation": Call("POST", "/conversations", ("ConversationRequest",)),
    "deleteConversation": Call("DELETE", "/conversations", query="RecordAddress"),
    "listMessages": Call("GET", "/messages", query="MessageQuery"),
    "getMessage": Call("GET", "/messages/{message_id}"),
    "createMessage": Call("POST", "/messages", ("MessageRequest",)),
    "deleteMessage": Call("DELETE", "/messages", query="RecordAddress"),
    "listDocuments": Call("GET", "/documents", query="DocumentQuery"),
    "getDocument": Call("GET", "/documents/{document_id}"),
    "createDocument": Call("POST", "/documents", ("DocumentRequest",)),
    "updateDocument": Call("PATCH", "/documents", ("UpdateDocumentRequest",), "RecordAddress"),
    "deleteDocument": Call("DELETE", "/documents", query="RecordAddress"),
    "listDeals": Call("GET", "/deals", query="DealQuery"),
    "getDeal": Call("GET", "/deals/{deal_id}"),
    "listAccounts": Call("GET", "/accounts", query="AccountQuery"),
    "getAccount": Call("GET", "/accounts/{account_id}"),
}

WITH_BODY = [name for name, call in OPERATIONS.items() if call.bodies]
ADDRESSING = [name for name, call in OPERATIONS.items() if call.query == "RecordAddress"]
LISTS = [name for name, call in OPERATIONS.items() if call.query and name not in ADDRESSING]
PAGED = [name for name in LISTS if name not in ("listSources", "listObjectTypes")]
# A path ends with a UUID, or with an id that a CRM gave.
BY_UUID = [
    name
    for name, call in OPERATIONS.items()
    if "{" in call.path and name not in ("getDeal", "getAccount")
]


# --- values of bodies -------------------------------------------------------------------------


def wide(length: int) -> str:
    """A text of so many characters that is as large as it can be, and no smaller compressed."""
    return "".join(chr(0x20000 + number * 7919 % 40_000) for number in range(length))


STARTED = "2026-03-11T14:00:00Z"

# What may be sent for an instant, and how it is read back.
MOMENTS: list[tuple[Any, str]] = [
    (STARTED, STARTED),
    ("2026-03-11t14:00:00z", STARTED),
    ("2026-03-11T16:00:00+02:00", STARTED),
    ("2026-03-11T16:00:00+0200", STARTED),
    ("2026-03-11T06:00-08", STARTED),
    ("2026-03-11T14:00:00", STARTED),
    ("2026-03-11 14:00", STARTED),
    ("2026-03-11", "2026-03-11T00:00:00Z"),
    ("2026-03-11T14:00:00,5Z", "2026-03-11T14:00:00.500000Z"),
    ("2026-03-11T14:00:00.123456789Z", "2026-03-11T14:00:00.123456Z"),
    (1773237600, STARTED),
    ("1773237600", STARTED),
    ("+1773237600", STARTED),
    (1773237600.5, "2026-03-11T14:00:00.500000Z"),
    ("1773237600.5", "2026-03-11T14:00:00.500000Z"),
    (1773237600000, STARTED),
    ("1773237600000", STARTED),
    (1773237600500.0, "2026-03-11T14:00:00.500000Z"),
    ("1773237600500.25", "2026-03-11T14:00:00.500250Z"),
    (0, "1970-01-01T00:00:00Z"),
    ("-1", "1969-12-31T23:59:59Z"),
    (-1.5, "1969-12-31T23:59:58.500000Z"),
    (99_999_999_999, "5138-11-16T09:46:39Z"),
    (100_000_000_000, "1973-03-03T09:46:40Z"),
    (253_402_214_400_000, "9999-12-31T00:00:00Z"),
    ("0001-01-02T00:00:00Z", "0001-01-02T00:00:00Z"),
    ("9999-12-30T00:00:00+14:00", "9999-12-29T10:00:00Z"),
]
ENDS: list[tuple[Any, str]] = [
    ("2026-03-11T14:30:00Z", "2026-03-11T14:30:00Z"),
    ("2026-03-11T14:00:00.000001Z", "2026-03-11T14:00:00.000001Z"),
    ("2026-03-12T00:00:00Z", "2026-03-12T00:00:00Z"),
    ("2026-03-12", "2026-03-12T00:00:00Z"),
    (1773237601, "2026-03-11T14:00:01Z"),
    (1773237600001, "2026-03-11T14:00:00.001000Z"),
]
READ = {repr(sent): read for sent, read in MOMENTS + ENDS}

NO_ISO = (
    *("x", "yesterday", "now", "NaN", "Infinity", "null", "true", "0x5", "1e10", "１２３"),
    *("2025-13-01", "2025-02-29", "2025-1-1", "20250101T000000Z", "2025-W01-1", "25-01-01"),
    *("2025-01-01T25:00:00Z", "2025-01-01T00:00:00+25:00", "2025-01-01T00:00:00 Z"),
    *(" 2025-01-01", "2025-01-01\n", "2025-01-01T00:00:00Z\n", "2025-01-01T"),
    *("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-14:00"),
)
NOT_A_MOMENT: Values = (
    *("", *NO_ISO, " 1773237600", "1773237600 ", "--1", "1_0", "1.", ".5", "9" * 20, "9" * 21),
    *(253_402_300_800_000, -62_135_596_800_001, 10**15, -(10**15), 10**30, 1e300, 5e-324 - 1e20),
    *(True, False, [], {}, [STARTED], {"$date": STARTED}, HUGE, -HUGE),
)
# Every instant is read alike: one field of each kind of body gets all of these, the others some.
SOME_NOT_A_MOMENT: Values = (
    *("", "x", "2025-02-29", "10000-01-01T00:00:00Z", 10**15, 1e300, True, [], {}, HUGE),
)
SOME_MOMENTS = [MOMENTS[at][0] for at in (2, 7, 12, 15)]
NOT_ONE: Values = (0, 2, -1, 1.0, 1.5, "1", "", True, [], {}, HUGE)
NO_WEB_ADDRESS = (
    *("", "x", "example.com/x", "//example.com/x", "ftp://example.com/x", "file:///etc/passwd"),
    *("javascript:alert(1)", "http://", "http:///x", "https://:80/x", "http://example.com:x/"),
    *("http://example.com:99999/", "http://[::1/", "https://example.com/a b"),
    *("https://example.com/\n", "https://example.com/\u202e", " https://example.com/x"),
    "https://example.com/" + "a" * 8173,
    # Not of a public host, however that is written; and with a password.
    *("http://localhost/", "http://127.0.0.1/x", "http://[::1]/", "http://10.0.0.1:8080/"),
    *("http://169.254.169.254/latest", "http://0x7f000001/", "http://2130706433/"),
    *("https://user:secret@example.com/", "https://user@example.com/"),
)


def text(
    good: str,
    *,
    longest: int | None = None,
    blank: bool = True,
    null: bool = False,
    needed: bool = False,
    every: bool = False,
) -> Field:
    """A field that holds any text: up to a length, and maybe nothing. `every`: tried with all."""
    wrong: list[Any] = [*NOT_TEXT]
    more: list[Any] = [*(ANY_TEXT if every else ANY_TEXT[1::4])]
    (more if blank else wrong).append("")
    if longest is not None:
        more.append(wide(longest))
        wrong += [wide(longest + 1), "a" * (longest + 1)]
    if null:
        more.append(None)
    return Field(good, wrong, more, needed)


def moment(*, null: bool = True, needed: bool = False, every: bool = False) -> Field:
    """A field that holds an instant. `every`: tried with all of the above."""
    more = [sent for sent, _ in MOMENTS] if every else SOME_MOMENTS
    wrong = NOT_A_MOMENT if every else SOME_NOT_A_MOMENT
    return Field(STARTED, wrong, more + [None] * null, needed)


def _wrong_people(path: str, wrap: Callable[[Any], Any]) -> Iterator[At]:
    by_field: tuple[tuple[str, Values], ...] = (
        ("version", (0, 2, True, "1", None)),
        ("id", (5, True, {})),
        ("name", (5, [], "a" * 1001)),
        ("email", (5, HUGE, "a" * 513)),
    )
    for field, wrong in by_field:
        for each in wrong:
            yield At(f"{path}.{field}", wrap({"email": "bo@acme.com", field: each}))


def _people(path: str) -> Field:
    """Lists of one to a thousand people."""
    bo: Json = {"version": 1, "id": "p-1", "name": "Bo", "email": "bo@acme.com"}
    return Field(
        [bo],
        (
            *NOT_A_LIST,
            *([], [None], [5], ["bo@acme.com"], [[bo]], [bo] * 1001),
            *_wrong_people(path, lambda person: [bo, person]),
        ),
        (
            [{"email": wide(512)}],
            [{"id": wide(600), "name": wide(1000), "email": None}],
            [{"id": each, "name": each, "email": each} for each in ANY_TEXT],
            [{"email": "BO@Acme.com", "name": ""}, {"email": "no at sign"}, {"email": "@"}],
            [bo] * 1000,
        ),
        required=True,
    )


VERSION = Field(1, NOT_ONE)
PUBLIC = Field(True, NOT_A_SWITCH, (False,))
OWNERS = Field(
    ["rep@ours.io"],
    (*NOT_TEXTS, ["a" * 513], ["rep@ours.io"] * 1001),
    ([], ["not an address", "", wide(512)], list(ANY_TEXT), ["rep@ours.io"] * 1000),
)
NAME_OF_TYPE = text("Changed", longest=255, blank=False, needed=True)
NAME_OF_ROW = text("T-2", longest=1000, blank=False, needed=True, every=True)
SOURCE_ID = Field(SOURCE, (*NOT_UUID, "gong", "gmail", "chat_upload"), required=True)
ADDRESS = Field(
    "https://example.com/plan.pdf",
    (*NOT_TEXT, *NO_WEB_ADDRESS),
    (
        *(
            "http://example.com",
            "HTTPS://EXAMPLE.COM:8443/x?y=%20#z",
            "http://[2606:4700::1111]:80/",
        ),
        *("https://example.com/" + "a" * 8172, "https://münchen.example/ü", None),
    ),
)
CONTENT = Field(
    "aGVsbG8=",
    (
        *NOT_TEXT,
        *("", "=", "a", "aGVsbG8", "aGVsbG8==", "aGVs bG8=", "aGVsbG8=\n", "-_8=", "aGVsbG9=x"),
        *("é", "aGVs*G8=", "data:text/plain;base64,aGVsbG8="),
    ),
    ("AA==", "+/8=", base64.b64encode(bytes(range(256)) * 2000).decode(), None),
)
# Fields that are not given together with those that every other field comes along with.
ALONE = {"content": "url"}
# What has to be there instead where one of these is null.
INSTEAD = {
    ("DocumentRequest", "url"): "content",
    ("ConversationRequest", "recordingUrl"): "transcript",
}

LABELLED: Json = {"version": 1, "name": "title", "fieldType": "string", "required": True}
DEFINITIONS = Field(
    [LABELLED | {"label": "Title"}],
    (
        *NOT_A_LIST,
        *([], [None], [5], [[LABELLED]], [LABELLED, LABELLED]),
        [LABELLED | {"name": f"f{number}"} for number in range(51)],
        *(
            At(f"fieldDefinitions.{field}", [LABELLED | {"name": "a"}, LABELLED | {field: each}])
            for field, wrong in (
                ("version", (*NOT_ONE, None)),
                ("name", (*NOT_TEXT, "", "a" * 256, None)),
                ("fieldType", (*one_of("string").wrong, "text", "integer", "number", "STRING")),
                ("label", NOT_TEXT),
                ("required", (*NOT_A_SWITCH, None)),
            )
            for each in wrong
        ),
        At("fieldDefinitions.name", [{"fieldType": "int"}]),
        At("fieldDefinitions.fieldType", [{"name": "a"}]),
    ),
    (
        [LABELLED | {"name": f"f{number}"} for number in range(50)],
        [{"name": each, "fieldType": "list", "label": each} for each in ANY_TEXT],
        [{"name": wide(255), "fieldType": "date", "label": wide(2000)}],
        [{"name": "a", "fieldType": "int", "label": None}, {"name": "A", "fieldType": "double"}],
        [
            {"name": each, "fieldType": each}
            for each in (
                *("textarea", "string", "boolean", "int", "double", "datetime", "date", "list"),
            )
        ],
    ),
    required=True,
)

TITLE: Json = {"value": "x", "fieldType": "string"}


def _wrong_fields() -> Iterator[Any]:
    """Of a row whose object type needs a title; the key at fault is named."""
    good = {"score": {"value": 5, "fieldType": "int"}}
    yield from NOT_AN_OBJECT
    for field, wrong in (
        ("version", (*NOT_ONE, None)),
        ("fieldType", (*one_of("string").wrong, "text", "integer", "STRING", None)),
        ("label", NOT_TEXT),
    ):
        for each in wrong:
            yield At(f"fields.title.{field}", good | {"title": TITLE | {field: each}})
    yield At("fields.title.value", good | {"title": {"fieldType": "string"}})
    yield At("fields.title.fieldType", good | {"title": {"value": "x"}})
    for each in ("x", 5, True, [], [TITLE]):
        yield At("fields.title", good | {"title": each})
    for no_line in ("two\nlines", "two\r\nlines"):
        yield At("fields.title", {"title": TITLE | {"value": no_line}})
    yield At("fields.title", {"title": TITLE | {"fieldType": "textarea"}})
    yield At("fields.nope", {"title": TITLE, "nope": TITLE})
    # Keys that look like a path, and are as long as they can be.
    for key in ("a.b", "a[0]", "a`", " - at `$.name`", "", "\n", "$", "\U0001f94a" * 100):
        yield At(f"fields.{key}", {"title": TITLE, key: TITLE})
        yield At(f"fields.{key}.fieldType", {"title": TITLE, key: TITLE | {"fieldType": "text"}})
    yield At(f"fields.{'k' * 100}", {"title": TITLE, "k" * 100_000: TITLE})
    yield At(f"fields.{'k' * 100}", {"title": TITLE, "k" * 100_000: 5})


def _fields(*, needed: bool) -> Field:
    every: Json = {
        "title": TITLE | {"version": 1, "label": "Title"},
        "notes": {"value": "two\nlines", "fieldType": "textarea"},
        "open": {"value": False, "fieldType": "boolean", "label": None},
        "score": {"value": 87, "fieldType": "int", "label": ""},
        "tags": {"value": ["a", 1, True], "fieldType": "list", "label": wide(2000)},
    }
    more: list[Any] = [{"title": TITLE | {"value": each}} for each in ("", "x" * 100_000, "\t")]
    wrong = [*_wrong_fields()]
    if needed:
        wrong += [
            {},
            {f"f{number}": TITLE for number in range(51)},
            At("fields.title", {"score": {"value": 5, "fieldType": "int"}}),
            At("fields.title", {"title": None}),
        ]
    else:
        more += [{}, {"notes": None}, {"score": {"value": 5, "fieldType": "int"}}, None]
        wrong += [
            At("fields.title", {"title": None}),
            At("fields.nope", {"nope": None}),
        ]
    return Field(every, wrong, more, needed)


SAID: Json = {"speakerName": "Bo", "text": "Hello.", "timestamp": "2026-03-11T14:00:05Z"}
ENDED = "2026-03-11T14:30:00Z"
TRANSCRIPT = Field(
    [SAID | {"version": 1, "speakerId": "p-1"}],
    (
        *NOT_A_LIST,
        *([None], [5], [[SAID]], [SAID] * 10_001),
        [{"text": "x", "timestamp": STARTED}],
        [{"text": "x", "timestamp": STARTED, "speakerName": "", "speakerId": None}],
        *(
            At(f"transcript.{field}", [SAID, SAID | {field: each}])
            for field, wrong in (
                ("version", (*NOT_ONE, None)),
                ("speakerId", NOT_TEXT),
                ("speakerName", NOT_TEXT),
                ("text", (*NOT_TEXT, None)),
                (
                    "timestamp",
                    (
                        *(*SOME_NOT_A_MOMENT, None, 0, 5, 12.5, "12.5", "00:00:05", "PT5S"),
                        *("2026-03-11T13:59:59.999999Z", "2026-03-11T14:30:00.000001Z"),
                    ),
                ),
            )
            for each in wrong
        ),
        At("transcript.text", [{"speakerName": "Bo", "timestamp": STARTED}]),
        At("transcript.timestamp", [{"speakerName": "Bo", "text": "x"}]),
    ),
    (
        [],
        [SAID | {"speakerName": None, "speakerId": wide(600), "text": ""}],
        [SAID | {"speakerName": wide(1001), "text": "x" * 200_000}],
        [SAID | {"timestamp": 1773237605}, SAID | {"timestamp": "2026-03-12T00:00:00Z"}],
        [SAID | {"text": each} for each in ANY_TEXT],
        [SAID] * 10_000,
    ),
)
ATTACHED: Json = {"name": "plan.pdf", "url": "https://example.com/plan.pdf"}
ATTACHMENTS = Field(
    [ATTACHED | {"version": 1, "mimeType": "application/pdf", "sizeBytes": 5}],
    (
        *NOT_A_LIST,
        *([None], [5], [[ATTACHED]], [ATTACHED] * 1001),
        *(
            At(f"attachments.{field}", [ATTACHED, ATTACHED | {field: each}])
            for field, wrong in (
                ("version", (*NOT_ONE, None)),
                ("name", (*NOT_TEXT, None)),
                ("url", (*NOT_TEXT, None)),
                ("mimeType", NOT_TEXT),
                ("sizeBytes", ("", "5", 1.5, True, [], {}, 2**63, 10**30, HUGE)),
            )
            for each in wrong
        ),
        At("attachments.name", [{"url": "x"}]),
        At("attachments.url", [{"name": "x"}]),
    ),
    (
        [],
        [ATTACHED | {"mimeType": None, "sizeBytes": None}],
        [ATTACHED | {"name": each, "url": each, "mimeType": each} for each in ANY_TEXT],
        [ATTACHED | {"sizeBytes": each} for each in (0, 2**53 + 1, 2**63 - 1)],
        [ATTACHED] * 1000,
    ),
)

RECORD: dict[str, Field] = {
    "version": VERSION,
    "id": text(REMOTE, longest=512, blank=False, needed=True, every=True),
    "sourceId": SOURCE_ID,
    "displayName": text("Changed", longest=10_000),
    "updatedAt": moment(),
    "public": PUBLIC,
    "ownerEmails": OWNERS,
}
BODIES: dict[str, dict[str, Field]] = {
    "CreateSourceRequest": {
        "version": VERSION,
        "name": NAME_OF_TYPE,
        "displayName": NAME_OF_TYPE,
    },
    "UpdateSourceRequest": {"version": VERSION, "displayName": NAME_OF_TYPE},
    "CreateObjectTypeRequest": {
        "version": VERSION,
        "sourceId": SOURCE_ID,
        "name": NAME_OF_TYPE,
        "displayName": NAME_OF_TYPE,
        "fieldDefinitions": DEFINITIONS,
    },
    "UpdateObjectTypeRequest": {
        "version": VERSION,
        "displayName": text("Changed", longest=255, blank=False, null=True),
        "fieldDefinitions": Field(
            DEFINITIONS.good,
            [each for each in DEFINITIONS.wrong if each is not None],
            (*DEFINITIONS.more, None),
        ),
    },
    "RowRequest": {
        **RECORD,
        "createdAt": moment(every=True),
        "objectTypeId": Field(OBJECT_TYPE, NOT_UUID, required=True),
        "name": NAME_OF_ROW,
        "fields": _fields(needed=True),
    },
    "UpdateRowRequest": {
        "version": VERSION,
        "displayName": text("Changed", longest=10_000, null=True),
        "name": text("T-2", longest=1000, blank=False, null=True),
        "public": Field(True, NOT_A_SWITCH, (False, None)),
        "ownerEmails": Field(OWNERS.good, NOT_TEXTS, (*OWNERS.more, None)),
        "updatedAt": moment(),
        "fields": _fields(needed=False),
    },
    "ConversationRequest": {
        **RECORD,
        "createdAt": moment(null=False, needed=True),
        "transcript": TRANSCRIPT,
        "recordingUrl": ADDRESS,
        "recordingMimeType": text("video/mp4", null=True),
        "startedAt": moment(null=False, needed=True, every=True),
        "endedAt": Field(
            ENDED,
            (
                *SOME_NOT_A_MOMENT,
                *(STARTED, "2026-03-11", 1773237600, "2026-03-11T13:59:59Z"),
                *("2026-03-12T00:00:00.000001Z", 0, 5, 1800),
            ),
            (*(sent for sent, _ in ENDS), None),
        ),
        "participants": Field(
            _people("participants").good,
            (
                *_people("participants").wrong[:-1],
                *([{}], [{"name": "Bo"}], [{"id": "", "email": ""}]),
            ),
            _people("participants").more,
            required=True,
        ),
    },
    "MessageRequest": {
        **RECORD,
        "createdAt": moment(null=False, needed=True, every=True),
        "body": text("Hello.", longest=100_000, needed=True, every=True),
        "sender": Field(
            {"email": "bo@acme.com"},
            (*NOT_AN_OBJECT, *_wrong_people("sender", lambda person: person)),
            ({}, {"version": 1, "id": "x", "name": "", "email": None}),
            required=True,
        ),
        "recipients": _people("recipients"),
        "attachments": ATTACHMENTS,
        "threadId": text("thread-1", longest=512, null=True),
    },
    "DocumentRequest": {
        **RECORD,
        "createdAt": moment(),
        "url": ADDRESS,
        "content": CONTENT,
        "filename": text("plan.pdf", longest=1000, null=True),
        "contentType": text("application/pdf", longest=255),
        "author": Field(
            {"email": "bo@acme.com"},
            (*NOT_AN_OBJECT, *_wrong_people("author", lambda person: person)),
            ({}, {"name": wide(1000)}, None),
        ),
    },
    "UpdateDocumentRequest": {
        "version": VERSION,
        "displayName": text("Changed", longest=10_000, null=True),
        "public": Field(True, NOT_A_SWITCH, (False, None)),
        "ownerEmails": Field(OWNERS.good, NOT_TEXTS, (*OWNERS.more, None)),
        "updatedAt": moment(every=True),
        "url": ADDRESS,
        "content": CONTENT,
        "filename": text("plan.pdf", longest=1000, null=True),
        "contentType": text("application/pdf", longest=255, null=True),
    },
}

# A text in each body, for what no decoder takes.
TEXT_OF = {
    name: "body" if "body" in fields else "filename" if "filename" in fields else "displayName"
    for name, fields in BODIES.items()
}


# --- what is read back ------------------------------------------------------------------------


def _same(sent: Any) -> Any:
    return sent


def _read(sent: Any) -> Any:
    """How an instant is answered."""
    return sent if sent is None else READ[repr(sent)]


def _or_null(sent: Any) -> Any:
    return sent or None


def _party(sent: Json) -> Json:
    return {"name": sent.get("name") or None, "email": sent.get("email") or None}


def _parties(sent: Sequence[Json]) -> list[Json]:
    return [_party(each) for each in sent]


def _values(sent: Json) -> Json:
    return {
        key: {"value": each["value"], "fieldType": each["fieldType"], "label": each.get("label")}
        for key, each in sent.items()
        if each is not None
    }


def _definitions(sent: Sequence[Json]) -> list[Json]:
    return [
        {
            "name": each["name"],
            "fieldType": each["fieldType"],
            "label": each.get("label"),
            "required": each.get("required", False),
        }
        for each in sent
    ]


Shown = Callable[[Any], Any]
# Where the API shows a field of a body, and as what. Not here: what no read shows.
SHOWN: dict[str, dict[str, tuple[str, Shown]]] = {
    "CreateSourceRequest": {"name": ("name", _same), "displayName": ("displayName", _same)},
    "UpdateSourceRequest": {"displayName": ("displayName", _same)},
    "CreateObjectTypeRequest": {
        "sourceId": ("sourceId", _same),
        "name": ("name", _same),
        "displayName": ("displayName", _same),
        "fieldDefinitions": ("fieldDefinitions", _definitions),
    },
    "UpdateObjectTypeRequest": {
        "displayName": ("displayName", _same),
        "fieldDefinitions": ("fieldDefinitions", _definitions),
    },
    "RowRequest": {
        **{name: (name, _same) for name in ("sourceId", "objectTypeId", "name", "displayName")},
        "id": ("remoteId", _same),
        "fields": ("fields", _values),
        "createdAt": ("createdAt", _read),
        "updatedAt": ("updatedAt", _read),
    },
    "UpdateRowRequest": {
        "displayName": ("displayName", _same),
        "name": ("name", _same),
        "updatedAt": ("updatedAt", _read),
    },
    "ConversationRequest": {
        "sourceId": ("sourceId", _same),
        "displayName": ("title", _or_null),
        "startedAt": ("startTime", _read),
        "endedAt": ("endTime", _read),
        "participants": (
            "participants",
            lambda sent: [each | {"attended": True} for each in _parties(sent)],
        ),
    },
    "MessageRequest": {
        "sourceId": ("sourceId", _same),
        "id": ("remoteId", _same),
        "displayName": ("subject", _or_null),
        "createdAt": ("createdAt", _read),
        "body": ("body", _same),
        "sender": ("sender", _party),
        "recipients": ("recipients", _parties),
        "threadId": ("threadId", _or_null),
    },
    "DocumentRequest": {
        "sourceId": ("sourceId", _same),
        "id": ("remoteId", _same),
        "createdAt": ("createdAt", _read),
        "updatedAt": ("updatedAt", _read),
        "url": ("url", _same),
        "contentType": ("contentType", _same),
    },
    "UpdateDocumentRequest": {
        "updatedAt": ("updatedAt", _read),
        "url": ("url", _same),
        "contentType": ("contentType", _same),
    },
}


# --- queries ----------------------------------------------------------------------------------

LIMIT = Parameter(("1", "50"), ("0", "-0", "51", "100", "9" * 30, "9" * 4000, *NOT_A_NUMBER))
CURSOR = Parameter(
    ("",),
    (
        *("x", "%00", "%20", "%ff", "null", "0", "-1", SOME_UUID, "a" * 512, "a" * 513, "=" * 64),
        *("A" * 22, "_" * 64, "eyJ0cyI6MH0=", *coded("é" * 100, "\U0001f94a" * 300)),
    ),
)
PAGING = {"limit": LIMIT, "cursor": CURSOR}
BOUND = Parameter(
    coded(
        *("2026-03-11T14:00:00Z", "2026-03-11T14:00:00.5+02:00", "2026-03-11", "2026-03-11 14:00"),
        *("0001-01-02", "9999-12-31", "2026-03-11t14:00:00z"),
    ),
    ("", "0", "-1", "1773237600", "1773237600000", "%00", "2026-03-11%00", *coded(*NO_ISO)),
)
# The other bounds of a list are read alike.
SOME_BOUND = Parameter(
    BOUND.good[:3], ("", "x", "0", "%00", *coded("2025-02-29", "10000-01-01T00:00:00Z"))
)
PIECES = ("", *coded(*ANY_TEXT[3:], "%", "\\", "%%\\_", "(", "[*", "\\d", "a|b"))
NUL = ("%00", "a%00")


def _short(bound: Parameter) -> Parameter:
    """A bound of at most 64 characters."""
    return Parameter(bound.good, (*bound.wrong, "2026-03-11T14:00:00Z" + "0" * 45))


def _any_text(longest: int | None = None) -> Parameter:
    """A parameter that holds any text, up to a length."""
    if longest is None:
        return Parameter((*PIECES, "a" * 8000, "x" + "%20y" * 2000), NUL)
    return Parameter((*PIECES, *coded(wide(longest))), (*NUL, "a" * (longest + 1)))


def _origin(*native: str, never: Sequence[str]) -> Parameter:
    """A source: a UUID or the name of one of these origins."""
    spelled = (SOME_UUID, SOME_UUID.upper(), UNKNOWN, NIL, SOURCE)
    wrong = (*NO_UUID, *never, *(each.upper() for each in native), *NIL.split("-")[:1])
    return Parameter((*spelled, *native), ("%00", f"{SOME_UUID}%00", *coded(*wrong)))


UUID_PARAMETER = Parameter(
    (SOME_UUID, SOME_UUID.upper(), NIL, UNKNOWN), ("%00", *coded(*NO_UUID, "gong"))
)
AMOUNT = Parameter(
    ("0", "-1.5", "%2B5", "1e3", ".5", "1.", "1e308", "-0", "1e-999", "0" * 300),
    (
        "",
        "x",
        "NaN",
        "inf",
        "-Infinity",
        "1e999",
        "0x1",
        "1_0",
        "1,5",
        "%00",
        "5%00",
        "5%20",
        "--1",
    ),
)
NATIVE_CALLS = (
    *("sybill", "gong", "chorus", "fathom", "grain", "mindtickle", "avoma", "fireflies"),
    *("zoho_meetings", "uploaded_call", "uploaded_transcript", "sdk_upload", "zoom_phone"),
    "outreach_dialer",
)
NATIVE_MAILS = (
    *("gmail", "outlook", "zoho_mail"),
    *("salesforce_crm", "hubspot_crm", "pipedrive_crm", "dynamics_crm", "zoho_crm"),
)

QUERIES: dict[str, dict[str, Parameter]] = {
    "SourceQuery": {"name": _any_text(255)},
    "ObjectTypeQuery": {"sourceId": UUID_PARAMETER},
    "RowQuery": {
        **PAGING,
        "sourceId": _origin(never=("gong", "gmail", "chat_upload")),
        "objectTypeId": UUID_PARAMETER,
        "remoteId": _any_text(),
        "name": _any_text(1000),
        "createdAfter": BOUND,
        "createdBefore": SOME_BOUND,
    },
    "ConversationQuery": {
        **PAGING,
        "startedAfter": BOUND,
        "startedBefore": SOME_BOUND,
        "type": choice("EXTERNAL", "INTERNAL")._replace(
            wrong=(*choice("INTERNAL").wrong[:3], "internal", "%20INTERNAL", "INTERNAL%00", "%ff")
        ),
        "title": _any_text(),
        "attendees": Parameter(
            (
                *_any_text().good,
                *coded("a@acme.com", "A@ACME.COM", "@acme.com", "acme.com", "@", "a@", "."),
            ),
            NUL,
        ),
        "crmName": _any_text(1000),
        "sourceId": _origin(*NATIVE_CALLS, never=("gmail", "chat_upload")),
    },
    "MessageQuery": {
        **PAGING,
        "sourceId": _origin(*NATIVE_MAILS, never=("gong", "chat_upload", "a" * 256)),
        "remoteId": _any_text(512),
        "threadId": _any_text(512),
        "participantEmail": _any_text(255),
        "createdAfter": _short(SOME_BOUND),
        "createdBefore": _short(BOUND),
    },
    "DocumentQuery": {
        **PAGING,
        "sourceId": _origin("chat_upload", never=("gong", "gmail")),
        "name": _any_text(255),
    },
    "DealQuery": {
        **PAGING,
        **dict.fromkeys(("name", "stage", "owner"), _any_text()),
        "closed": Parameter(
            ("true", "false", "1", "0", "TRUE", "False"),
            ("", "yes", "2", "null", "true%00", "%20true", "t", "%00"),
        ),
        "amountMin": AMOUNT,
        "amountMax": AMOUNT,
        **dict.fromkeys(
            ("closeDateAfter", "closeDateBefore", "lastActivityAfter", "lastActivityBefore"),
            SOME_BOUND,
        ),
    },
    "AccountQuery": {
        **PAGING,
        **dict.fromkeys(("name", "website", "owner"), _any_text()),
        **dict.fromkeys(
            ("createdAfter", "createdBefore", "lastActivityAfter", "lastActivityBefore"), SOME_BOUND
        ),
    },
    "RecordAddress": {
        "remoteId": Parameter((REMOTE,), ("", *NUL, "a" * 513, *coded(wide(513)))),
        "sourceId": Parameter((SOURCE,), ("%00", *coded(*NO_UUID, "gong", "gmail"))),
    },
}
NEEDED = {"RecordAddress": ("remoteId", "sourceId")}

# Ids, as they stand in an address, that are no UUIDs.
NO_UUIDS = (
    *("x", "0", "null", "gong", "R-1", "SIGNAL-1", "%00", "%0a", "%ff", "%2e%2e", "%ed%a0%80"),
    *(f"{UNKNOWN}%0a", f"{UNKNOWN}%00", f"{UNKNOWN}0", f"%7B{UNKNOWN}%7D", f"%20{UNKNOWN}"),
    *(UNKNOWN.replace("-", ""), f"urn:uuid:{UNKNOWN}", *coded("\U0001f94a" * 300, "a" * 3000)),
)
# Ids that no CRM gave.
STRANGE_IDS = (
    *(UNKNOWN, "x", "0", "null", "%00", "D-1%00", "%0a", "%ff", "%2e%2e", "%ed%a0%80", "%25"),
    *coded(*ANY_TEXT, "a/b", "\U0001f94a" * 300, "a" * 3000),
)


# --- the table is whole -----------------------------------------------------------------------


def test_every_operation_is_in_the_table() -> None:
    assert sorted(called(REVENUE)) == sorted(OPERATIONS.items())
    handlers: Iterable[HTTPRouteHandler] = REVENUE.handlers
    assert {each.opt["operation"].id for each in handlers} == set(OPERATIONS)
    assert len(OPERATIONS) == 34


def test_every_field_of_every_body_is_in_the_table() -> None:
    bodies = bodies_of(REVENUE)
    assert {name: names(each) for name, each in bodies.items()} == {
        name: set(fields) for name, fields in BODIES.items()
    }
    assert set(SHOWN) == set(BODIES)
    for name, struct in bodies.items():
        assert required(struct) == {each for each, field in BODIES[name].items() if field.required}
        assert TEXT_OF[name] in BODIES[name]
        named = {
            wrong.path.replace("fields.title.", "fields.*.")
            for field in BODIES[name].values()
            for wrong in field.wrong
            if isinstance(wrong, At)
        }
        assert inner(struct) - named == set()


def test_every_parameter_of_every_query_is_in_the_table() -> None:
    queries = queries_of(REVENUE)
    assert {name: names(each) for name, each in queries.items()} == {
        name: set(parameters) for name, parameters in QUERIES.items()
    }
    for name, struct in queries.items():
        assert required(struct) == set(NEEDED.get(name, ()))


def test_no_entry_of_the_table_is_empty() -> None:
    for fields in BODIES.values():
        assert all(field.wrong for field in fields.values())
    for parameters in QUERIES.values():
        assert all(each.good and each.wrong for each in parameters.values())


# --- two tenants with a record of each kind ---------------------------------------------------


class Home(NamedTuple):
    """A tenant, its source, and the id of one record of each kind."""

    tenant: Tenant
    source: Source
    records: dict[str, str]

    def fill(self, value: Any) -> Any:
        """The value with the ids of source and object type in their places."""
        own = {SOURCE: self.source.id, OBJECT_TYPE: self.source.object_type}
        return own.get(value, value) if isinstance(value, str) else value

    def fill_text(self, query: str) -> str:
        """The same for a query."""
        return query.replace(SOURCE, self.source.id)


class World(NamedTuple):
    """Who asks, and whose records shall stay as they are, too."""

    mine: Home
    foreign: Home
    database: Database
    blobs: Path
    # All that there was when it was last looked at.
    seen: Json

    async def all_there_is(self) -> Json:
        """All that either of them has stored, but for what processing makes of it."""
        found: Json = {}
        homes = [UUID(each.tenant.workspace) for each in (self.mine, self.foreign)]
        async with self.database.connection() as connection:
            for table in TABLES:
                found[table] = await connection.fetch(
                    f"select (to_jsonb(t) - $2::text[])::text from {table} t"
                    " where workspace_id = any($1) order by 1",
                    homes,
                    PROCESSED,
                )
            found["jobs"] = await connection.fetchval(
                "select count(*) from jobs where workspace_id = any($1)"
                " and kind like 'revenue.process%'",
                homes,
            )
        for home in homes:
            stored = (self.blobs / "documents" / str(home)).glob("*")
            found[f"{home} stored"] = sorted(str(each) for each in stored)
        return found

    @contextlib.asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """What is done inside leaves everything as it was."""
        before = dict(self.seen)
        yield
        self.seen.update(await self.all_there_is())
        assert self.seen == before


TABLES = (
    *("sources", "object_types", "rows", "conversations", "messages", "documents"),
    *("deals", "accounts"),
)
PROCESSED = ["state", "error", "category", "summary", "recordings"]
PROCESSED += ["normalized_key", "normalized_url", "normalized_content_type"]


@pytest.fixture(scope="module")
async def world(stack: Stack, database: Database) -> AsyncIterator[World]:
    async with (
        new_tenant(stack, database=database) as acme,
        new_tenant(stack, database=database) as rival,
    ):
        mine, foreign = [await home_of(each, database) for each in (acme, rival)]
        made = World(mine, foreign, database, stack.folder / "blobs", {})
        made.seen.update(await made.all_there_is())
        yield made


async def home_of(owner: Tenant, database: Database) -> Home:
    """A tenant with one record of each kind."""
    source = await create_source(owner)
    records = {kind: await source.push(kind, REMOTE) for kind in MINIMAL_FIELDS}
    records |= {"sources": source.id, "object-types": source.object_type}
    async with database.connection() as connection:
        for kind in ("deals", "accounts"):
            records[kind] = f"{kind}-1"
            await connection.execute(
                f"insert into {kind} (workspace_id, id, name) values ($1, $2, 'Acme')",
                UUID(owner.workspace),
                records[kind],
            )
    return Home(owner, source, records)


def _kind(call: Call) -> str:
    return call.path.split("/")[1]


def _given(body: str, base: Json, field: str, value: Any) -> Json:
    """A body with another value of a field, and what goes with that."""
    whole = base | {field: value}
    if value is not None and (other := ALONE.get(field)):
        whole.pop(other, None)
    if value is None and (other := INSTEAD.get((body, field))):
        whole[other] = BODIES[body][other].good
    return whole


def _good(body: str, home: Home) -> Json:
    """A body that gives every field, and would change every field of a record."""
    return {
        field: home.fill(entry.good) for field, entry in BODIES[body].items() if field not in ALONE
    }


def _needed(body: str, home: Home) -> Json:
    """The least, with an id or a name that nobody has yet."""
    least = {
        field: home.fill(entry.good) for field, entry in BODIES[body].items() if entry.required
    }
    if body == "ConversationRequest":
        least["recordingUrl"] = BODIES[body]["recordingUrl"].good
    if body == "DocumentRequest":
        least["url"] = BODIES[body]["url"].good
    for field in ("id", "name"):
        if field in least:
            least[field] = secrets.token_hex(8)
    return least


def _mine(call: Call, home: Home) -> tuple[str, str]:
    """The id and the query that name the tenant's own record to an operation."""
    query = f"remoteId={REMOTE}&sourceId={home.source.id}" if call.query == "RecordAddress" else ""
    return home.records.get(_kind(call), UNKNOWN), query


async def _let_through(owner: Tenant, call: Call, cases: Iterable[Case]) -> list[str]:
    """What was not refused as it should be."""
    return [
        f"{str(case)[:300]} -> {wrong}"
        for case, answer in await send_all(owner.http, PREFIX, call, cases)
        if (wrong := _unlike_a_refusal(answer, case.field))
    ]


def _unlike_a_refusal(answer: httpx.Response, field: str) -> str:
    """Empty if it is a 400 that names this field alone, else what it is."""
    if answer.status_code != 400 or len(answer.content) > 2_000:
        return f"{answer.status_code} {answer.text[:200]}"
    said = _refused(answer, "validation_error", field or None)
    right = said.startswith(f"{field}: ") if field else bool(said)
    return "" if right else answer.text[:500]


def _refused(answer: httpx.Response, error: str, field: str | None = None) -> str:
    """The sentence of a refusal that has the documented form of its method, else nothing."""
    if answer.headers["Content-Type"] != "application/json":
        return ""
    body = answer.json()
    if answer.request.method == "GET":
        said = body.get("detail")
        return said if set(body) == {"detail"} and isinstance(said, str) else ""
    fault = body.get("detail")
    expected = {
        "error": error,
        "message": fault.get("message"),
        "field": field,
        "request_id": answer.headers["X-Request-Id"],
    }
    right = set(body) == {"detail"} and fault == expected and isinstance(fault["message"], str)
    return str(fault["message"]) if right else ""


# --- bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_BODY)
async def test_a_wrong_or_missing_value_is_refused_by_its_field_and_changes_nothing(
    world: World, name: str
) -> None:
    """Each comes along with good values for all other fields."""
    call = OPERATIONS[name]
    (body,) = call.bodies
    good, (mine, query) = _good(body, world.mine), _mine(call, world.mine)
    cases = []
    for field, entry in BODIES[body].items():
        for wrong in entry.wrong:
            path, value = wrong if isinstance(wrong, At) else (field, wrong)
            content = json_of(_given(body, good, field, value))
            cases.append(Case(path, content, query, mine))
        if entry.required:
            left = {each: value for each, value in good.items() if each != field}
            cases.append(Case(field, json_of(left), query, mine))
    async with world.unchanged():
        assert await _let_through(world.mine.tenant, call, cases) == []


async def test_what_is_wrong_with_a_body_as_a_whole_names_no_field(world: World) -> None:
    """What there must be one of is not there, or twice."""
    conversation = _good("ConversationRequest", world.mine)
    document = _good("DocumentRequest", world.mine)
    change = _good("UpdateDocumentRequest", world.mine)
    silent = {each: conversation[each] for each in conversation if each != "recordingUrl"}
    nowhere = {each: document[each] for each in document if each != "url"}
    bodies: list[tuple[str, Json]] = [
        ("createConversation", silent | {"transcript": []}),
        ("createConversation", silent | {"transcript": [], "recordingUrl": None}),
        ("createDocument", nowhere),
        ("createDocument", nowhere | {"url": None, "content": None}),
        ("createDocument", document | {"content": "AA=="}),
        ("updateDocument", change | {"content": "AA=="}),
    ]
    async with world.unchanged():
        for name, body in bodies:
            mine, query = _mine(OPERATIONS[name], world.mine)
            case = Case("", json_of(body), query, mine)
            assert await _let_through(world.mine.tenant, OPERATIONS[name], [case]) == []


@pytest.mark.parametrize("name", WITH_BODY)
async def test_good_values_are_taken_and_read_back(
    acme: Tenant, database: Database, name: str
) -> None:
    """Bounds, nulls, any text, every form of an instant; and a hundred levels of JSON."""
    home = await home_of(acme, database)
    (body,) = OPERATIONS[name].bodies
    turn = asyncio.Semaphore(6)
    given: list[tuple[str, Any]] = [
        (field, value) for field, entry in BODIES[body].items() for value in entry.more
    ]
    given.append(("unknown", None))

    async def differs(field: str, value: Any) -> str:
        async with turn:
            needed = _needed(body, home)
            sent = _given(body, needed, field, value)
            return await _differs(home, name, sent)

    every = _good(body, home)
    every |= {each: secrets.token_hex(8) for each in ("id",) if each in every}
    found = await asyncio.gather(
        _differs(home, name, every), *(differs(field, value) for field, value in given)
    )
    assert [each for each in found if each] == []


async def _differs(home: Home, name: str, sent: Json) -> str:
    """Empty if a good body is taken and its record read as it was sent, else what is not so."""
    call = OPERATIONS[name]
    (body,) = call.bodies
    before, target, query = await _target(home, call, sent)
    content = json_of(sent)
    if "unknown" in sent:
        content = content.replace(b'"unknown": null', b'"unknown": ' + b"[" * 99 + b"]" * 99)
    answer = await send(home.tenant.http, PREFIX, call, Case("", content, query, target))
    if answer.status_code != (201 if call.method == "POST" else 200):
        return f"{content[:300]!r} -> {answer.status_code} {answer.text[:200]}"
    told = answer.json()
    record = told.get("recordId") or told["id"]
    if "recordId" in told:
        expected = {
            "status": "created" if call.method == "POST" else "updated",
            "recordId": record,
            "id": sent.get("id", before.get("remoteId")),
            "sourceId": home.source.id,
        }
        if told != expected:
            return f"{content[:300]!r} -> {answer.text}"
    read = (await home.tenant.http.get(f"{PREFIX}/{_kind(call)}/{record}")).json()
    for field, (shown, ready) in SHOWN[body].items():
        if field in sent:
            kept = call.method == "PATCH" and sent[field] is None
            expected = before[shown] if kept else ready(sent[field])
            if field in ("endedAt", "url") and sent[field] is None:
                continue
            if read[shown] != expected:
                return f"{field}: {str(sent[field])[:200]!r} -> {str(read[shown])[:200]!r}"
    return ""


async def _target(home: Home, call: Call, sent: Json) -> tuple[Json, str, str]:
    """A fresh record for a PATCH: as it is read, its id, and the query that names it."""
    del sent
    if call.method == "POST":
        return {}, UNKNOWN, ""
    http, kind, token = home.tenant.http, _kind(call), secrets.token_hex(8)
    if kind in MINIMAL_FIELDS:
        record = await home.source.push(kind, token)
        query = f"remoteId={token}&sourceId={home.source.id}"
    else:
        body: Json = {"name": token, "displayName": "First"}
        if kind == "object-types":
            body |= {"sourceId": home.source.id, "fieldDefinitions": [LABELLED]}
        record = (await http.post(f"{PREFIX}/{kind}", json=body)).json()["id"]
        query = ""
    return (await http.get(f"{PREFIX}/{kind}/{record}")).json(), record, query


@pytest.mark.parametrize("name", WITH_BODY)
async def test_a_body_that_is_no_json_object_in_utf_8_is_refused(world: World, name: str) -> None:
    call = OPERATIONS[name]
    (body,) = call.bodies
    mine, query = _mine(call, world.mine)
    contents = undecodable(_good(body, world.mine), TEXT_OF[body])
    cases = [Case("", content, query, mine) for content in contents]
    async with world.unchanged():
        assert await _let_through(world.mine.tenant, call, cases) == []


@pytest.mark.parametrize("name", WITH_BODY)
async def test_what_is_no_text_is_refused_in_an_unknown_field_and_in_a_value_too(
    world: World, name: str
) -> None:
    call = OPERATIONS[name]
    (body,) = call.bodies
    mine, query = _mine(call, world.mine)
    whole = json_of(_good(body, world.mine))
    members = [b'"unknown": ' + value for value in NO_TEXTS]
    members += [b'"unknown": {"a": [' + value + b"]}" for value in NO_TEXTS]
    members += [key + b": 1" for key in NO_TEXTS]
    if "fields" in BODIES[body]:
        for value in NO_TEXTS:
            title = b'{"fieldType": "string", "value": ' + value + b"}"
            members.append(b'"fields": {"title": ' + title + b"}")
            tags = b'{"fieldType": "list", "value": [' + value + b"]}"
            members.append(b'"fields": {"tags": ' + tags + b"}")
            members.append(b'"fields": {' + value + b": " + json_of(TITLE) + b"}")
    cases = [Case("", whole[:-1] + b", " + each + b"}", query, mine) for each in members]
    async with world.unchanged():
        assert await _let_through(world.mine.tenant, call, cases) == []


async def test_a_field_that_stands_twice_counts_once_or_is_refused_as_a_whole(
    world: World,
) -> None:
    """Which of two is wrong can then not be said, but that one is."""
    call, good = OPERATIONS["updateRow"], b'{"fields": {"title": 5}, "fields": '
    mine, query = _mine(call, world.mine)
    cases = [Case("fields", good + rest + b"}", query, mine) for rest in (b"5", b"null", b"{}")]
    cases.append(Case("fields.title", good + b'{"title": 6}}', query, mine))
    twice = b'{"fields": {"notes": 5, "notes": null}}'
    cases.append(Case("fields", twice, query, mine))
    async with world.unchanged():
        assert await _let_through(world.mine.tenant, call, cases) == []


# --- typed fields of rows ---------------------------------------------------------------------

# Too large for a float, and too long for a number of Python.
TEN_TO_400 = "1" + "0" * 400
TEN_TO_5000 = "1" + "0" * 5000

# For each type: values as they are written in JSON, which come back byte for byte, and wrong ones.
TYPED: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "string": (
        ('""', '"x"', '"\\u00e9\\/\\b\\""', '"Zwölf 🥊"', '"tab\\t."', '"\\ud83e\\udd4a"'),
        (
            *("5", "1.5", "true", "[]", "{}", "null", '["x"]'),
            *('"a\\nb"', '"a\\r"', '"\\u2028"', '"\\u0085"', '"\\u000b"', '"\\u001c"'),
        ),
    ),
    "textarea": (('""', '"a\\nb\\r\\nc\\u2028"', f'"{"x" * 50_000}"'), ("5", "[]", "null")),
    "boolean": (("true", "false"), ("0", "1", '"true"', '""', "[]", "{}", "null")),
    "int": (
        ("87", "0", "-0", "-1", "9223372036854775807", "-9223372036854775808"),
        (
            *("87.0", "1e2", "-0.0", "9223372036854775808", "-9223372036854775809", "1e999"),
            *(TEN_TO_400, TEN_TO_5000, '"87"', '""', "true", "false", "[]", "{}", "null"),
        ),
    ),
    "double": (
        (
            *("2", "2.0", "1e2", "1E+2", "1e-2", "-0.0", "0.1", "0.30000000000000004", "5e-324"),
            *("1.7976931348623157e308", "123456789012345678901234567890", "0.1000000000000000001"),
        ),
        (
            *("1e999", "-1e999", "1.8e308", TEN_TO_400, f"-{TEN_TO_400}", TEN_TO_5000),
            *('"1"', '"NaN"', '""', "true", "[]", "{}", "null"),
        ),
    ),
    "datetime": (
        (
            *('"2026-03-11T14:00:00Z"', '"2026-03-11t14:00:00.123456789+02:00"'),
            *('"2026-03-11 14:00"', '"2026-03-11T14:00:00"', '"0001-01-01T00:00:00Z"'),
        ),
        (
            *("1773237600", "1773237600000", '"1773237600"', '"2026-03-11"', '"yesterday"'),
            *('"2026-02-30T00:00:00Z"', '"10000-01-01T00:00:00Z"', '"2026-03-11T14:00:00Z\\n"'),
            *('""', "true", "[]", "{}", "null"),
        ),
    ),
    "date": (
        ('"2026-03-11"', '"2024-02-29"', '"0001-01-01"', '"9999-12-31"'),
        (
            *('"2026-02-29"', '"2026-3-1"', '"2026-03-11T00:00:00Z"', '"20260311"'),
            *('"0000-01-01"', '"2026-03-11\\n"', "20260311", '""', "true", "[]", "{}", "null"),
        ),
    ),
    "list": (
        ("[]", '["a",  1,\n 1.50, true, ""]', "[1e2, -0.0, 2.0]"),
        (
            *('"a"', "5", "true", "{}", "null", "[null]", "[[]]", "[{}]", '["a", [1]]'),
            *("[1e999]", f"[{TEN_TO_400}]"),
        ),
    ),
}
# The key of push_records.FIELD_DEFINITIONS that has each type.
KEYS = dict(
    zip(
        ("string", "textarea", "boolean", "int", "double", "datetime", "date", "list"),
        ("title", "notes", "open", "score", "ratio", "at", "on", "tags"),
        strict=True,
    )
)


class Shaped(msgspec.Struct):
    """A row as it is read, its values left as they are written."""

    fields: dict[str, dict[str, msgspec.Raw]]


class Listed(msgspec.Struct):
    rows: list[Shaped]


def _value(kind: str, written: str) -> bytes:
    return f'{{"fieldType": "{kind}", "value": {written}}}'.encode()


def _row(home: Home, remote: str, fields: Mapping[str, bytes]) -> bytes:
    """A row's body with fields that are written already."""
    members = b", ".join(json.dumps(key).encode() + b": " + each for key, each in fields.items())
    whole = json_of(home.source.body("rows", remote, fields=0))
    return whole.replace(b'"fields": 0', b'"fields": {' + members + b"}")


@pytest.mark.parametrize("kind", TYPED)
async def test_typed_values_come_back_byte_for_byte(
    acme: Tenant, database: Database, kind: str
) -> None:
    """From the row and from the list, also after a PATCH that set them or merged beside them."""
    home = await home_of(acme, database)
    key, title = KEYS[kind], {"title": _value("string", '"x"')}

    async def stays(written: str) -> None:
        remote = secrets.token_hex(8)
        body = _row(home, remote, title | {key: _value(kind, written)})
        made = await acme.http.post("/v1/rows", content=body)
        assert made.status_code == 201, (written, made.text)
        record = made.json()["recordId"]
        assert await shown(record) == written
        beside = "notes" if key != "notes" else "score"
        value = {"value": "y" if beside == "notes" else 5}
        value["fieldType"] = "textarea" if beside == "notes" else "int"
        merged = await home.source.patch("rows", remote, fields={beside: value})
        assert merged.status_code == 200, merged.text
        assert await shown(record) == written
        content = b'{"fields": {"' + key.encode() + b'": ' + _value(kind, written) + b"}}"
        query = f"remoteId={remote}&sourceId={home.source.id}"
        changed = await acme.http.patch(f"/v1/rows?{query}", content=content)
        assert changed.status_code == 200, changed.text
        assert await shown(record) == written
        listed = await acme.http.get("/v1/rows", params={"remoteId": remote})
        (row,) = msgspec.json.decode(listed.content, type=Listed).rows
        assert bytes(row.fields[key]["value"]).decode() == written

    async def shown(record: str) -> str:
        answer = await acme.http.get(f"/v1/rows/{record}")
        row = msgspec.json.decode(answer.content, type=Shaped)
        return bytes(row.fields[key]["value"]).decode()

    await asyncio.gather(*(stays(written) for written in TYPED[kind][0]))


@pytest.mark.parametrize("kind", TYPED)
async def test_a_value_that_is_not_of_its_type_is_refused_by_its_key(
    world: World, kind: str
) -> None:
    key, home = KEYS[kind], world.mine
    title = {"title": _value("string", '"x"')}
    others = [each for each in KEYS if each != kind]
    written = [_value(kind, each) for each in TYPED[kind][1]]
    # Right in itself, and of another type than the object type says.
    written += [_value(other, TYPED[other][0][0]) for other in others]
    query = f"remoteId={REMOTE}&sourceId={home.source.id}"
    async with world.unchanged():
        cases = [Case(f"fields.{key}", _row(home, REMOTE, title | {key: each})) for each in written]
        assert await _let_through(home.tenant, OPERATIONS["createRow"], cases) == []
        cases = [
            Case(f"fields.{key}", b'{"fields": {"' + key.encode() + b'": ' + each + b"}}", query)
            for each in written
        ]
        assert await _let_through(home.tenant, OPERATIONS["updateRow"], cases) == []


async def test_a_row_has_fifty_fields_at_most_after_a_merge_too(acme: Tenant) -> None:
    """Fields of a former schema stay, and count."""
    source = await create_source(acme)
    path = f"/v1/object-types/{source.object_type}"

    def schema(letter: str) -> list[Json]:
        return [{"name": f"{letter}{number}", "fieldType": "int"} for number in range(50)]

    def values(letter: str, numbers: Iterable[int]) -> Json:
        return {f"{letter}{number}": {"value": 1, "fieldType": "int"} for number in numbers}

    async def patched(**fields: Any) -> httpx.Response:
        return await source.patch("rows", REMOTE, fields=fields)

    changed = await acme.http.patch(path, json={"fieldDefinitions": schema("a")})
    assert changed.status_code == 200, changed.text
    record = await source.push("rows", REMOTE, fields=values("a", range(50)))
    answer = await source.post("rows", "R-2", fields=values("a", range(51)))
    assert _unlike_a_refusal(answer, "fields") == ""
    await acme.http.patch(path, json={"fieldDefinitions": schema("b")[:49] + schema("a")[:1]})
    before = (await acme.http.get(f"/v1/rows/{record}")).json()
    assert _unlike_a_refusal(await patched(**values("b", [0])), "fields") == ""
    assert (await acme.http.get(f"/v1/rows/{record}")).json() == before
    # One goes as one comes.
    assert (await patched(**values("b", [0]), a0=None)).status_code == 200
    fields = (await acme.http.get(f"/v1/rows/{record}")).json()["fields"]
    assert set(fields) == set(before["fields"]) - {"a0"} | {"b0"}


async def test_very_many_entries_are_refused_shortly(world: World) -> None:
    """Also where only the last one is wrong."""
    home = world.mine
    many: Json = {f"f{number}": TITLE for number in range(20_000)}
    mine, query = _mine(OPERATIONS["updateRow"], home)
    body = _good("RowRequest", home)
    async with world.unchanged():
        for name, content, field in (
            ("createRow", body | {"fields": many}, "fields"),
            ("createRow", body | {"fields": many | {"last": 5}}, "fields.last"),
            ("updateRow", {"fields": many}, "fields.f0"),
            ("updateRow", {"fields": {**many, "last": {"value": 1}}}, "fields.last.fieldType"),
        ):
            address = query if name == "updateRow" else ""
            case = Case(field, json_of(content), address, mine)
            assert await _let_through(home.tenant, OPERATIONS[name], [case]) == []


async def test_content_is_kept_to_the_byte(acme: Tenant, database: Database) -> None:
    home = await home_of(acme, database)
    for written in ("AA==", "+/8=", base64.b64encode(bytes(range(256))).decode()):
        record = await home.source.push("documents", written, url=None, content=written)
        url = (await acme.http.get(f"/v1/documents/{record}")).json()["url"]
        assert (await acme.http.get(url)).content == base64.b64decode(written)


async def test_a_source_is_found_in_every_spelling_of_its_uuid(
    acme: Tenant, database: Database
) -> None:
    """A write or a list of an UUID in capitals is one of the same source, no other."""
    home = await home_of(acme, database)
    upper = home.source.id.upper()
    for kind in MINIMAL_FIELDS:
        again = await home.source.post(kind, REMOTE, sourceId=upper)
        assert (again.json()["status"], again.json()["sourceId"]) == ("updated", home.source.id)
        listed = (await acme.http.get(f"/v1/{kind}", params={"sourceId": upper})).json()[kind]
        assert [each["sourceId"] for each in listed] == [home.source.id]
        params = {"remoteId": REMOTE, "sourceId": upper}
        if kind in ("rows", "documents"):
            changed = await acme.http.patch(f"/v1/{kind}", params=params, json={"public": True})
            assert changed.json()["recordId"] == again.json()["recordId"]
        gone = await acme.http.delete(f"/v1/{kind}", params=params)
        assert gone.json()["recordId"] == again.json()["recordId"]
    for path in (f"sources/{upper}", f"object-types/{home.source.object_type.upper()}"):
        assert (await acme.http.get(f"/v1/{path}")).status_code == 200
    params = {"sourceId": upper}
    listed = (await acme.http.get("/v1/object-types", params=params)).json()["objectTypes"]
    assert len(listed) == 1


# --- ids in paths -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", BY_UUID)
async def test_an_id_in_a_path_is_a_uuid(world: World, name: str) -> None:
    call = OPERATIONS[name]
    parameter = call.path.partition("{")[2].partition("}")[0]
    first, *rest = parameter.split("_")
    field = first + "".join(each.title() for each in rest)
    content = json_of(_good(call.bodies[0], world.mine)) if call.bodies else None
    cases = [Case(field, content, reference=each) for each in NO_UUIDS]
    async with world.unchanged():
        assert await _let_through(world.mine.tenant, call, cases) == []


@pytest.mark.parametrize("name", [*BY_UUID, "getDeal", "getAccount"])
async def test_what_is_not_theirs_does_not_exist_for_a_caller(world: World, name: str) -> None:
    """Unknown, nil, of another kind: 404 in the form of the method."""
    call = OPERATIONS[name]
    content = json_of(_good(call.bodies[0], world.mine)) if call.bodies else None
    references = [UNKNOWN, NIL, UNKNOWN.upper()]
    others = {kind: each for kind, each in world.mine.records.items() if kind != _kind(call)}
    if name in BY_UUID:
        del others["deals"], others["accounts"]
    else:
        references += STRANGE_IDS
    references += others.values()
    cases = [Case("", content, reference=each) for each in references]
    async with world.unchanged():
        answers = await send_all(world.mine.tenant.http, PREFIX, call, cases)
    assert [
        f"{case.reference} -> {answer.status_code} {answer.text[:200]}"
        for case, answer in answers
        if answer.status_code != 404 or not _refused(answer, "not_found")
    ] == []


# --- queries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*LISTS, *ADDRESSING])
async def test_a_wrong_parameter_is_refused_by_its_name(world: World, name: str) -> None:
    """With good values of those that are needed, and of all; and every one that is given twice."""
    call, home = OPERATIONS[name], world.mine
    assert call.query is not None
    parameters = QUERIES[call.query]
    content = json_of(_good(call.bodies[0], home)) if call.bodies else None
    cases = []
    for each, (good, wrong) in parameters.items():
        others = [
            f"{other}={texts.good[0]}" for other, texts in parameters.items() if other != each
        ]
        needed = [
            f"{other}={parameters[other].good[0]}"
            for other in NEEDED.get(call.query, ())
            if other != each
        ]
        queries = ["&".join([*needed, f"{each}={text}"]) for text in wrong]
        queries.append("&".join([*others, f"{each}={wrong[-1]}"]))
        queries += [
            "&".join([*needed, f"{each}={good[0]}", f"{each}={again}"])
            for again in (good[0], good[-1])
        ]
        if each in NEEDED.get(call.query, ()):
            queries.append("&".join(needed))
        cases += [Case(each, content, home.fill_text(query)) for query in queries]
    async with world.unchanged():
        assert await _let_through(home.tenant, call, cases) == []


@pytest.mark.parametrize("name", LISTS)
async def test_good_parameters_are_taken(world: World, name: str) -> None:
    """Bounds, every value of an enumeration, any text; one by one and all together."""
    call, home = OPERATIONS[name], world.mine
    parameters = QUERIES[call.query or ""]
    queries = [f"{each}={text}" for each, (good, _) in parameters.items() for text in good]
    queries.append("&".join(f"{each}={texts.good[0]}" for each, texts in parameters.items()))
    queries.append("unknown=1&unknown=2&Limit=0")
    cases = [Case("", query=home.fill_text(query)) for query in queries]
    answers = await send_all(home.tenant.http, PREFIX, call, cases)
    assert [
        f"{case.query[:200]} -> {answer.status_code} {answer.text[:200]}"
        for case, answer in answers
        if answer.status_code != 200
    ] == []


@pytest.mark.parametrize("name", ADDRESSING)
async def test_an_address_of_no_record_is_404(world: World, name: str) -> None:
    call, home = OPERATIONS[name], world.mine
    content = json_of(_good(call.bodies[0], home)) if call.bodies else None
    remotes = ["R-2", "r-1", *coded(*ANY_TEXT, "R-1 ", "R-1\n", wide(512)), home.records["rows"]]
    cases = [Case("", content, f"remoteId={each}&sourceId={home.source.id}") for each in remotes]
    async with world.unchanged():
        answers = await send_all(home.tenant.http, PREFIX, call, cases)
    assert [
        f"{case.query[:200]} -> {answer.status_code} {answer.text[:200]}"
        for case, answer in answers
        if answer.status_code != 404 or not _refused(answer, "not_found")
    ] == []


@pytest.mark.parametrize(
    "name", [each for each in LISTS if "cursor" in QUERIES[OPERATIONS[each].query or ""]]
)
async def test_a_cursor_is_taken_by_the_list_that_gave_it(
    acme: Tenant, database: Database, name: str
) -> None:
    """Not by another one, not with a letter changed, not cut, not with something behind it."""
    home, call = await home_of(acme, database), OPERATIONS[name]
    for kind in MINIMAL_FIELDS:
        await home.source.push(kind, "R-2")
    async with database.connection() as connection:
        for kind in ("deals", "accounts"):
            await connection.execute(
                f"insert into {kind} (workspace_id, id) values ($1, 'x')", UUID(acme.workspace)
            )
    page = (await acme.http.get(PREFIX + call.path, params={"limit": 1})).json()
    cursor: str = page["pagination"]["nextCursor"]
    followed = await acme.http.get(PREFIX + call.path, params={"cursor": cursor})
    assert followed.status_code == 200
    wrong = [cursor[:-1], cursor[1:], cursor + "A", cursor + "%20", cursor + "%00", cursor * 2]
    wrong += [
        cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        for at in range(0, len(cursor) - 1, 5)
    ]
    for other in PAGED:
        if other != name:
            found = await acme.http.get(PREFIX + OPERATIONS[other].path, params={"limit": 1})
            wrong.append(found.json()["pagination"]["nextCursor"])
    cases = [Case("cursor", query=f"cursor={each}") for each in wrong]
    assert await _let_through(acme, call, cases) == []


# --- before the body is read ------------------------------------------------------------------


async def _announced(stack: Stack, head: str) -> httpx.Response:
    """The answer to a request of which nothing is sent but its head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    start = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    lines = start.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    lengths = {name.lower(): value for name, value in headers.items()}
    body = await asyncio.wait_for(reader.readexactly(int(lengths["content-length"])), 10)
    writer.close()
    await writer.wait_closed()
    method = head.split(" ", 1)[0]
    return httpx.Response(
        int(lines[0].split(" ")[1]),
        headers=headers,
        content=body,
        request=httpx.Request(method, "http://x"),
    )


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_large_body_is_refused_from_its_announcement(
    world: World, stack: Stack, name: str
) -> None:
    """Nothing of the body is sent, and the answer is there; at the limit it is awaited."""
    call = OPERATIONS[name]
    path = PREFIX + call.path.replace("{", "x").replace("}", "")
    head = f"{call.method} {path} HTTP/1.1\nHost: x\nContent-Type: text/plain\n"
    key = f"Authorization: Bearer {world.mine.tenant.key}\n"
    large = f"Content-Length: {10 * MEGABYTE + 1}"
    answer = await _announced(stack, head + key + large)
    assert answer.status_code == 413
    assert _refused(answer, "payload_too_large")
    answer = await _announced(stack, head + large)
    assert answer.status_code == 401
    assert _refused(answer, "unauthorized")


@pytest.mark.parametrize("name", WITH_BODY)
async def test_a_write_needs_the_length_of_its_body(world: World, stack: Stack, name: str) -> None:
    """Before it matters what is in it, and of what type; chunked ones have none."""
    call, home = OPERATIONS[name], world.mine
    good = json_of(_good(call.bodies[0], home))

    async def chunks() -> AsyncIterator[bytes]:
        yield good

    reference, query = _mine(call, home)
    path = PREFIX + call.path.partition("{")[0] + (reference if "{" in call.path else "")
    async with world.unchanged():
        for media_type in ("application/json", "text/plain"):
            answer = await home.tenant.http.request(
                call.method,
                f"{path}?{query}",
                content=chunks(),
                headers={"Content-Type": media_type},
            )
            assert answer.status_code == 411
            assert _refused(answer, "length_required")
        head = f"{call.method} {path}?{query} HTTP/1.1\nHost: x\n"
        answer = await _announced(stack, f"{head}Authorization: Bearer {home.tenant.key}")
    assert answer.status_code == 411
    assert _refused(answer, "length_required")


@pytest.mark.parametrize("name", WITH_BODY)
async def test_a_write_is_json_by_its_content_type(
    world: World, acme: Tenant, database: Database, name: str
) -> None:
    call = OPERATIONS[name]
    wrong = (
        *("text/plain", "text/json", "application/x-www-form-urlencoded", "application/jsonx"),
        *("multipart/form-data; boundary=x", "x", "application/xml", "json"),
    )
    reference, query = _mine(call, world.mine)
    path = PREFIX + call.path.partition("{")[0] + (reference if "{" in call.path else "")
    content = json_of(_good(call.bodies[0], world.mine))
    async with world.unchanged():
        for media_type in wrong:
            answer = await world.mine.tenant.http.request(
                call.method,
                f"{path}?{query}",
                content=content,
                headers={"Content-Type": media_type},
            )
            assert _unlike_a_refusal(answer, "") == "", media_type
    home = await home_of(acme, database)
    right = ("application/json", "application/json; charset=utf-8", "Application/JSON")
    for media_type in (*right, "application/merge-patch+json", ""):
        before, target, query = await _target(home, call, {})
        del before
        path = PREFIX + call.path.partition("{")[0] + (target if "{" in call.path else "")
        answer = await acme.http.request(
            call.method,
            f"{path}?{query}",
            content=json_of(_needed(call.bodies[0], home)),
            headers={"Content-Type": media_type} if media_type else {},
        )
        assert answer.status_code == (201 if call.method == "POST" else 200), answer.text


async def test_a_body_of_the_largest_size_is_taken(acme: Tenant, database: Database) -> None:
    """Ten megabytes are 10,485,760 bytes."""
    home = await home_of(acme, database)
    body = json_of(home.source.body("documents", "R-2"))
    fits = body + b" " * (10 * MEGABYTE - len(body))
    assert (await acme.http.post("/v1/documents", content=fits)).status_code == 201
    answer = await acme.http.post("/v1/documents", content=fits + b" ")
    assert answer.status_code == 413


# --- keys, scopes, methods --------------------------------------------------------------------


async def test_without_key_or_scope_the_refusal_has_the_form_of_its_method(
    world: World, make_tenant: MakeTenant, stack: Stack
) -> None:
    """Each request has all the later faults, too."""
    access = {each.id: each.access for _, _, each in declared(REVENUE)}
    poor = {
        scope: await make_tenant(scopes=[each for each in SCOPES if each != scope])
        for scope in ("read", "ingest")
    }
    async with world.unchanged(), httpx.AsyncClient(base_url=stack.base_url) as nobody:
        for name, call in OPERATIONS.items():
            case = Case("", b"{" if call.bodies else None, "limit=0", "x")
            answer = await send(nobody, PREFIX, call, case)
            assert answer.status_code == 401
            assert _refused(answer, "unauthorized")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            scope = access[name]
            if scope == "any key":
                continue
            assert scope == ("read" if call.method == "GET" else "ingest")
            answer = await send(poor[scope].http, PREFIX, call, case)
            assert answer.status_code == 403
            said = _refused(answer, "forbidden")
            assert said == f"API key missing required scope: {scope}"


async def test_a_method_that_a_path_does_not_serve_is_405(world: World) -> None:
    served: dict[str, set[str]] = {}
    for call in OPERATIONS.values():
        served.setdefault(call.path, set()).add(call.method)
    tried = 0
    async with world.unchanged():
        for path, methods in served.items():
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods:
                case = Case("", b"{}" if method in ("POST", "PATCH") else None)
                answer = await send(world.mine.tenant.http, PREFIX, Call(method, path), case)
                assert answer.status_code == 405
                assert _refused(answer, "method_not_allowed")
                assert methods <= set(answer.headers["Allow"].split(", "))
                assert method not in answer.headers["Allow"].split(", ")
                tried += 1
    assert tried > 40
