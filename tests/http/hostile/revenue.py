"""The revenue record API in the bad-input tests: its test values and error format."""

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
from tests.http.hostile.harness import Answer, Api, Call, Caller, Case, exchange, request_head
from tests.http.hostile.values import (
    ANY_PARAMETER,
    ANY_TEXT,
    INVALID_TIMES,
    MALFORMED_UUIDS,
    NIL,
    NUL,
    SOME_UUID,
    STARTED,
    TIMESTAMPS,
    UNKNOWN,
    InvalidValue,
    Parameter,
    Values,
    four_byte_text,
    percent_encoded,
)
from tests.revenue.push_records import create_source
from tests.stack import Tenant

# The remote id of the record of each kind.
REMOTE: Final = "R-1"

# --- URLs, content, people --------------------------------------------------------------------

_URLS: Final = (
    *("http://example.com", "HTTPS://EXAMPLE.COM:8443/x?y=%20#z"),
    *("http://[2606:4700::1111]:80/", "https://example.com/" + "a" * 8172),
    "https://münchen.example/ü",
)
_INVALID_URLS: Final = (
    *("", "x", "example.com/x", "//example.com/x", "ftp://example.com/x", "file:///etc/passwd"),
    *("javascript:alert(1)", "http://", "http:///x", "https://:80/x", "http://example.com:x/"),
    *("http://example.com:99999/", "http://[::1/", "https://example.com/a b"),
    *("https://example.com/\n", "https://example.com/\u202e", " https://example.com/x"),
    # The host is not public, or the URL has a user name.
    *("http://localhost/", "http://127.0.0.1/x", "http://[::1]/", "http://10.0.0.1:8080/"),
    *("http://169.254.169.254/latest", "http://0x7f000001/", "http://2130706433/"),
    *("https://user:secret@example.com/", "https://user@example.com/"),
)
_CONTENTS: Final = ("AA==", "+/8=", base64.b64encode(bytes(range(256)) * 2000).decode())
_INVALID_CONTENTS: Final = (
    *("", "=", "a", "aGVsbG8", "aGVsbG8==", "aGVs bG8=", "aGVsbG8=\n", "-_8=", "aGVsbG9=x"),
    *("é", "aGVs*G8=", "data:text/plain;base64,aGVsbG8="),
)
_URL_FIELDS: Final = ("DocumentRequest.url", "UpdateDocumentRequest.url", "recordingUrl")
_PARTICIPANTS: Final[list[list[Json]]] = [
    [{"email": four_byte_text(512)}],
    [{"id": four_byte_text(600), "name": four_byte_text(1000), "email": None}],
    [{"id": each, "name": each, "email": each} for each in ANY_TEXT],
    [{"email": "BO@Acme.com", "name": ""}, {"email": "no at sign"}, {"email": "@"}],
    [{"email": "bo@acme.com"}] * 1000,
]

# --- times of a call --------------------------------------------------------------------------

_END_TIME: Final = "2026-03-11T14:30:00Z"
_END_TIMES: Final[list[tuple[Any, str]]] = [
    ("2026-03-11T14:00:00.000001Z", "2026-03-11T14:00:00.000001Z"),
    ("2026-03-12T00:00:00Z", "2026-03-12T00:00:00Z"),
    ("2026-03-12", "2026-03-12T00:00:00Z"),
    (1773237601, "2026-03-11T14:00:01Z"),
    (1773237600001, "2026-03-11T14:00:00.001000Z"),
]
_INVALID_END_TIMES: Final = (
    *(STARTED, "2026-03-11", 1773237600, "2026-03-11T13:59:59Z"),
    *("2026-03-12T00:00:00.000001Z", 0, 5, 1800),
)
_SENTENCE: Final[Json] = {"speakerName": "Bo", "text": "x", "timestamp": "2026-03-11T14:00:05Z"}
_TRANSCRIPTS: Final[list[list[Json]]] = [
    [],
    [_SENTENCE | {"speakerName": None, "speakerId": four_byte_text(600), "text": ""}],
    [_SENTENCE | {"speakerName": four_byte_text(1001), "text": "x" * 200_000}],
    [_SENTENCE | {"timestamp": 1773237605}, _SENTENCE | {"timestamp": "2026-03-12T00:00:00Z"}],
    [_SENTENCE | {"text": each} for each in ANY_TEXT],
    [_SENTENCE] * 10_000,
]
_INVALID_SENTENCE_TIMES: Final = (
    *(0, 5, 12.5, "12.5", "00:00:05", "PT5S"),
    *("2026-03-11T13:59:59.999999Z", "2026-03-11T14:30:00.000001Z"),
)
_TIMES_AS_READ: Final = {
    repr(sent): read for sent, read in [*TIMESTAMPS, *_END_TIMES, (_END_TIME, _END_TIME)]
}

