"""The revenue record API for the tests of bad input."""

import asyncio
import base64
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final
from uuid import UUID

from domains.kernel.db.database import Database
from gateway.revenue import surface
from tests.http import contracts
from tests.http.contracts import Json, Operation
from tests.http.hostile.engine import Answer, Call, Case, Home, Site, exchange, head
from tests.http.hostile.values import (
    ANY_PARAMETER,
    ANY_TEXT,
    MOMENTS,
    NIL,
    NO_TIME,
    NO_UUID,
    NUL,
    SOME_UUID,
    STARTED,
    UNKNOWN,
    At,
    Parameter,
    Values,
    coded,
    wide,
)
from tests.revenue.push_records import create_source
from tests.stack import Tenant

# The id in the source system of the one record of each kind.
REMOTE: Final = "R-1"

# --- web addresses, content, people -----------------------------------------------------------

_WEB_ADDRESSES: Final = (
    *("http://example.com", "HTTPS://EXAMPLE.COM:8443/x?y=%20#z"),
    *("http://[2606:4700::1111]:80/", "https://example.com/" + "a" * 8172),
    "https://münchen.example/ü",
)
_NO_WEB_ADDRESSES: Final = (
    *("", "x", "example.com/x", "//example.com/x", "ftp://example.com/x", "file:///etc/passwd"),
    *("javascript:alert(1)", "http://", "http:///x", "https://:80/x", "http://example.com:x/"),
    *("http://example.com:99999/", "http://[::1/", "https://example.com/a b"),
    *("https://example.com/\n", "https://example.com/\u202e", " https://example.com/x"),
    # Not of a public host, in any spelling; and with a password.
    *("http://localhost/", "http://127.0.0.1/x", "http://[::1]/", "http://10.0.0.1:8080/"),
    *("http://169.254.169.254/latest", "http://0x7f000001/", "http://2130706433/"),
    *("https://user:secret@example.com/", "https://user@example.com/"),
)
_CONTENTS: Final = ("AA==", "+/8=", base64.b64encode(bytes(range(256)) * 2000).decode())
_NO_CONTENTS: Final = (
    *("", "=", "a", "aGVsbG8", "aGVsbG8==", "aGVs bG8=", "aGVsbG8=\n", "-_8=", "aGVsbG9=x"),
    *("é", "aGVs*G8=", "data:text/plain;base64,aGVsbG8="),
)
_FETCHED: Final = ("DocumentRequest.url", "UpdateDocumentRequest.url", "recordingUrl")
_PARTICIPANTS: Final[list[list[Json]]] = [
    [{"email": wide(512)}],
    [{"id": wide(600), "name": wide(1000), "email": None}],
    [{"id": each, "name": each, "email": each} for each in ANY_TEXT],
    [{"email": "BO@Acme.com", "name": ""}, {"email": "no at sign"}, {"email": "@"}],
    [{"email": "bo@acme.com"}] * 1000,
]

# --- times of a call --------------------------------------------------------------------------

_ENDED: Final = "2026-03-11T14:30:00Z"
_ENDS: Final[list[tuple[Any, str]]] = [
    ("2026-03-11T14:00:00.000001Z", "2026-03-11T14:00:00.000001Z"),
    ("2026-03-12T00:00:00Z", "2026-03-12T00:00:00Z"),
    ("2026-03-12", "2026-03-12T00:00:00Z"),
    (1773237601, "2026-03-11T14:00:01Z"),
    (1773237600001, "2026-03-11T14:00:00.001000Z"),
]
_NO_ENDS: Final = (
    *(STARTED, "2026-03-11", 1773237600, "2026-03-11T13:59:59Z"),
    *("2026-03-12T00:00:00.000001Z", 0, 5, 1800),
)
_SAID: Final[Json] = {"speakerName": "Bo", "text": "x", "timestamp": "2026-03-11T14:00:05Z"}
_TRANSCRIPTS: Final[list[list[Json]]] = [
    [],
    [_SAID | {"speakerName": None, "speakerId": wide(600), "text": ""}],
    [_SAID | {"speakerName": wide(1001), "text": "x" * 200_000}],
    [_SAID | {"timestamp": 1773237605}, _SAID | {"timestamp": "2026-03-12T00:00:00Z"}],
    [_SAID | {"text": each} for each in ANY_TEXT],
    [_SAID] * 10_000,
]
_NO_TIMESTAMPS: Final = (
    *(0, 5, 12.5, "12.5", "00:00:05", "PT5S"),
    *("2026-03-11T13:59:59.999999Z", "2026-03-11T14:30:00.000001Z"),
)
_READ: Final = {repr(sent): read for sent, read in [*MOMENTS, *_ENDS, (_ENDED, _ENDED)]}

# --- fields of rows ---------------------------------------------------------------------------

TITLE: Final[Json] = {"value": "x", "fieldType": "string"}
_SCORE: Final[Json] = {"score": {"value": 5, "fieldType": "int"}}
_FIELDS: Final[Json] = {
    "title": TITLE | {"version": 1, "label": "Title"},
    "notes": {"value": "two\nlines", "fieldType": "textarea"},
    "open": {"value": False, "fieldType": "boolean", "label": None},
    "score": {"value": 87, "fieldType": "int", "label": ""},
    "tags": {"value": ["a", 1, True], "fieldType": "list", "label": wide(2000)},
}
_GOOD_FIELDS: Final[list[Json]] = [
    {"title": TITLE | {"value": each}} for each in ("", "x" * 100_000, "\t")
]


def _wrong_fields() -> Iterator[At]:
    """Of an object type with a title on one line; the key at fault is named."""
    for lines in ("two\nlines", "two\r\nlines"):
        yield At("fields.title", {"title": TITLE | {"value": lines}})
    yield At("fields.title", {"title": TITLE | {"fieldType": "textarea"}})
    yield At("fields.title", {"title": None})
    # Keys that the object type does not have, also such as look like a path, and the longest ones.
    for key in ("nope", "a.b", "a[0]", "a`", " - at `$.name`", "", "\n", "$", "\U0001f94a" * 100):
        yield At(f"fields.{key}", {"title": TITLE, key: TITLE})
        yield At(f"fields.{key}.fieldType", {"title": TITLE, key: TITLE | {"fieldType": "text"}})
    for value in (TITLE, 5):
        yield At(f"fields.{'k' * 100}", {"title": TITLE, "k" * 100_000: value})


_LABELLED: Final[Json] = {"name": "title", "fieldType": "string"}

# --- parameters -------------------------------------------------------------------------------


def _source_names(*native: str, never: Sequence[str]) -> Parameter:
    """The source of a list: a UUID, or one of these names of native sources."""
    spelled = (SOME_UUID, SOME_UUID.upper(), UNKNOWN, NIL, "{sources}")
    wrong = (*set(NO_UUID) - set(native), *never, *(each.upper() for each in native), NIL[:8])
    return Parameter((*spelled, *native), ("%00", f"{SOME_UUID}%00", *coded(*wrong)))


_CALLS: Final = (
    *("sybill", "gong", "chorus", "fathom", "grain", "mindtickle", "avoma", "fireflies"),
    *("zoho_meetings", "uploaded_call", "uploaded_transcript", "sdk_upload", "zoom_phone"),
    "outreach_dialer",
)
_MAILS: Final = (
    *("gmail", "outlook", "zoho_mail"),
    *("salesforce_crm", "hubspot_crm", "pipedrive_crm", "dynamics_crm", "zoho_crm"),
)
_PEOPLE: Final = ("a@acme.com", "A@ACME.COM", "@acme.com", "acme.com", "@", "a@", ".")
_NO_CURSORS: Final = (
    *("x", "%00", "%20", "%ff", "null", "0", "-1", SOME_UUID, "a" * 512, "a" * 513, "=" * 64),
    *("A" * 22, "_" * 64, "eyJ0cyI6MH0=", *coded("é" * 100, "\U0001f94a" * 300)),
)
_NO_UUIDS: Final = (
    *("x", "0", "null", "gong", "R-1", "SIGNAL-1", "%00", "%0a", "%ff", "%2e%2e", "%ed%a0%80"),
    *(f"{UNKNOWN}%0a", f"{UNKNOWN}%00", f"{UNKNOWN}0", f"%7B{UNKNOWN}%7D", f"%20{UNKNOWN}"),
    *(UNKNOWN.replace("-", ""), f"urn:uuid:{UNKNOWN}", *coded("\U0001f94a" * 300, "a" * 3000)),
)
# Ids that no CRM gave.
_NO_CRM_IDS: Final = (
    *("x", "0", "null", "%00", "D-1%00", "%0a", "%ff", "%2e%2e", "%ed%a0%80", "%25"),
    *coded(*ANY_TEXT, "a/b", "\U0001f94a" * 300, "a" * 3000),
)