# --- fields of rows ---------------------------------------------------------------------------

TITLE: Final[Json] = {"value": "x", "fieldType": "string"}
_SCORE: Final[Json] = {"score": {"value": 5, "fieldType": "int"}}
_FIELDS: Final[Json] = {
    "title": TITLE | {"version": 1, "label": "Title"},
    "notes": {"value": "two\nlines", "fieldType": "textarea"},
    "open": {"value": False, "fieldType": "boolean", "label": None},
    "score": {"value": 87, "fieldType": "int", "label": ""},
    "tags": {"value": ["a", 1, True], "fieldType": "list", "label": four_byte_text(2000)},
}
_GOOD_FIELDS: Final[list[Json]] = [
    {"title": TITLE | {"value": each}} for each in ("", "x" * 100_000, "\t")
]


def _wrong_fields() -> Iterator[InvalidValue]:
    """Wrong `fields` of a row whose object type requires a single-line `title`."""
    for lines in ("two\nlines", "two\r\nlines"):
        yield InvalidValue("fields.title", {"title": TITLE | {"value": lines}})
    yield InvalidValue("fields.title", {"title": TITLE | {"fieldType": "textarea"}})
    yield InvalidValue("fields.title", {"title": None})
    # Keys that are not in the object type. Some look like a path, some are very long.
    for key in ("nope", "a.b", "a[0]", "a`", " - at `$.name`", "", "\n", "$", "\U0001f94a" * 100):
        yield InvalidValue(f"fields.{key}", {"title": TITLE, key: TITLE})
        yield InvalidValue(
            f"fields.{key}.fieldType", {"title": TITLE, key: TITLE | {"fieldType": "text"}}
        )
    for value in (TITLE, 5):
        yield InvalidValue(f"fields.{'k' * 100}", {"title": TITLE, "k" * 100_000: value})


_FIELD_DEFINITION: Final[Json] = {"name": "title", "fieldType": "string"}

# --- parameters -------------------------------------------------------------------------------


def _source_parameter(*native: str, never: Sequence[str]) -> Parameter:
    """The parameter `sourceId` of a list: a UUID, or one of the native sources."""
    spelled = (SOME_UUID, SOME_UUID.upper(), UNKNOWN, NIL, "{sources}")
    wrong = (
        *set(MALFORMED_UUIDS) - set(native),
        *never,
        *(each.upper() for each in native),
        NIL[:8],
    )
    return Parameter((*spelled, *native), ("%00", f"{SOME_UUID}%00", *percent_encoded(*wrong)))


_CONVERSATION_SOURCES: Final = (
    *("sybill", "gong", "chorus", "fathom", "grain", "mindtickle", "avoma", "fireflies"),
    *("zoho_meetings", "uploaded_call", "uploaded_transcript", "sdk_upload", "zoom_phone"),
    "outreach_dialer",
)
_MESSAGE_SOURCES: Final = (
    *("gmail", "outlook", "zoho_mail"),
    *("salesforce_crm", "hubspot_crm", "pipedrive_crm", "dynamics_crm", "zoho_crm"),
)
_ATTENDEES: Final = ("a@acme.com", "A@ACME.COM", "@acme.com", "acme.com", "@", "a@", ".")
_INVALID_CURSORS: Final = (
    *("x", "%00", "%20", "%ff", "null", "0", "-1", SOME_UUID, "a" * 512, "a" * 513, "=" * 64),
    *("A" * 22, "_" * 64, "eyJ0cyI6MH0=", *percent_encoded("é" * 100, "\U0001f94a" * 300)),
)
_MALFORMED_PATH_UUIDS: Final = (
    *("x", "0", "null", "gong", "R-1", "SIGNAL-1", "%00", "%0a", "%ff", "%2e%2e", "%ed%a0%80"),
    *(f"{UNKNOWN}%0a", f"{UNKNOWN}%00", f"{UNKNOWN}0", f"%7B{UNKNOWN}%7D", f"%20{UNKNOWN}"),
    *(
        UNKNOWN.replace("-", ""),
        f"urn:uuid:{UNKNOWN}",
        *percent_encoded("\U0001f94a" * 300, "a" * 3000),
    ),
)
# Ids that no deal or account has.
_UNKNOWN_CRM_IDS: Final = (
    *("x", "0", "null", "%00", "D-1%00", "%0a", "%ff", "%2e%2e", "%ed%a0%80", "%25"),
    *percent_encoded(*ANY_TEXT, "a/b", "\U0001f94a" * 300, "a" * 3000),
)

# The parameters by which PATCH and DELETE select a record.
_RECORD_PARAMETERS: Final = {
    "remoteId": Parameter((REMOTE,), ("", *NUL, "a" * 513, *percent_encoded(four_byte_text(513)))),
    "sourceId": Parameter(("{sources}",), ("%00", *percent_encoded(*MALFORMED_UUIDS))),
}

# --- values as a read returns them -------------------------------------------------------------


def _person(sent: Json) -> Json:
    return {"name": sent.get("name") or None, "email": sent.get("email") or None}


def _people(sent: Sequence[Json]) -> list[Json]:
    return [_person(each) for each in sent]


def _same(sent: Any) -> Any:
    return sent


def _or_null(sent: Any) -> Any:
    return sent or None


def _time_as_read(sent: Any) -> Any:
    return sent if sent is None else _TIMES_AS_READ[repr(sent)]


# Fields that a read returns in another format than they were sent.
_RESPONSE_VALUES: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("createdAt", "updatedAt", "startedAt", "endedAt"), _time_as_read),
    "sender": _person,
    "recipients": _people,
    "participants": lambda sent: [each | {"attended": True} for each in _people(sent)],
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
# Fields that a read returns under another name.
_RESPONSE_NAMES: Final = {
    "id": "remoteId",
    "startedAt": "startTime",
    "endedAt": "endTime",
    "ConversationRequest.displayName": "title",
    "MessageRequest.displayName": "subject",
}
# Fields that the service fills in when they are null.
_DEFAULTED: Final = ("endedAt", "url")
# The display names of documents default to the file name.
_UNCOMPARED_FIELDS: Final = {
    *("transcript", "attachments", "UpdateRowRequest.fields"),
    *("DocumentRequest.displayName", "UpdateDocumentRequest.displayName"),
}