# The source and the id in it, by which changes and deletions name their record.
_ADDRESS: Final = {
    "remoteId": Parameter((REMOTE,), ("", *NUL, "a" * 513, *coded(wide(513)))),
    "sourceId": Parameter(("{sources}",), ("%00", *coded(*NO_UUID))),
}

# --- records as they are read -----------------------------------------------------------------


def _party(sent: Json) -> Json:
    return {"name": sent.get("name") or None, "email": sent.get("email") or None}


def _parties(sent: Sequence[Json]) -> list[Json]:
    return [_party(each) for each in sent]


def _same(sent: Any) -> Any:
    return sent


def _or_null(sent: Any) -> Any:
    return sent or None


def _moment(sent: Any) -> Any:
    return sent if sent is None else _READ[repr(sent)]


# How a field is shown that is not shown as it was sent.
_SHOWN_AS: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("createdAt", "updatedAt", "startedAt", "endedAt"), _moment),
    "sender": _party,
    "recipients": _parties,
    "participants": lambda sent: [each | {"attended": True} for each in _parties(sent)],
    "threadId": _or_null,
    "fields": lambda sent: {
        key: {"value": each["value"], "fieldType": each["fieldType"], "label": each.get("label")}
        for key, each in sent.items()
    },
    "fieldDefinitions": lambda sent: [
        {
            "name": each["name"],
            "fieldType": each["fieldType"],
            "label": each.get("label"),
            "required": each.get("required", False),
        }
        for each in sent
    ],
}
# Fields that a read shows under another name, and those that it shows in another form.
_SHOWN_UNDER: Final = {
    "id": "remoteId",
    "startedAt": "startTime",
    "endedAt": "endTime",
    "ConversationRequest.displayName": "title",
    "MessageRequest.displayName": "subject",
}
# Where these are null, a read shows what the service found itself.
_FILLED: Final = ("endedAt", "url")
# The last two show the name of the file where they are empty.
_NOT_COMPARED: Final = {
    *("transcript", "attachments", "UpdateRowRequest.fields"),
    *("DocumentRequest.displayName", "UpdateDocumentRequest.displayName"),
}


class Revenue(Site):
    """Refusals have another form for reads than for writes."""

    contract = contracts.REVENUE
    surface = surface.REVENUE
    values = Values(
        contracts.REVENUE,
        examples={
            "id": REMOTE,
            "sourceId": "{sources}",
            "objectTypeId": "{object-types}",
            "fields": _FIELDS,
            "endedAt": _ENDED,
            "timestamp": _SAID["timestamp"],
            "url": "https://example.com/plan.pdf",
            "recordingUrl": "https://example.com/plan.pdf",
            "content": "aGVsbG8=",
            "contentType": "application/pdf",
            "email": "bo@acme.com",
        },
        good={
            "sourceId": (),
            "objectTypeId": (),
            **dict.fromkeys(_FETCHED, _WEB_ADDRESSES),
            "content": _CONTENTS,
            "endedAt": [sent for sent, _ in _ENDS],
            "transcript": _TRANSCRIPTS,
            "participants": _PARTICIPANTS,
            "RowRequest.fields": _GOOD_FIELDS,
            "UpdateRowRequest.fields": [*_GOOD_FIELDS, {}, {"notes": None}, _SCORE],
            "fieldDefinitions": (
                [_LABELLED | {"name": f"f{number}"} for number in range(50)],
                [{"name": each, "fieldType": "list", "label": each} for each in ANY_TEXT],
                [{"name": wide(255), "fieldType": "date", "label": wide(2000)}],
                [
                    {"name": "a", "fieldType": "int", "label": None},
                    {"name": "A", "fieldType": "double"},
                ],
                [
                    {"name": each, "fieldType": each}
                    for each in contracts.REVENUE.schema("FieldType")["enum"]
                ],
            ),
        },
        wrong={
            **dict.fromkeys(_FETCHED, _NO_WEB_ADDRESSES),
            "content": _NO_CONTENTS,
            "endedAt": _NO_ENDS,
            "timestamp": _NO_TIMESTAMPS,
            "participants": ([{}], [{"name": "Bo"}], [{"id": "", "email": ""}]),
            "transcript": (
                [_SAID | {"speakerName": None}],
                [_SAID | {"speakerName": "", "speakerId": None}],
            ),
            "fieldType": ("text", "integer", "number", "STRING"),
            "fieldDefinitions": ([_LABELLED, _LABELLED],),
            "RowRequest.fields": (*_wrong_fields(), At("fields.title", _SCORE)),
            "UpdateRowRequest.fields": (*_wrong_fields(), At("fields.nope", {"nope": None})),
        },
    )
    parameters: ClassVar = {
        "cursor": Parameter(("",), _NO_CURSORS),
        "listConversations.sourceId": _source_names(*_CALLS, never=("gmail", "chat_upload")),
        "listMessages.sourceId": _source_names(*_MAILS, never=("chat_upload", "a" * 256)),
        "listDocuments.sourceId": _source_names("chat_upload", never=("gmail",)),
        "attendees": Parameter((*ANY_PARAMETER, *coded(*_PEOPLE), "a" * 8000), NUL),
        **{
            f"{name}.{each}": texts
            for name, operation in contracts.REVENUE.operations.items()
            for each, texts in _ADDRESS.items()
            if each in operation.query and operation.query[each].required
        },
    }
    times = Parameter(
        coded(
            *("2026-03-11T14:00:00Z", "2026-03-11T14:00:00.5+02:00", "2026-03-11"),
            *("2026-03-11 14:00", "0001-01-02", "9999-12-31", "2026-03-11t14:00:00z"),
        ),
        (
            *("", "0", "-1", "1773237600", "1773237600000", "%00", "2026-03-11%00"),
            *coded(*NO_TIME),
        ),
    )
    text_fields: ClassVar = {
        name: next(
            each
            for each in ("body", "filename", "displayName")
            if each in contracts.REVENUE.models[name]
        )
        for operation in contracts.REVENUE.operations.values()
        for name in operation.bodies
    }
    apart: ClassVar = {
        "ConversationRequest": ("startedAt", "endedAt", "transcript", "recordingUrl"),
        "DocumentRequest": ("url", "content"),
        "UpdateDocumentRequest": ("url", "content"),
    }
    media_types = (
        *("application/json", "application/json; charset=utf-8", "Application/JSON"),
        *("application/merge-patch+json", ""),
    )
    refused_media_types = (
        *("text/plain", "text/json", "application/x-www-form-urlencoded", "application/jsonx"),
        *("multipart/form-data; boundary=x", "x", "application/xml", "json"),
    )

    def complete(self, model: str, body: Json) -> Json:
        body = dict(body)
        if body.get("url") and body.get("content"):
            del body["content"]
        for needing, first, second in (
            ("ConversationRequest", "recordingUrl", "transcript"),
            ("DocumentRequest", "url", "content"),
        ):
            if model == needing and not (body.get(first) or body.get(second)):
                name = second if first in body else first
                body[name] = self.values.good(model, name)[0]
        return body

    def wrong_body(self, model: str, name: str, value: Any) -> Json:
        body = super().wrong_body(model, name, value)
        return _without(body, "url") if name == "content" else body

    def wrong_bodies(self) -> Iterator[tuple[str, Json]]:
        """Bodies without a field that must be there, or with two that exclude each other."""
        conversation = self.good("ConversationRequest") | {"transcript": []}
        yield "createConversation", conversation | {"recordingUrl": None}
        yield "createConversation", _without(conversation, "recordingUrl")
        document = self.good("DocumentRequest")
        yield "createDocument", document | {"content": "AA=="}
        yield "createDocument", document | {"url": None, "content": None}
        yield "createDocument", _without(document, "url")
        yield "updateDocument", self.good("UpdateDocumentRequest") | {"content": "AA=="}

    def wrong_ids(self, operation: Operation, others: set[str]) -> tuple[set[str], set[str]]:
        if operation.collection in ("deals", "accounts"):
            return others | set(_NO_CRM_IDS), set()
        uuids = {each for each in others if re.fullmatch("[0-9A-Fa-f-]{36}", each)}
        return uuids, others - uuids | set(_NO_UUIDS)

    def refusal(self, answer: Answer, code: str, field: str | None) -> str | None:
        if answer.headers["content-type"] != "application/json":
            return None
        body = answer.json()
        said = body["detail"]
        expected = {"detail": said}
        if answer.method != "GET":
            said = said["message"]
            request_id = answer.headers["x-request-id"]
            fault = {"error": code, "message": said, "field": field, "request_id": request_id}
            expected = {"detail": fault}
        right = body == expected and (field is None or said.startswith(f"{field}: "))
        return said if right else None

    async def differences(self, call: Call, home: Home, bodies: Iterable[Json]) -> list[str]:
        turn = asyncio.Semaphore(6)

        async def difference(number: int, body: Json) -> str:
            async with turn:
                media_type = self.media_types[number % len(self.media_types)]
                return await self._difference(call, home, body, media_type)

        found = await asyncio.gather(*(difference(*each) for each in enumerate(bodies)))
        return [each for each in found if each]

    async def _difference(self, call: Call, home: Home, body: Json, media_type: str) -> str:
        """Empty if a body is accepted and its record is then shown with the values sent."""
        operation, token = call.operation, secrets.token_hex(8)
        before: Json = {}
        case = Case("")
        if operation.method == "PATCH":
            case = await self._new_record(home, operation.collection, token)
            before = await self._read(home, operation.collection, case.reference)
        sent = _renamed(body, token)
        content = home.body(sent)
        request = call.request(case._replace(content=content), home.tenant.key, media_type)
        (answer,) = await exchange(home.port, [request])
        if answer.status != operation.status:
            return f"{content[:300]!r} -> {answer}"
        told = answer.json()
        if "recordId" in told and told != {
            "status": "created" if operation.method == "POST" else "updated",
            "recordId": told["recordId"],
            "id": sent.get("id", token),
            "sourceId": home.ids["sources"],
        }:
            return f"{content[:300]!r} -> {answer}"
        read = await self._read(home, operation.collection, told.get("recordId") or told["id"])
        for name, value in json.loads(content).items():
            own = f"{call.model}.{name}"
            if {name, own} & _NOT_COMPARED or (value is None and name in _FILLED):
                continue
            shown = _SHOWN_UNDER.get(own, _SHOWN_UNDER.get(name, name))
            as_shown = _SHOWN_AS.get(name, _or_null if shown in ("title", "subject") else _same)
            expected = before.get(shown) if before and value is None else as_shown(value)
            if shown in read and read[shown] != expected:
                return f"{name}: {str(value)[:200]!r} -> {str(read[shown])[:200]!r}"
        return ""

    async def _new_record(self, home: Home, kind: str, token: str) -> Case:
        """A request that names a new record."""
        every = self.contract.operations.values()
        create = next(each for each in every if (each.method, each.path) == ("POST", f"/{kind}"))
        (model,) = create.bodies
        body = _renamed(self.complete(model, self.values.least(model)), token)
        (made,) = await Call(self, create, model).send(home, [Case("", home.body(body))])
        assert made.status == 201, made
        record = made.json().get("recordId")
        query = home.fill(f"remoteId={token}&sourceId={{sources}}") if record else ""
        return Case("", None, query, record or made.json()["id"])

    async def _read(self, home: Home, kind: str, record: str) -> Json:
        path = f"{self.contract.prefix}/{kind}/{record}"
        (answer,) = await exchange(home.port, [head("GET", path, home.tenant.key)])
        found: Json = answer.json()
        return found