class RevenueApi(Api):
    """Revenue record: errors of reads have another format than those of writes."""

    contract = contracts.REVENUE
    surface = surface.REVENUE
    values = Values(
        contracts.REVENUE,
        examples={
            "id": REMOTE,
            "sourceId": "{sources}",
            "objectTypeId": "{object-types}",
            "fields": _FIELDS,
            "endedAt": _END_TIME,
            "timestamp": _SENTENCE["timestamp"],
            "url": "https://example.com/plan.pdf",
            "recordingUrl": "https://example.com/plan.pdf",
            "content": "aGVsbG8=",
            "contentType": "application/pdf",
            "email": "bo@acme.com",
        },
        good={
            "sourceId": (),
            "objectTypeId": (),
            **dict.fromkeys(_URL_FIELDS, _URLS),
            "content": _CONTENTS,
            "endedAt": [sent for sent, _ in _END_TIMES],
            "transcript": _TRANSCRIPTS,
            "participants": _PARTICIPANTS,
            "RowRequest.fields": _GOOD_FIELDS,
            "UpdateRowRequest.fields": [*_GOOD_FIELDS, {}, {"notes": None}, _SCORE],
            "fieldDefinitions": (
                [_FIELD_DEFINITION | {"name": f"f{number}"} for number in range(50)],
                [{"name": each, "fieldType": "list", "label": each} for each in ANY_TEXT],
                [{"name": four_byte_text(255), "fieldType": "date", "label": four_byte_text(2000)}],
                [
                    {"name": "a", "fieldType": "int", "label": None},
                    {"name": "A", "fieldType": "double"},
                ],
                [
                    {"name": each, "fieldType": each}
                    for each in contracts.REVENUE.named["FieldTypes"]["enum"]
                ],
            ),
        },
        wrong={
            **dict.fromkeys(_URL_FIELDS, _INVALID_URLS),
            "content": _INVALID_CONTENTS,
            "endedAt": _INVALID_END_TIMES,
            "timestamp": _INVALID_SENTENCE_TIMES,
            "participants": ([{}], [{"name": "Bo"}], [{"id": "", "email": ""}]),
            "transcript": (
                [_SENTENCE | {"speakerName": None}],
                [_SENTENCE | {"speakerName": "", "speakerId": None}],
            ),
            "fieldType": ("text", "integer", "number", "STRING"),
            "fieldDefinitions": ([_FIELD_DEFINITION, _FIELD_DEFINITION],),
            "RowRequest.fields": (*_wrong_fields(), InvalidValue("fields.title", _SCORE)),
            "UpdateRowRequest.fields": (
                *_wrong_fields(),
                InvalidValue("fields.nope", {"nope": None}),
            ),
        },
    )
    parameters: ClassVar = {
        "cursor": Parameter(("",), _INVALID_CURSORS),
        "listConversations.sourceId": _source_parameter(
            *_CONVERSATION_SOURCES, never=("gmail", "chat_upload")
        ),
        "listMessages.sourceId": _source_parameter(
            *_MESSAGE_SOURCES, never=("chat_upload", "a" * 256)
        ),
        "listDocuments.sourceId": _source_parameter("chat_upload", never=("gmail",)),
        "attendees": Parameter((*ANY_PARAMETER, *percent_encoded(*_ATTENDEES), "a" * 8000), NUL),
        **{
            f"{name}.{each}": texts
            for name, operation in contracts.REVENUE.operations.items()
            for each, texts in _RECORD_PARAMETERS.items()
            if each in operation.query and operation.query[each].required
        },
    }
    times = Parameter(
        percent_encoded(
            *("2026-03-11T14:00:00Z", "2026-03-11T14:00:00.5+02:00", "2026-03-11"),
            *("2026-03-11 14:00", "0001-01-02", "9999-12-31", "2026-03-11t14:00:00z"),
        ),
        (
            *("", "0", "-1", "1773237600", "1773237600000", "%00", "2026-03-11%00"),
            *percent_encoded(*INVALID_TIMES),
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
    exclusive_fields: ClassVar = {
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

    def make_valid(self, model: str, body: Json) -> Json:
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
        """Bodies without a required alternative, or with two fields that exclude each other."""
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
            return others | set(_UNKNOWN_CRM_IDS), set()
        uuids = {each for each in others if re.fullmatch("[0-9A-Fa-f-]{36}", each)}
        return uuids, others - uuids | set(_MALFORMED_PATH_UUIDS)

    def refusal(self, answer: Answer, code: str, field: str | None) -> str | None:
        if answer.headers["content-type"] != "application/json":
            return None
        body = answer.json()
        message = body["detail"]
        expected = {"detail": message}
        if answer.method != "GET":
            message = message["message"]
            request_id = answer.headers["x-request-id"]
            fault = {"error": code, "message": message, "field": field, "request_id": request_id}
            expected = {"detail": fault}
        right = body == expected and (field is None or message.startswith(f"{field}: "))
        return message if right else None

    async def differences(self, call: Call, caller: Caller, bodies: Iterable[Json]) -> list[str]:
        slots = asyncio.Semaphore(6)

        async def difference(number: int, body: Json) -> str:
            async with slots:
                media_type = self.media_types[number % len(self.media_types)]
                return await self._difference(call, caller, body, media_type)

        differences = await asyncio.gather(*(difference(*each) for each in enumerate(bodies)))
        return [each for each in differences if each]

    async def _difference(self, call: Call, caller: Caller, body: Json, media_type: str) -> str:
        """Send a body and read its record back. Returns the first difference, or an empty text."""
        operation, token = call.operation, secrets.token_hex(8)
        before: Json = {}
        case = Case("")
        if operation.method == "PATCH":
            case = await self._new_record(caller, operation.collection, token)
            before = await self._read(caller, operation.collection, case.path_id)
        sent = _with_new_id(body, token)
        content = caller.body(sent)
        request = call.request(case._replace(content=content), caller.tenant.key, media_type)
        (answer,) = await exchange(caller.port, [request])
        if answer.status != operation.status:
            return f"{content[:300]!r} -> {answer}"
        response = answer.json()
        if "recordId" in response and response != {
            "status": "created" if operation.method == "POST" else "updated",
            "recordId": response["recordId"],
            "id": sent.get("id", token),
            "sourceId": caller.ids["sources"],
        }:
            return f"{content[:300]!r} -> {answer}"
        read = await self._read(
            caller, operation.collection, response.get("recordId") or response["id"]
        )
        for name, value in json.loads(content).items():
            own = f"{call.model}.{name}"
            if {name, own} & _UNCOMPARED_FIELDS or (value is None and name in _DEFAULTED):
                continue
            shown = _RESPONSE_NAMES.get(own, _RESPONSE_NAMES.get(name, name))
            as_shown = _RESPONSE_VALUES.get(
                name, _or_null if shown in ("title", "subject") else _same
            )
            expected = before.get(shown) if before and value is None else as_shown(value)
            if shown in read and read[shown] != expected:
                return f"{name}: {str(value)[:200]!r} -> {str(read[shown])[:200]!r}"
        return ""

    async def _new_record(self, caller: Caller, kind: str, token: str) -> Case:
        """Create a record. Returns the parts of a request that select the record."""
        every = self.contract.operations.values()
        create = next(each for each in every if (each.method, each.path) == ("POST", f"/{kind}"))
        (model,) = create.bodies
        body = _with_new_id(self.make_valid(model, self.values.minimal(model)), token)
        (made,) = await Call(self, create, model).send(caller, [Case("", caller.body(body))])
        assert made.status == 201, made
        record = made.json().get("recordId")
        query = caller.fill(f"remoteId={token}&sourceId={{sources}}") if record else ""
        return Case("", None, query, record or made.json()["id"])

    async def _read(self, caller: Caller, kind: str, record: str) -> Json:
        path = f"{self.contract.prefix}/{kind}/{record}"
        (answer,) = await exchange(caller.port, [request_head("GET", path, caller.tenant.key)])
        found: Json = answer.json()
        return found


def _without(body: Json, name: str) -> Json:
    return {each: value for each, value in body.items() if each != name}


def _with_new_id(body: Json, token: str) -> Json:
    """Replace the example id and name by `token`, which no record has yet."""
    fresh = {"id": REMOTE, "name": "Changed."}
    return {name: token if fresh.get(name, ...) == value else value for name, value in body.items()}


async def make_records(owner: Tenant, database: Database) -> dict[str, str]:
    """Create one record of each kind, without URLs to fetch. Returns their ids."""
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
    transcript = [_SENTENCE | {"timestamp": STARTED}]
    records: dict[str, Json] = {
        "rows": {"name": "A secret"},
        "conversations": {"participants": [ana], "recordingUrl": None, "transcript": transcript},
        "messages": {"threadId": "secret", "sender": ana},
        "documents": {"url": None, "content": "aGVsbG8="},
    }
    for kind, fields in records.items():
        made[kind] = await source.push(kind, REMOTE, displayName="A secret", **fields)
    return made