def _without(body: Json, name: str) -> Json:
    return {each: value for each, value in body.items() if each != name}


def _renamed(body: Json, token: str) -> Json:
    """The body with an id and a name that no record has yet, where it has the examples."""
    fresh = {"id": REMOTE, "name": "Changed."}
    return {name: token if fresh.get(name, ...) == value else value for name, value in body.items()}


async def make_records(owner: Tenant, database: Database) -> dict[str, str]:
    """One record of each kind; their ids. None of them needs anything from another server."""
    source = await create_source(owner)
    made = {"sources": source.id, "object-types": source.object_type}
    async with database.connection() as connection:
        for kind, columns, values in (
            ("deals", "stage, amount, contact_emails", "'secret', 5, '{ana@acme.com}'"),
            ("accounts", "website, domain, contact_emails", "'secret', 'acme.com', '{}'"),
        ):
            made[kind] = f"{kind}-{secrets.token_hex(4)}"
            await connection.execute(
                f"insert into {kind} (workspace_id, id, name, owner_name, {columns})"
                f" values ($1, $2, 'A secret', 'secret', {values})",
                UUID(owner.workspace),
                made[kind],
            )
    ana = {"email": "ana@acme.com", "name": "Ana Secret"}
    said = [_SAID | {"timestamp": STARTED}]
    records: dict[str, Json] = {
        "rows": {"name": "A secret"},
        "conversations": {"participants": [ana], "recordingUrl": None, "transcript": said},
        "messages": {"threadId": "secret", "sender": ana},
        "documents": {"url": None, "content": "aGVsbG8="},
    }
    for kind, fields in records.items():
        made[kind] = await source.push(kind, REMOTE, displayName="A secret", **fields)
    return made
